"""Official receipts as they were printed: the stored bytes are the document."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from payments.models.official import OfficialReceipt
from receipts.models import DocumentLanguage
from receipts.models.files import Digest


class OfficialFile(models.Model):
    """An official receipt as PDF, rendered once: who asks later gets the same bytes.

    Invariants, kept by the database: one for each document, language and mark; the digest is that
    of the bytes. Never changed or deleted.
    """

    append_only = True

    official = models.ForeignKey(
        OfficialReceipt, models.PROTECT, related_name="files", verbose_name=_("document")
    )
    language = models.CharField(_("language"), max_length=4, choices=DocumentLanguage.choices)
    is_copy = models.BooleanField(_("copy"), default=False)
    content = models.BinaryField(_("content"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    renderer = models.CharField(_("rendered by"), max_length=64)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("rendered document")
        verbose_name_plural = _("rendered documents")
        ordering = ("official", "language", "is_copy")
        constraints = (
            models.UniqueConstraint(
                fields=("official", "language", "is_copy"), name="official_file_once"
            ),
            models.CheckConstraint(
                condition=Q(language__in=("en", "th", "both")), name="official_file_language"
            ),
            models.CheckConstraint(
                condition=Q(sha256=Digest(F("content"))), name="official_file_digest"
            ),
        )

    def __str__(self) -> str:
        return f"{self.official}.pdf"
