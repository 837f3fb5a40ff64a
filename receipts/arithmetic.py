"""The arithmetic of a document (pure): charges to lines, lines to totals."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from core.money import round_money, total


@dataclass(frozen=True, slots=True)
class ChargeItem:
    """What of a charge a line needs: quantity in base units, amount at six decimals."""

    charge_id: int
    job_id: int
    resource: str
    unit_price: Decimal | None
    unit_size: int
    quantity: int
    amount: Decimal


@dataclass(slots=True)
class LineItem:
    """A line: all charges of a resource at a unit price, and their rounded sum."""

    resource: str
    unit_price: Decimal | None
    unit_size: int
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
    """Group charges by resource and unit price; each line's sum is rounded once, half up."""
    lines: dict[tuple[str, Decimal | None, int], LineItem] = {}
    for charge in charges:
        key = (charge.resource, charge.unit_price, charge.unit_size)
        line = lines.setdefault(key, LineItem(*key))
        line.quantity += charge.quantity
        line.charged += charge.amount
        line.job_ids.add(charge.job_id)
        line.charge_ids.append(charge.charge_id)
    for line in lines.values():
        line.amount = round_money(line.charged, currency)
    return sorted(lines.values(), key=_place)


def _place(line: LineItem) -> tuple[str, bool, Decimal, int]:
    price = line.unit_price
    return line.resource, price is None, price or Decimal(0), line.unit_size


def totals_of(amounts: Iterable[Decimal], tax_rate: Decimal, currency: str) -> Totals:
    """Add line amounts and put tax (percent) on their sum, rounded half up."""
    net = total(amounts)
    tax = round_money(net * tax_rate / 100, currency)
    return Totals(net, tax, net + tax)
