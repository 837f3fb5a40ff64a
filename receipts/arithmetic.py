"""The arithmetic of a document (pure): charges to lines, lines to totals."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from core.money import round_money, total


@dataclass(frozen=True, slots=True)
class ChargeItem:
    """What of a charge a line needs: quantity in base units, amount at six decimals.

    ``rate_id`` counts where there is no unit price, because a counter priced it.
    """

    charge_id: int
    job_id: int | None
    resource: str
    unit_price: Decimal | None
    unit_size: int
    quantity: int
    amount: Decimal
    rate_id: int | None = None


@dataclass(slots=True)
class LineItem:
    """A line: all charges of a resource at a unit price, or by a rate that has none, and their
    rounded sum."""

    resource: str
    unit_price: Decimal | None
    unit_size: int
    rate_id: int | None = None
    quantity: int = 0
    charged: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    job_ids: set[int] = field(default_factory=set)
    charge_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Totals:
    """Net, tax and total of a document in its currency."""

    net: Decimal
    tax: Decimal
    total: Decimal


def lines_of(charges: Iterable[ChargeItem], currency: str) -> list[LineItem]:
    """Group charges by resource and unit price (or rate); each line's sum is rounded once, half
    up."""
    lines: dict[tuple[str, Decimal | None, int, int | None], LineItem] = {}
    for charge in charges:
        rate_id = charge.rate_id if charge.unit_price is None else None
        key = (charge.resource, charge.unit_price, charge.unit_size, rate_id)
        line = lines.setdefault(key, LineItem(*key))
        line.quantity += charge.quantity
        line.charged += charge.amount
        if charge.job_id is not None:
            line.job_ids.add(charge.job_id)
        line.charge_ids.append(charge.charge_id)
    for line in lines.values():
        line.amount = round_money(line.charged, currency)
    return sorted(lines.values(), key=_place)


def _place(line: LineItem) -> tuple[bool, str, bool, Decimal, int, int]:
    """By resource and price; what belongs to no resource comes last."""
    price, rate = line.unit_price, line.rate_id
    rest = price is None and rate is None
    return rest, line.resource, price is None, price or Decimal(0), line.unit_size, rate or 0


def totals_of(amounts: Iterable[Decimal], tax_rate: Decimal, currency: str) -> Totals:
    """Add line amounts and put tax (percent) on their sum, rounded half up."""
    net = total(amounts)
    tax = round_money(net * tax_rate / 100, currency)
    return Totals(net, tax, net + tax)
