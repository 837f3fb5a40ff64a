"""The plain path: jobs whose stored figures, each times one price, are all there is to it.

Most jobs of most sites are such, by the million. What this gives is what ``measure`` and
``cumulative`` give for a plain tariff (``Tariff.is_plain``), without reading any TRES.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from core.money import CHARGE_DECIMALS, price_fraction
from pricing.engine.errors import NoRate
from pricing.resources import RESOURCES


@dataclass(frozen=True, slots=True)
class PricedRate:
    """A rate of a published list: its key and the price of one unit, which is so many base units
    large."""

    rate_id: int
    unit_price: Decimal
    unit_size: int


class Prices:
    """The rates of plain lists by resource, and their currency; made once for many jobs."""

    def __init__(self, currency: str, rates: Mapping[str, PricedRate]) -> None:
        self._currency = currency
        # By code: place among the figures, rate, and the fraction of ``charge_amount``, doubled.
        self._terms = tuple(
            (code, place, rate, 2 * numerator, denominator, 2 * denominator)
            for code, place in sorted((code, place) for place, code in enumerate(RESOURCES))
            for rate in (rates.get(code),)
            for numerator, denominator in (_fraction(rate),)
        )

    def of(self, figures: Sequence[int]) -> "list[Amount]":
        """Price all that was used, by code, given a job's ``resources.FIGURES``. Raises NoRate if
        something of it has no rate."""
        amounts, currency = [], self._currency
        for code, place, rate, twice, half, whole in self._terms:
            quantity = figures[place]
            if quantity:
                if rate is None:
                    raise NoRate(code)
                millionths = (quantity * twice + half) // whole
                amounts.append(Amount(code, quantity, rate, millionths, currency))
        return amounts


class Amount(NamedTuple):
    """What a resource costs: the quantity in base units, its rate, and the amount in millionths of
    the currency, half up, as ``charge_amount`` rounds it."""

    resource: str
    quantity: int
    rate: PricedRate
    millionths: int
    currency: str

    @property
    def amount(self) -> Decimal:
        """The amount at six decimals."""
        return Decimal(f"{self.millionths}e-{CHARGE_DECIMALS}")


def _fraction(rate: PricedRate | None) -> tuple[int, int]:
    return (0, 1) if rate is None else price_fraction(rate.unit_price, rate.unit_size)
