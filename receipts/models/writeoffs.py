"""What is given up of a receipt."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core import formatting
from receipts.models.documents import Receipt


class WriteOffStatus(models.TextChoices):
    """How far a write-off is."""

    REQUESTED = "requested", _("To be approved")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")


class WriteOff(models.Model):
    """What is left to pay of a receipt and won't be paid, asked for by one person and approved by
    another one.

    Invariants, kept by the database: the approver did not ask for it; one waits for a receipt at
    most; an answer is final; a receipt is written off if, and only if, an approved one gives up
    exactly what is left of it.
    """

    Status = WriteOffStatus

    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="write_offs", verbose_name=_("receipt")
    )
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=4)
    reason = models.CharField(_("reason"), max_length=200)
    status = models.CharField(
        _("status"), max_length=10, choices=WriteOffStatus.choices, default=WriteOffStatus.REQUESTED
    )
    requested_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("requested by")
    )
    requested_at = models.DateTimeField(_("requested"), auto_now_add=True)
    approved_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("approved by")
    )
    approved_at = models.DateTimeField(_("approved"), null=True)
    rejected_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("rejected by")
    )
    rejected_at = models.DateTimeField(_("rejected"), null=True)
    rejected_because = models.CharField(_("reason of the rejection"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("write-off")
        verbose_name_plural = _("write-offs")
        ordering = ("-id",)
        permissions = (
            ("request_writeoff", _("Can ask for receipts to be written off")),
            ("approve_writeoff", _("Can approve write-offs that others ask for")),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("receipt",), condition=~Q(status="rejected"), name="write_off_once"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=10**14) & ~Q(reason=""),
                name="write_off_amount_and_reason",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=F("requested_by")),
                name="write_off_second_person",
                violation_error_message=_("Whoever asks for a write-off does not approve it."),
            ),
            models.CheckConstraint(
                condition=Q(
                    status="requested",
                    approved_by=None,
                    approved_at=None,
                    rejected_at=None,
                )
                | Q(
                    status="approved",
                    approved_by__isnull=False,
                    approved_at__isnull=False,
                    rejected_at=None,
                )
                | (
                    Q(
                        status="rejected",
                        approved_by=None,
                        approved_at=None,
                        rejected_at__isnull=False,
                    )
                    & ~Q(rejected_because="")
                ),
                name="write_off_steps",
            ),
        )

    def __str__(self) -> str:
        return f"{self.receipt}: {formatting.money(self.amount, self.receipt.currency)}"
