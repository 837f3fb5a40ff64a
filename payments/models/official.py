"""The receipt that a payer gets after paying, in a series of its own."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from payments.models.settling import Allocation, Withholding
from payments.models.undone import SAYS_WHY, Undone
from receipts.models import Receipt, Series


class OfficialKind(models.TextChoices):
    """What is given after payment (setting DOCUMENT_AT_PAYMENT)."""

    RECEIPT = "receipt", _("Official receipt")
    RECEIPT_TAX_INVOICE = "receipt_tax_invoice", _("Official receipt / tax invoice")


class OfficialReceipt(models.Model):
    """Says that a part of a receipt was settled: by a payment, by tax withheld, or by both.

    ``amount`` is money and withheld tax together, ``withheld`` the latter. The tax is the rounded
    share of all that was settled so far minus what official receipts in force say of it already, so
    that those of a whole receipt come to the net and tax that its credit notes left of it. One that
    says too much is cancelled, and another one ``replaces`` it. Invariants, kept by the database:
    the number is the next of its series; the kind is what the receipt promised at its issue; shares
    are as said; an act has one that is not cancelled; at commit those in force say of each payment
    and certificate what it settles of the receipt; nothing of it ever changes, and neither issue
    nor cancellation is put into a closed month.
    """

    append_only = True

    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="official_receipts", verbose_name=_("receipt")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=OfficialKind.choices)
    allocation = models.ForeignKey(
        Allocation, models.PROTECT, null=True, related_name="official_receipts"
    )
    withholding = models.ForeignKey(
        Withholding, models.PROTECT, null=True, related_name="official_receipts"
    )
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="replaced_by", verbose_name=_("replaces")
    )
    series = models.ForeignKey(Series, models.PROTECT, related_name="official_receipts")
    sequence = models.PositiveIntegerField(_("number in series"))
    number = models.CharField(_("number"), max_length=64, unique=True)
    issued_at = models.DateTimeField(_("issued"))
    paid_on = models.DateField(_("day of payment"))
    currency = models.CharField(_("currency"), max_length=3)
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=4)
    withheld = models.DecimalField(_("tax withheld"), max_digits=18, decimal_places=4)
    net_amount = models.DecimalField(_("net"), max_digits=18, decimal_places=4)
    tax_amount = models.DecimalField(_("tax"), max_digits=18, decimal_places=4)
    content = models.JSONField(_("content"))
    sha256 = models.CharField(_("SHA-256 of the content"), max_length=64)
    verify_token = models.CharField(max_length=43, unique=True, editable=False)

    class Meta:
        verbose_name = _("official receipt")
        verbose_name_plural = _("official receipts")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("series", "sequence"), name="official_receipt_number_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    amount__gt=0, amount__lt=10**14, withheld__gte=0, withheld__lte=F("amount")
                )
                & Q(amount=F("net_amount") + F("tax_amount")),
                name="official_receipt_amounts",
            ),
            models.CheckConstraint(
                condition=Q(allocation__isnull=False) | Q(withholding__isnull=False),
                name="official_receipt_of_an_act",
            ),
            models.CheckConstraint(
                condition=Q(sha256__regex=r"^[0-9a-f]{64}$") & ~Q(verify_token=""),
                name="official_receipt_has_hash",
            ),
        )

    def __str__(self) -> str:
        return self.number


class OfficialCancellation(Undone):
    """Says that an official receipt counts no more, and why: what a person wrote, or a credit note
    of its receipt. Its number stays used."""

    append_only = True

    official = models.OneToOneField(
        OfficialReceipt, models.PROTECT, related_name="cancellation", verbose_name=_("document")
    )
    cancelled_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("cancelled by")
    )
    cancelled_at = models.DateTimeField(_("cancelled"), auto_now_add=True)

    class Meta:
        verbose_name = _("cancelled official receipt")
        verbose_name_plural = _("cancelled official receipts")
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(condition=SAYS_WHY, name="official_cancellation_has_reason"),
        )

    def __str__(self) -> str:
        return str(self.official)
