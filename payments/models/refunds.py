"""Money that goes back to a payer."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core import formatting
from payments.models.attempts import Payment
from receipts.models.asked import Asked, amount_and_reason, approved_by_another


class RefundStatus(models.TextChoices):
    """How far a refund is."""

    REQUESTED = "requested", _("To be approved")
    APPROVED = "approved", _("To be paid out")
    PAID_OUT = "paid_out", _("Paid out")
    REJECTED = "rejected", _("Rejected")


class Refund(Asked):
    """What is given back of a payment that settles nothing, asked for by one person and approved by
    another one.

    It is set aside as soon as it is asked for, until it is rejected. One that ``bounced`` is the
    whole of a payment that the bank took back: it takes effect when a second person approves it.
    Invariants, kept by the database: never more than what no receipt is settled by; the approver
    did not ask for it; what was asked for never changes; steps go forward only; a payment that was
    taken back was not refunded, is taken back once, and settles nothing.
    """

    Status = RefundStatus

    payment = models.ForeignKey(
        Payment, models.PROTECT, related_name="refunds", verbose_name=_("payment")
    )
    bounced = models.BooleanField(_("taken back by the bank"), default=False)
    status = models.CharField(
        _("status"), max_length=10, choices=RefundStatus.choices, default=RefundStatus.REQUESTED
    )
    paid_out_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("paid out by")
    )
    done_at = models.DateTimeField(_("paid out"), null=True)
    reference = models.CharField(_("bank's reference"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ("-id",)
        permissions = (
            ("request_refund", _("Can ask for refunds")),
            ("approve_refund", _("Can approve refunds that others ask for")),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("payment",),
                condition=Q(bounced=True) & ~Q(status="rejected"),
                name="refund_bounces_once",
            ),
            models.CheckConstraint(
                condition=Q(bounced=False) | ~Q(status="approved"), name="refund_bounced_at_once"
            ),
            models.CheckConstraint(
                condition=amount_and_reason(),
                name="refund_amount_and_reason",
            ),
            models.CheckConstraint(
                condition=approved_by_another(),
                name="refund_second_person",
                violation_error_message=_("Whoever asks for a refund does not approve it."),
            ),
            models.CheckConstraint(
                condition=Q(status="requested", approved_at=None, rejected_at=None, done_at=None)
                | Q(
                    status="approved",
                    approved_at__isnull=False,
                    approved_by__isnull=False,
                    rejected_at=None,
                    done_at=None,
                )
                | (
                    Q(
                        status="paid_out",
                        approved_at__isnull=False,
                        approved_by__isnull=False,
                        rejected_at=None,
                        done_at__isnull=False,
                    )
                    & ~Q(reference="")
                )
                | (
                    Q(status="rejected", rejected_at__isnull=False, done_at=None)
                    & ~Q(rejected_because="")
                ),
                name="refund_steps",
            ),
        )

    def __str__(self) -> str:
        return f"{self.payment.receipt}: {formatting.money(self.amount, self.payment.currency)}"

    @property
    def state(self) -> str:
        """Return how far it is, in the current language."""
        if self.bounced and self.status == RefundStatus.PAID_OUT:
            return str(_("Taken back"))
        return self.get_status_display()
