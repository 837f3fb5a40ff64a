"""What a receipt still asks for, and its status that follows from it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum

from core.actor import Actor
from payments.models import Allocation
from receipts.models import Receipt, ReceiptStatus
from receipts.services import mark_settled

S = Receipt.Status


@dataclass(frozen=True, slots=True)
class Standing:
    """What a receipt asks for after its credit notes, and what of that is settled."""

    payable: Decimal
    settled: Decimal

    @property
    def left(self) -> Decimal:
        """What is still to be paid; less than zero where credit notes came after payment."""
        return self.payable - self.settled

    @property
    def status(self) -> ReceiptStatus:
        """The state that an issued receipt is in by these amounts."""
        if self.left <= 0:
            return S.PAID
        return S.PART_PAID if self.settled else S.ISSUED


def standing(receipt: Receipt) -> Standing:
    """Return what a receipt asks for and what of that is settled."""
    notes = receipt.credit_notes.exclude(status__in=Receipt.BEFORE_ISSUE)
    credited = notes.aggregate(sum=Sum("total"))["sum"] or Decimal(0)
    allocated = Allocation.objects.filter(receipt=receipt).aggregate(sum=Sum("amount"))["sum"]
    return Standing(receipt.total + credited, allocated or Decimal(0))


def left_of(receipt: Receipt) -> Decimal:
    """Return what of a receipt is still to be paid."""
    return standing(receipt).left


def restate(receipt: Receipt, actor: Actor, paid_at: datetime | None = None) -> None:
    """Bring the status of a receipt, which is locked, to what its settlement says."""
    if receipt.status not in Receipt.OPEN:
        return
    status = standing(receipt).status
    if status != receipt.status:
        mark_settled(receipt=receipt, status=status, actor=actor, paid_at=paid_at)
