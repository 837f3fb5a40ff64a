"""Official receipts: given when money or a certificate of withheld tax settles a receipt, and
cancelled when it settles it no more.

What a payer gets was decided when the receipt was issued (``at_payment`` of its particulars), so
that the tax of a receipt is due at its issue or at its payment, never at both. Invariant, kept by
the database at commit: the official receipts in force of a receipt say of each payment and each
certificate what it settles; together, once nothing is left to pay, they have the tax that is left
of the receipt after its credit notes.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext

from django.conf import settings
from django.db.models import QuerySet, Sum
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
from payments.models.undone import Why, told, undone
from receipts.arithmetic import EXACT
from receipts.models import Receipt
from receipts.services import fiscal_year, next_number, parties_of

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Act:
    """What an official receipt is given for: ``money`` of an allocation, tax withheld, or both; on
    the ``day`` on which the money came or the tax was withheld."""

    day: date
    allocation: Allocation | None = None
    money: Decimal = ZERO
    withholding: Withholding | None = None

    @property
    def withheld(self) -> Decimal:
        """How much of it is tax withheld."""
        return self.withholding.amount if self.withholding else ZERO

    @property
    def amount(self) -> Decimal:
        """What it settles."""
        return self.money + self.withheld


def kind_given(receipt: Receipt) -> OfficialKind | None:
    """Return what is given for payments of a receipt, as was decided at its issue; None where
    nothing is."""
    kind = receipt.particulars.get("at_payment", "none")
    return None if kind == "none" else OfficialKind(kind)


def give_official_receipt(
    *, receipt: Receipt, act: Act, actor: Actor, replaces: OfficialReceipt | None = None
) -> OfficialReceipt | None:
    """Give the payer a receipt for what one act settles, in the transaction of that act.

    Returns None where the site gives none. The receipt is locked, so that the shares of net and tax
    follow one another.
    """
    kind = kind_given(receipt)
    if kind is None:
        return None
    tax = _share_of_tax(receipt, act.amount)
    series, sequence = next_number(settings.SERIES_OFFICIAL, fiscal_year(timezone.localdate()))
    official = OfficialReceipt(
        receipt=receipt,
        kind=kind,
        allocation=act.allocation,
        withholding=act.withholding,
        replaces=replaces,
        series=series,
        sequence=sequence,
        number=series.text_of(sequence),
        issued_at=timezone.now(),
        paid_on=act.day,
        currency=receipt.currency,
        amount=act.amount,
        withheld=act.withheld,
        net_amount=act.amount - tax,
        tax_amount=tax,
        verify_token=secrets.token_urlsafe(24),
    )
    official.content = _details(official)
    official.sha256 = hash_of(official)
    official.save(force_insert=True)
    data = {"number": official.number, "receipt": receipt.number, "amount": act.amount}
    record(
        "official_receipt.issued",
        actor=actor,
        target=official,
        data={
            **data,
            "withheld": act.withheld,
            "currency": receipt.currency,
            "tax": tax,
            "replaces": replaces.number if replaces else "",
        },
    )
    return official


def _in_force(receipt: Receipt) -> QuerySet[OfficialReceipt]:
    return OfficialReceipt.objects.filter(receipt=receipt, cancellation=None)


def _share_of_tax(receipt: Receipt, amount: Decimal) -> Decimal:
    """What of an amount is tax: the rounded share of all settled with it, minus what the official
    receipts in force say of it. Once all is settled, that is the tax left after credit notes."""
    before = _in_force(receipt).aggregate(amount=Sum("amount"), tax=Sum("tax_amount"))
    settled = amount + (before["amount"] or ZERO)
    tax, payable = _left_of(receipt)
    with localcontext() as context:
        context.prec = EXACT
        share = round_half_up(settled * tax / payable, receipt.decimals)
    return share - (before["tax"] or ZERO)


def _left_of(receipt: Receipt) -> tuple[Decimal, Decimal]:
    """The tax of a receipt, and what it asks for, after its credit notes."""
    notes = receipt.credit_notes.exclude(status__in=Receipt.BEFORE_ISSUE)
    sums = notes.aggregate(tax=Sum("tax_amount"), total=Sum("total"))
    return receipt.tax_amount + (sums["tax"] or ZERO), receipt.total + (sums["total"] or ZERO)


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
        **_replaced(official.replaces),
    }


def _replaced(old: OfficialReceipt | None) -> dict[str, str]:
    """Which one it replaces, of when, and why that one is cancelled."""
    names = ("replaces", "replaces_of", "replaces_because", "replaces_credited_by")
    if old is None:
        return dict.fromkeys(names, "")
    gone = old.cancellation
    note = gone.credit_note.number if gone.credit_note else None
    issued = str(timezone.localdate(old.issued_at))
    return dict(zip(names, (old.number, issued, gone.reason, note or ""), strict=True))


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
    *, official: OfficialReceipt, why: Why, actor: Actor
) -> OfficialCancellation:
    """Say that an official receipt counts no more; its receipt is locked by the caller."""
    made = OfficialCancellation.objects.create(
        official=official, cancelled_by_id=actor.user_id, **undone(why)
    )
    data = {"number": official.number, **told(made)}
    record("official_receipt.cancelled", actor=actor, target=official, data=data)
    return made


def correct_official_receipts(*, receipt: Receipt, why: Why, actor: Actor) -> None:
    """Cancel the official receipts of what settles a receipt no more, and give others for what
    stays; in the transaction that released it, which has locked the receipt.

    The newest of a payment go first. Where nothing is left to pay but cents of rounding are missing
    or too much, the largest is given again with the tax that is right.
    """
    wrong = list(_beyond(receipt))
    _give_again(receipt, wrong, why, actor)
    rest = _in_force(receipt).select_related("allocation", "withholding")
    sums = rest.aggregate(amount=Sum("amount"), tax=Sum("tax_amount"))
    tax, payable = _left_of(receipt)
    if sums["amount"] == payable and sums["tax"] != tax:
        largest = rest.order_by("-amount", "-pk")[0]
        _give_again(receipt, [(largest, _act_of(largest))], why, actor)


Wrong = tuple[OfficialReceipt, Act]
"""An official receipt, and what stays of its act, maybe nothing."""


def _beyond(receipt: Receipt) -> Iterable[Wrong]:
    """Find the official receipts that say more than their acts still settle, newest first."""
    found = _in_force(receipt).select_related("allocation", "withholding__reversal")
    beyond: dict[int, Decimal] = defaultdict(Decimal)
    held = Allocation.objects.filter(receipt=receipt).order_by()
    for payment, settles in held.values_list("payment").annotate(sum=Sum("amount")):
        beyond[payment] -= settles
    for official in found:
        if official.allocation is not None:
            beyond[official.allocation.payment_id] += official.amount - official.withheld
    for official in found.order_by("-pk"):
        act = _act_of(official)
        cut = ZERO
        if act.allocation is not None:
            cut = max(ZERO, min(act.money, beyond[act.allocation.payment_id]))
            beyond[act.allocation.payment_id] -= cut
        kept = act.withholding
        gone = kept is not None and hasattr(kept, "reversal")
        if cut or gone:
            left = act.money - cut
            yield (
                official,
                Act(
                    act.day,
                    act.allocation if left else None,
                    left,
                    None if gone else kept,
                ),
            )


def _act_of(official: OfficialReceipt) -> Act:
    money = official.amount - official.withheld
    return Act(official.paid_on, official.allocation, money, official.withholding)


def _give_again(receipt: Receipt, wrong: list[Wrong], why: Why, actor: Actor) -> None:
    """Cancel them all before others are given, the oldest first: shares of tax are of those in
    force."""
    for official, _ in wrong:
        cancel_official_receipt(official=official, why=why, actor=actor)
    for official, act in reversed(wrong):
        if act.amount:
            give_official_receipt(receipt=receipt, act=act, actor=actor, replaces=official)
