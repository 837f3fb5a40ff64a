"""Official receipts: given when money or a certificate of withheld tax settles a receipt."""

import secrets
from datetime import date
from decimal import Decimal, localcontext

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from audit.services import record
from core.actor import Actor
from core.canonical import sha256_of
from core.money import round_half_up
from payments.models import (
    Allocation,
    OfficialCancellation,
    OfficialKind,
    OfficialReceipt,
    Withholding,
)
from receipts.arithmetic import EXACT
from receipts.models import Receipt
from receipts.services import fiscal_year, next_number, parties_of

ZERO = Decimal(0)


def give_official_receipt(
    *,
    receipt: Receipt,
    day: date,
    actor: Actor,
    allocation: Allocation | None = None,
    withholding: Withholding | None = None,
    replaces: OfficialReceipt | None = None,
) -> OfficialReceipt | None:
    """Give the payer a receipt for what one act settled, in the transaction of that act.

    ``day`` is when the money came or the tax was withheld. Returns None where the site gives none.
    The receipt is locked, so that the shares of net and tax follow one another.
    """
    if settings.DOCUMENT_AT_PAYMENT == "none":
        return None
    withheld = withholding.amount if withholding else ZERO
    amount = withheld + (allocation.amount if allocation else ZERO)
    tax = _share_of_tax(receipt, amount)
    series, sequence = next_number(settings.SERIES_OFFICIAL, fiscal_year(timezone.localdate()))
    official = OfficialReceipt(
        receipt=receipt,
        kind=OfficialKind(settings.DOCUMENT_AT_PAYMENT),
        allocation=allocation,
        withholding=withholding,
        replaces=replaces,
        series=series,
        sequence=sequence,
        number=series.text_of(sequence),
        issued_at=timezone.now(),
        paid_on=day,
        currency=receipt.currency,
        amount=amount,
        withheld=withheld,
        net_amount=amount - tax,
        tax_amount=tax,
        verify_token=secrets.token_urlsafe(24),
    )
    official.content = _details(official)
    official.sha256 = hash_of(official)
    official.save(force_insert=True)
    data = {"number": official.number, "receipt": receipt.number, "amount": amount}
    record(
        "official_receipt.issued",
        actor=actor,
        target=official,
        data={**data, "withheld": withheld, "currency": receipt.currency, "tax": tax},
    )
    return official


def _share_of_tax(receipt: Receipt, amount: Decimal) -> Decimal:
    """What of an amount is tax: the rounded share of all settled so far, minus what the official
    receipts in force say of it."""
    found = OfficialReceipt.objects.filter(receipt=receipt, cancellation=None)
    before = found.aggregate(amount=Sum("amount"), tax=Sum("tax_amount"))
    settled = amount + (before["amount"] or ZERO)
    with localcontext() as context:
        context.prec = EXACT
        share = round_half_up(settled * receipt.tax_amount / receipt.total, receipt.decimals)
    return share - (before["tax"] or ZERO)


def _details(official: OfficialReceipt) -> dict[str, object]:
    """What else it says for ever: the parties of the day, and what was paid for."""
    receipt = official.receipt
    return {
        "parties": receipt.parties or parties_of(receipt.project),
        "receipt": {
            "number": receipt.number,
            "sha256": receipt.sha256,
            "issued_on": str(timezone.localdate(receipt.issued_at)),
            "total": str(receipt.total),
        },
        "tax": {
            "category": receipt.tax_category,
            "rate": str(receipt.tax_rate.normalize()),
            "inclusive": receipt.tax_inclusive,
            "reason": str(receipt.particulars.get("tax_reason", "")),
            "certificate": str(receipt.particulars.get("exemption_certificate", "")),
        },
        "decimals": receipt.decimals,
        "language": str(receipt.particulars.get("language", "both")),
        "withholding_certificate": official.withholding.certificate if official.withholding else "",
        "replaces": official.replaces.number if official.replaces else "",
    }


def content_of(official: OfficialReceipt) -> dict[str, object]:
    """Return what the document says, whose canonical JSON is hashed and can be checked later."""
    amounts = ("amount", "withheld", "net_amount", "tax_amount")
    return {
        "kind": official.kind,
        "number": official.number,
        "issued_at": official.issued_at,
        "paid_on": official.paid_on,
        "currency": official.currency,
        **{name: _plain(getattr(official, name)) for name in amounts},
        "details": official.content,
    }


def hash_of(official: OfficialReceipt) -> str:
    """Return the SHA-256 of what the document says."""
    return sha256_of(content_of(official))


def _plain(amount: Decimal) -> Decimal:
    return amount.normalize() if amount else ZERO


def cancel_official_receipt(
    *, official: OfficialReceipt, reason: str, actor: Actor
) -> OfficialCancellation:
    """Say that an official receipt counts no more; its receipt is locked by the caller."""
    made = OfficialCancellation.objects.create(
        official=official, reason=reason.strip()[:200], cancelled_by_id=actor.user_id
    )
    data = {"number": official.number, "reason": reason}
    record("official_receipt.cancelled", actor=actor, target=official, data=data)
    return made
