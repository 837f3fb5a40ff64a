"""Documents as they were rendered: the stored bytes are the document, whatever renders today."""

from django.db import models
from django.db.models import F, Func, Q
from django.utils.translation import gettext_lazy as _

from receipts.models.documents import Receipt
from receipts.models.profiles import DocumentLanguage


class FileForm(models.TextChoices):
    """In which form a document is."""

    PDF = "pdf", "PDF"
    XML = "xml", "XML"


class Digest(Func):
    """The SHA-256 (hex) of bytes, as the database computes it."""

    template = "encode(sha256(%(expressions)s), 'hex')"
    output_field = models.CharField()


class DocumentFile(models.Model):
    """An issued document as a file, rendered once: who asks later gets the same bytes.

    Invariants, kept by the database: one for each receipt, form, language and mark; the digest is
    that of the bytes; only of issued documents; an e-invoice has no language and no copy. Never
    changed or deleted.
    """

    append_only = True

    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="files", verbose_name=_("receipt")
    )
    form = models.CharField(_("form"), max_length=4, choices=FileForm.choices)
    language = models.CharField(
        _("language"), max_length=4, choices=DocumentLanguage.choices, blank=True
    )
    is_copy = models.BooleanField(_("copy"), default=False)
    content = models.BinaryField(_("content"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    renderer = models.CharField(_("rendered by"), max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("rendered document")
        verbose_name_plural = _("rendered documents")
        ordering = ("receipt", "form", "language", "is_copy")
        constraints = (
            models.UniqueConstraint(
                fields=("receipt", "form", "language", "is_copy"), name="document_file_once"
            ),
            models.CheckConstraint(
                condition=Q(form="pdf", language__in=("en", "th", "both"))
                | Q(form="xml", language="", is_copy=False),
                name="document_file_form",
            ),
            models.CheckConstraint(
                condition=Q(sha256=Digest(F("content"))), name="document_file_digest"
            ),
        )

    def __str__(self) -> str:
        return f"{self.receipt}.{self.form}"
