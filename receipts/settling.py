"""Where settlement hears of receipts: what was issued, and what is not owed any more.

Payments stand above receipts and can't be imported here; they put themselves into this list when
the program starts.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from core.actor import Actor
from receipts.models import Receipt

Listener = Callable[[Receipt, Actor], None]

LISTENERS: list[Listener] = []
"""Each is told of a receipt, locked, in the transaction that issued it or credited part of it."""


Standings = Callable[[QuerySet[Receipt]], QuerySet[Any]]

STANDINGS: list[Standings] = []
"""Add to receipts what settles them: ``credited`` (below zero), ``allocated``, ``withheld`` and
``written_off``."""


def with_standing(receipts: QuerySet[Receipt]) -> QuerySet[Any]:
    """Return receipts with what settles them, as far as anyone here knows of payments."""
    for add in STANDINGS:
        receipts = add(receipts)
    return receipts


def payable_changed(receipt: Receipt, actor: Actor) -> None:
    """Tell that a receipt asks for money now, or for less than before."""
    for tell in LISTENERS:
        tell(receipt, actor)


Left = Callable[[Receipt], Decimal]

LEFT: list[Left] = []
"""The one that knows what of a receipt is still to be paid; payments put it here."""


def left_of(receipt: Receipt) -> Decimal:
    """Return what of a receipt is still to be paid."""
    return next((ask(receipt) for ask in LEFT), receipt.total)
