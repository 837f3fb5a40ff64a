"""Where settlement hears of receipts: what was issued, and what is not owed any more.

Payments stand above receipts and can't be imported here; they put themselves into these lists when
the program starts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from accounts.models import Project
from core.actor import Actor
from receipts.models import Receipt

Listener = Callable[[Sequence[Receipt], Actor], None]

LISTENERS: list[Listener] = []
"""Each is told of receipts, locked, in the transaction that issued them or credited part of them.
"""


Standings = Callable[[QuerySet[Receipt]], QuerySet[Any]]

STANDINGS: list[Standings] = []
"""Add to receipts what settles them: ``noted`` by credit notes (below zero), ``allocated``,
``withheld`` and ``written_off``."""


def with_standing(receipts: QuerySet[Receipt]) -> QuerySet[Any]:
    """Return receipts with what settles them, as far as anyone here knows of payments."""
    for add in STANDINGS:
        receipts = add(receipts)
    return receipts


Balances = Callable[[Project, str], Decimal]

BALANCES: list[Balances] = []
"""Tell what a project has paid in a currency that settles nothing yet."""


def has_balance(receipt: Receipt) -> bool:
    """Tell whether what a receipt's project has paid could settle more of it, as far as anyone here
    knows of payments."""
    return any(told(receipt.project, receipt.currency) > 0 for told in BALANCES)


@dataclass(frozen=True, slots=True)
class Settled:
    """What settles a receipt, ``withheld`` as tax being a part of it, and what is left to pay."""

    settled: Decimal
    withheld: Decimal
    left: Decimal


def settled_of(receipt: Any) -> Settled:
    """Return what settles a receipt, which may come from ``with_standing``. Credit notes and drafts
    ask for nothing: nothing is left of them."""
    if not hasattr(receipt, "allocated"):
        receipt = with_standing(Receipt.objects.filter(pk=receipt.pk)).get()
    if not hasattr(receipt, "allocated"):
        return Settled(Decimal(0), Decimal(0), receipt.total)
    settled = receipt.allocated + receipt.withheld
    asks = receipt.kind != Receipt.Kind.CREDIT_NOTE and receipt.status not in Receipt.BEFORE_ISSUE
    left = receipt.total + receipt.noted - receipt.written_off - settled if asks else Decimal(0)
    return Settled(settled, receipt.withheld, left)


def payable_changed(*receipts: Receipt, actor: Actor) -> None:
    """Tell that receipts ask for money now, or for less than before."""
    for tell in LISTENERS:
        tell(receipts, actor)


def left_of(receipt: Receipt) -> Decimal:
    """Return what of a receipt is still to be paid."""
    return settled_of(receipt).left
