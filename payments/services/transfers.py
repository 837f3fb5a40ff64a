"""What clerks record: bank transfers, and tax that payers withheld."""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.actor import Actor
from core.errors import Conflict, Invalid
from core.money import round_half_up
from core.site import site_zone
from payments.models import Payment, Withholding
from payments.providers.base import ProviderEvent
from payments.services.arriving import Handled, Withheld, apply_event, give_up, settle
from payments.services.official import correct_official_receipts
from payments.services.settlement import restate, standing, take_back_row
from receipts.models import BillingProfile, Receipt
from receipts.services.steps import locked


@dataclass(frozen=True, slots=True)
class Transfer:
    """A bank transfer as the clerk reads it on the statement. The reference is the bank's."""

    reference: str
    day: date
    amount: Decimal
    currency: str


def record_transfer(
    *, receipt_id: int, transfer: Transfer, actor: Actor, withheld: Withheld | None = None
) -> Handled:
    """Record a bank transfer for a receipt, on a clerk's word, and the tax withheld of it.

    Goes the same way as a provider's event: what is left, or a part of it, settles the receipt;
    more is kept and queued as a mismatch. Raises Invalid for bad values and for tax withheld that
    is more than the transfer leaves, Conflict for a reference that was recorded before.
    """
    _check_transfer(transfer, actor)
    # With blanks around it the same transfer would count as another one.
    transfer = replace(transfer, reference=transfer.reference.strip())
    external_id = f"manual_{receipt_id}_{transfer.reference}"
    event = ProviderEvent(
        event_id=transfer.reference,
        kind="payment.succeeded",
        external_payment_id=external_id,
        amount=transfer.amount,
        currency=transfer.currency,
        occurred_at=_noon(transfer.day),
    )
    with transaction.atomic():
        receipt = locked(receipt_id)
        if receipt.status in Receipt.BEFORE_ISSUE or receipt.kind == Receipt.Kind.CREDIT_NOTE:
            raise Conflict("not_payable", _("This receipt is not issued yet."))
        _check_decimals("amount", transfer.amount, receipt)
        if withheld is not None:
            _check_withheld(receipt, withheld, transfer.amount)
        _attempt(receipt, transfer, external_id, actor)
        handled = apply_event(
            provider_code="manual",
            event=event,
            body=_told(transfer, actor),
            actor=actor,
            withheld=withheld,
        )
        if handled == "replay":
            raise Conflict(
                "reference_used", _("A transfer with this reference is recorded already.")
            )
    return handled


def _attempt(receipt: Receipt, transfer: Transfer, external_id: str, actor: Actor) -> None:
    """Make the payment that the transfer is; an earlier one that waits is given up, as a receipt
    has one a provider. Its event stays in the queue of mismatches."""
    if Payment.objects.filter(provider="manual", external_id=external_id).exists():
        return
    before = Payment.objects.filter(
        receipt=receipt, provider="manual", status=Payment.Status.PENDING
    ).first()
    if before is not None:
        give_up(before, actor)
    Payment.objects.create(
        provider="manual",
        external_id=external_id,
        receipt=receipt,
        amount=transfer.amount,
        currency=transfer.currency,
        created_by_id=actor.user_id,
    )


def _told(transfer: Transfer, actor: Actor) -> bytes:
    return json.dumps(
        {
            "reference": transfer.reference,
            "day": str(transfer.day),
            "amount": str(transfer.amount),
            "currency": transfer.currency,
            "recorded_by": actor.name,
        }
    ).encode()


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), site_zone())


def _check_transfer(transfer: Transfer, actor: Actor) -> None:
    if actor.user_id is None:
        raise Invalid("actor", _("A transfer is recorded by a person."))
    if not transfer.reference.strip():
        raise Invalid("reference", _("Enter the bank's reference of the transfer."))
    _check_amount("amount", transfer.amount)
    if transfer.day > timezone.localdate():
        raise Invalid("day", _("The day of the transfer lies in the future."))


def _check_amount(field: str, amount: Decimal) -> None:
    if not amount.is_finite() or not 0 < amount < Decimal("1e14"):
        raise Invalid(field, _("Enter the amount that arrived, greater than zero."))


