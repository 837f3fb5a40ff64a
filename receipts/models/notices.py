"""What people were told of receipts."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from receipts.models.documents import Receipt


class Notice(models.Model):
    """An e-mail that told someone of a receipt; the row is there if, and only if, it was sent.

    Invariant: one for each receipt, kind and recipient. The address is kept as a digest only, so
    that a person can be forgotten while the row, which is never changed, stays.
    """

    append_only = True

    class Kind(models.TextChoices):
        ISSUED = "issued", _("Issued")
        PAID = "paid", _("Paid")

    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="notices", verbose_name=_("receipt")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    recipient_sha256 = models.CharField(_("SHA-256 of the address"), max_length=64)
    language = models.CharField(_("language"), max_length=5)
    sent_at = models.DateTimeField(_("sent"), auto_now_add=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("receipt", "kind", "recipient_sha256"), name="notice_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("issued", "paid")), name="notice_kind_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.receipt} {self.kind}"
