"""From quantities and a price list to charges (pure: values in, values out)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    """A published list: when it takes effect, its currency and its rates by resource."""

    price_list_id: int
    effective_at: datetime
    revision: int
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


def in_effect(lists: Sequence[Prices], moment: datetime) -> Prices | None:
    """Return the list for a moment: the newest one in effect, then the highest revision."""
    candidates = [prices for prices in lists if prices.effective_at <= moment]
    return max(candidates, key=lambda p: (p.effective_at, p.revision), default=None)


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