def _check_decimals(field: str, amount: Decimal, receipt: Receipt) -> None:
    if amount != round_half_up(amount, receipt.decimals):
        raise Invalid(
            field,
            _("%(currency)s has %(decimals)s decimals; enter no more.")
            % {"currency": receipt.currency, "decimals": receipt.decimals},
        )


def suggested_withholding(receipt: Receipt) -> Withheld | None:
    """Return the tax that the payer is expected to withhold of what is left: the percentage of the
    project's billing profile, of the net share. None where it withholds nothing, and for an opening
    balance, of which the net share is not known."""
    profile = BillingProfile.objects.filter(project=receipt.project_id).first()
    left = standing(receipt).left
    if profile is None or not profile.withholding_percent or left <= 0:
        return None
    if receipt.kind == Receipt.Kind.OPENING:
        return None
    net = left * receipt.net_amount / receipt.total
    amount = round_half_up(net * profile.withholding_percent / 100, receipt.decimals)
    if amount <= 0:
        return None
    return Withheld(amount, profile.withholding_percent, "", timezone.localdate())


def record_withholding(
    *, receipt_id: int, withheld: Withheld, actor: Actor, seen: Decimal | None = None
) -> None:
    """Record tax withheld by itself: its certificate came later than the money, or without any.

    ``seen`` is what was left to pay when the person looked: a second click records nothing twice.
    Raises Invalid for bad values and for more than is left, Conflict if the receipt is not open, or
    was paid or credited in part since the person looked.
    """
    if actor.user_id is None:
        raise Invalid("actor", _("Tax withheld is recorded by a person."))
    with transaction.atomic():
        receipt = locked(receipt_id)
        if receipt.status not in Receipt.OPEN:
            raise Conflict("not_payable", _("This receipt is not open for payment."))
        if seen is not None and seen != standing(receipt).left:
            raise Conflict(
                "left_changed",
                _(
                    "Something was paid, withheld or credited since you looked, so nothing was"
                    " recorded now. Look at what is left to pay."
                ),
            )
        _check_withheld(receipt, withheld)
        settle(receipt=receipt, withheld=withheld, paid_at=_noon(withheld.day), actor=actor)


def _check_withheld(
    receipt: Receipt, withheld: Withheld, transferred: Decimal = Decimal(0)
) -> None:
    if not withheld.certificate.strip():
        raise Invalid("certificate", _("Enter the number of the withholding certificate."))
    if not withheld.percent.is_finite() or not 0 < withheld.percent < 100:
        raise Invalid("percent", _("A rate is more than 0 and less than 100 percent."))
    _check_amount("withheld", withheld.amount)
    _check_decimals("withheld", withheld.amount, receipt)
    if withheld.day > timezone.localdate():
        raise Invalid("certificate_day", _("The day of the certificate lies in the future."))
    if transferred + withheld.amount > standing(receipt).left:
        raise Invalid("withheld", _("This is more than what is left to pay of the receipt."))


def take_back_withholding(*, withholding_id: int, actor: Actor, reason: str) -> Withholding:
    """Take back tax that was recorded as withheld by mistake: the receipt asks for it again.

    The official receipt that named it is cancelled; where money came with it, another one is given
    for the money. Raises Invalid without a reason, Conflict if it was taken back before or the
    receipt is closed by a credit note or written off.
    """
    if not reason.strip():
        raise Invalid("reason", _("Say why this is taken back."))
    with transaction.atomic():
        receipt_id = Withholding.objects.values_list("receipt", flat=True).get(pk=withholding_id)
        receipt = locked(receipt_id)
        if receipt.status not in (*Receipt.OPEN, Receipt.Status.PAID):
            raise Conflict("stale_status", _("The receipt is closed: nothing of it is taken back."))
        row = Withholding.objects.filter(pk=withholding_id, reverses=None, reversal=None).first()
        if row is None:
            raise Conflict("taken_back", _("This was taken back by someone else already."))
        row.receipt = receipt
        made = take_back_row(row, why=reason, actor=actor)
        correct_official_receipts(receipt=receipt, why=reason, actor=actor)
        restate(receipt, actor)
    return made
