"""The arithmetic of a document (pure): lines, totals, tax, and what is credited.

A line is the rounded sum of its charges; tax is worked out once, on the sum of the lines. What is
credited is the rounded sum of all that was credited so far minus the rounded sum of all before, so
that notes over the parts of a document come to the document exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

from core.money import exponent, round_half_up, round_money, total

ZERO = Decimal(0)
EXACT = 60
"""Digits to divide with, so that nothing is rounded twice."""


@dataclass(frozen=True, slots=True)
class LineItem:
    """All charges of a project for a resource at a unit price, or by a rate that has none.

    Quantity in base units, ``charged`` at six decimals. ``rate_id`` counts where there is no unit
    price because a counter priced it. ``credited`` is what notes said of the same line before, and
    ``corrects_id`` that line. ``first_end`` is when the first of its jobs ended, where that counts.
    """

    currency: str
    project_id: int
    resource: str
    unit_price: Decimal | None
    unit_size: int
    rate_id: int | None
    text: str
    quantity: int
    charged: Decimal
    jobs: int
    charge_ids: tuple[int, ...]
    corrects_id: int | None = None
    credited: Decimal = ZERO
    first_end: datetime | None = None

    @property
    def amount(self) -> Decimal:
        """What the line comes to in its currency."""
        before = round_money(self.credited, self.currency)
        return round_money(self.credited + self.charged, self.currency) - before


@dataclass(frozen=True, slots=True)
class Taxation:
    """How a document is taxed: percent of the net, or of what is left of prices that include it."""

    category: str
    rate: Decimal
    inclusive: bool = False

    def on(self, amount: Decimal, currency: str) -> Decimal:
        """Return the tax on a sum of lines, rounded half up."""
        with localcontext() as context:
            context.prec = EXACT
            base = Decimal(100) + (self.rate if self.inclusive else 0)
            return round_half_up(amount * self.rate / base, exponent(currency))


@dataclass(frozen=True, slots=True)
class Totals:
    """Net, tax and total of a document in its currency."""

    net: Decimal
    tax: Decimal
    total: Decimal


def in_order(lines: Iterable[LineItem]) -> list[LineItem]:
    """Sort by project, resource and price; what belongs to no resource comes last."""
    return sorted(lines, key=_place)


def _place(line: LineItem) -> tuple[object, ...]:
    price, rate = line.unit_price, line.rate_id
    rest = price is None and rate is None
    return (
        line.project_id, rest, line.resource, price is None, price or ZERO, line.unit_size,
        rate or 0, line.text, line.corrects_id or 0,
    )  # fmt: skip


def totals_of(
    amounts: Iterable[Decimal], taxation: Taxation, currency: str, *, before: Decimal = ZERO
) -> Totals:
    """Add line amounts and tax them. ``before`` is the sum of the lines of earlier credit notes of
    the same receipt, less than zero."""
    lines = total(amounts)
    tax = taxation.on(before + lines, currency) - taxation.on(before, currency)
    if taxation.inclusive:
        return Totals(lines - tax, tax, lines)
    return Totals(lines, tax, lines + tax)
