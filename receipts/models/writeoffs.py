"""What is given up of a receipt."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import formatting
from receipts.models.asked import Asked, amount_and_reason, approved_by_another
from receipts.models.documents import Receipt


class WriteOffStatus(models.TextChoices):
    """How far a write-off is."""

    REQUESTED = "requested", _("To be approved")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")


class WriteOff(Asked):
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
    status = models.CharField(
        _("status"), max_length=10, choices=WriteOffStatus.choices, default=WriteOffStatus.REQUESTED
    )

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
                condition=amount_and_reason(),
                name="write_off_amount_and_reason",
            ),
            models.CheckConstraint(
                condition=approved_by_another(),
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
