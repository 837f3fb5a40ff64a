"""What settles a receipt: parts of payments, and tax that the payer withheld."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from payments.models.attempts import Payment
from payments.models.undone import SAYS_WHY, Undone
from receipts.models import Receipt


class Allocation(models.Model):
    """A part of a payment that settles a receipt; below zero where a credit note released it.

    Invariants, kept by the database: what a payment settles of a receipt is never less than
    nothing; a payment settles receipts of its own project and currency only, and never more than
    arrived and was not given back; at commit a receipt is settled by what it asks for at most, and
    its status says so.
    """

    append_only = True

    payment = models.ForeignKey(
        Payment, models.PROTECT, related_name="allocations", verbose_name=_("payment")
    )
    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="allocations", verbose_name=_("receipt")
    )
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=4)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(amount__gt=-(10**14), amount__lt=10**14) & ~Q(amount=0),
                name="allocation_amount_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"{self.payment_id} → {self.receipt_id}: {self.amount}"


class Withholding(Undone):
    """Tax that a payer kept back for the tax office, with the certificate that proves it.

    It settles a part of the receipt and is no part of the total (Thai Revenue Code, section 50
    bis). A row that ``reverses`` another takes it back, and says why: a mistake, or a credit note
    that left less to settle. Invariants, kept by the database: a withholding is taken back once and
    in whole; a person recorded it; the credit note is one of its receipt.
    """

    append_only = True

    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="withholdings", verbose_name=_("receipt")
    )
    amount = models.DecimalField(_("amount withheld"), max_digits=18, decimal_places=4)
    percent = models.DecimalField(_("rate, %"), max_digits=6, decimal_places=3)
    certificate = models.CharField(_("certificate number"), max_length=64)
    day = models.DateField(_("day of the certificate"))
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="reversal", verbose_name=_("takes back")
    )
    recorded_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("recorded by")
    )
    recorded_at = models.DateTimeField(_("recorded"), auto_now_add=True)

    class Meta:
        verbose_name = _("tax withheld")
        verbose_name_plural = _("tax withheld")
        ordering = ("-id",)
        permissions = (("take_back_withholding", _("Can take back tax recorded as withheld")),)
        constraints = (
            models.CheckConstraint(
                condition=Q(reverses=None, amount__gt=0, recorded_by__isnull=False)
                & Q(reason="", credit_note=None)
                | Q(reverses__isnull=False, amount__lt=0) & SAYS_WHY,
                name="withholding_reversal_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=-(10**14), amount__lt=10**14, percent__gt=0, percent__lt=100)
                & ~Q(certificate=""),
                name="withholding_has_certificate",
            ),
        )

    def __str__(self) -> str:
        return self.certificate
