"""What a receipt still asks for, what settles it, and its status, which follows from both.

All of it happens in the caller's transaction, which has locked the receipt's project and the
receipt; payments are locked after them, in the order of the house.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from audit.services import record
from core.actor import Actor
from core.locks import lock_rows
from payments.models import Allocation, Payment, Withholding
from payments.models.undone import Why, told, undone
from payments.selectors import bounces_of, unallocated_of, with_standing, with_unallocated
from payments.services.official import Act, correct_official_receipts, give_official_receipt
from receipts.models import Receipt, ReceiptStatus
from receipts.services import mark_settled

S = Receipt.Status
ZERO = Decimal(0)
SETTLED_BY = (*Receipt.OPEN, S.PAID)
"""States that follow from what settles a receipt."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a receipt asks for after its credit notes, and what of that is settled: by payments, and
    by tax that was withheld. What was written off is settled by neither."""

    total: Decimal
    credited: Decimal
    allocated: Decimal
    withheld: Decimal
    written_off: Decimal = ZERO

    @property
    def payable(self) -> Decimal:
        """What it asks for after its credit notes."""
        return self.total - self.credited

    @property
    def settled(self) -> Decimal:
        """What of that was paid or withheld."""
        return self.allocated + self.withheld

    @property
    def left(self) -> Decimal:
        """What is still to be paid; less than zero where credit notes came after payment."""
        return self.payable - self.settled - self.written_off

    @property
    def status(self) -> ReceiptStatus:
        """The state that an issued receipt is in by these amounts."""
        if self.left <= 0:
            return S.PAID
        return S.PART_PAID if self.settled else S.ISSUED


def standing(receipt: Receipt) -> Standing:
    """Return what a receipt asks for and what of that is settled."""
    return standings([receipt])[receipt.pk]


def standings(receipts: Sequence[Receipt]) -> dict[int, Standing]:
    """Return the same for several receipts, by their keys, in one query."""
    found = with_standing(Receipt.objects.filter(pk__in=[receipt.pk for receipt in receipts]))
    rows = {row.pk: row for row in found.order_by()}
    return {
        receipt.pk: Standing(
            receipt.total, -row.noted, row.allocated, row.withheld, row.written_off
        )
        for receipt in receipts
        for row in (rows[receipt.pk],)
    }


def follow(receipts: Sequence[Receipt], actor: Actor) -> None:
    """Settle receipts anew after they were issued or credited: what was paid too much becomes the
    project's balance, and the balance pays what is left. Nothing more is done for those that
    nothing settles yet, and whose project has no balance."""
    asking = [receipt for receipt in receipts if receipt.kind != Receipt.Kind.CREDIT_NOTE]
    if not asking:
        return
    now = standings(asking)
    paid = _have_balance({receipt.project_id for receipt in asking})
    for receipt in asking:
        mine = now[receipt.pk]
        is_new = receipt.status == S.ISSUED == mine.status and not mine.settled
        if not is_new or receipt.project_id in paid:
            _follow(receipt, actor, mine)


def _have_balance(project_ids: Collection[int]) -> set[int]:
    mine = Payment.objects.filter(receipt__project__in=project_ids).order_by()
    found = with_unallocated(mine).filter(unallocated__gt=0)
    return set(found.values_list("receipt__project", flat=True))


def _follow(receipt: Receipt, actor: Actor, now: Standing) -> None:
    notes = receipt.credit_notes.exclude(status__in=Receipt.BEFORE_ISSUE).order_by("-issued_at")
    note = notes.first() if now.settled else None
    if note is not None:
        release_excess(receipt, note, actor)
        correct_official_receipts(receipt=receipt, why=note, actor=actor)
    # It is open again where more tax withheld was taken back than was too much.
    restate(receipt, actor)
    if receipt.status in Receipt.OPEN:
        use_balance(receipt, actor)
    restate(receipt, actor)


def restate(receipt: Receipt, actor: Actor, paid_at: datetime | None = None) -> None:
    """Bring the status of a receipt, which is locked, to what its settlement says."""
    if receipt.status not in SETTLED_BY:
        return
    status = standing(receipt).status
    if status != receipt.status:
        mark_settled(
            receipt=receipt,
            status=status,
            actor=actor,
            paid_at=paid_at,
            bounces=bounces_of(receipt),
        )


def allocate(*, payment: Payment, receipt: Receipt, amount: Decimal, actor: Actor) -> Allocation:
    """Let a part of a payment, which is locked, settle a receipt; less than zero releases it."""
    made = Allocation.objects.create(payment=payment, receipt=receipt, amount=amount)
    record(
        "payment.allocated" if amount > 0 else "payment.released",
        actor=actor,
        target=payment,
        data={"receipt": receipt.number, "amount": amount, "currency": payment.currency},
    )
    return made


def release_excess(receipt: Receipt, note: Receipt, actor: Actor) -> None:
    """Take from a receipt what settles more than it asks for since a credit note: the newest
    payments first, and only then tax withheld, which no balance can hold."""
    excess = -standing(receipt).left
    if excess <= 0 or receipt.status == S.WRITTEN_OFF:
        return
    held = Allocation.objects.filter(receipt=receipt).order_by().values_list("payment")
    amounts = dict(held.annotate(sum=Sum("amount")))
    for payment in reversed(lock_rows(Payment.objects.all(), *amounts)):
        part = min(excess, amounts[payment.pk])
        if part > 0:
            allocate(payment=payment, receipt=receipt, amount=-part, actor=actor)
            excess -= part
    if excess > 0:
        for row in _withheld_in_force(receipt):
            if excess > 0:
                take_back_row(row, why=note, actor=actor)
                excess -= row.amount


def _withheld_in_force(receipt: Receipt) -> list[Withholding]:
    rows = Withholding.objects.filter(receipt=receipt, reverses=None, reversal=None)
    return list(rows.order_by("-pk"))


def take_back_row(row: Withholding, *, why: Why, actor: Actor) -> Withholding:
    """Reverse tax recorded as withheld, whose receipt is locked."""
    made = Withholding.objects.create(
        receipt=row.receipt,
        amount=-row.amount,
        percent=row.percent,
        certificate=row.certificate,
        day=row.day,
        reverses=row,
        recorded_by_id=actor.user_id,
        **undone(why),
    )
    data = {"receipt": row.receipt.number, "certificate": row.certificate, "amount": row.amount}
    record("withholding.taken_back", actor=actor, target=made, data={**data, **told(made)})
    return made


def use_balance(receipt: Receipt, actor: Actor) -> Decimal:
    """Settle what is left of an open receipt from the balance of its project, the oldest payment
    first; returns how much was used."""
    left = wanted = standing(receipt).left
    if left <= 0:
        return ZERO
    mine = Payment.objects.filter(receipt__project=receipt.project_id, currency=receipt.currency)
    found = with_unallocated(mine).filter(unallocated__gt=0).values_list("pk", flat=True)
    for payment in lock_rows(Payment.objects.all(), *list(found)):
        part = min(left, unallocated_of(payment))
        if part > 0:
            made = allocate(payment=payment, receipt=receipt, amount=part, actor=actor)
            act = Act(timezone.localdate(), allocation=made, money=part)
            give_official_receipt(receipt=receipt, act=act, actor=actor)
            left -= part
    return wanted - left
