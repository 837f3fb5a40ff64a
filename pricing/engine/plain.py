"""The plain path: jobs whose stored figures, each times one price, are all there is to it.

Most jobs of most sites are such, by the million. What this gives is what ``measure`` and
``cumulative`` give for a plain tariff (``Tariff.is_plain``), without reading any TRES.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from core.money import charge_amount
from pricing.engine.errors import NoRate
from pricing.resources import RESOURCES


@dataclass(frozen=True, slots=True)
class PricedRate:
    """A rate of a published list: its key and the price of one unit."""

    rate_id: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    """The rates of plain lists by resource, and their currency."""

    currency: str
    rates: Mapping[str, PricedRate]


class Amount(NamedTuple):
    """What a resource costs: quantity in base units, unit price, and the amount at six decimals."""

    resource: str
    quantity: int
    unit_size: int
    rate: PricedRate
    amount: Decimal
    currency: str


def price(quantities: Mapping[str, int], prices: Prices) -> list[Amount]:
    """Price all resources that were used, by code. Raises NoRate if one of them has no rate."""
    amounts = []
    for code, quantity in sorted(quantities.items()):
        rate = prices.rates.get(code)
        if rate is None:
            raise NoRate(code)
        size = RESOURCES[code].unit_size
        amount = charge_amount(quantity, rate.unit_price, size)
        amounts.append(Amount(code, quantity, size, rate, amount, prices.currency))
    return amounts
