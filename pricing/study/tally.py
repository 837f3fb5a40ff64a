"""What charges come to before and after a change of prices, added up exactly, in constant memory.

What is kept grows with projects, resources and months, never with jobs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from pricing.engine import Rate, cumulative

ZERO = Decimal(0)
TRUE_UP = "true_up"


class Key(NamedTuple):
    """What amounts are told apart by; ``month`` is its first day."""

    project_id: int
    tier_id: int | None
    resource: str
    month: date


class Used(NamedTuple):
    """A counter: what a project used of a rate in a month."""

    project_id: int
    rate_id: int
    month: date


@dataclass(slots=True)
class Tally:
    """Amounts in the list's currency by project, tier, resource and month, in force and studied.

    ``foreign`` are amounts in force in other currencies, which can't be compared. ``unpriced`` and
    ``exempt`` count the jobs that get no charge, by reason.
    """

    before: dict[Key, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    after: dict[Key, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    foreign: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    unpriced: Counter[str] = field(default_factory=Counter)
    exempt: Counter[str] = field(default_factory=Counter)
    charges: int = 0
    waiting: int = 0
    paid_counters: set[Used] = field(default_factory=set)
    _used: dict[Used, int] = field(default_factory=lambda: defaultdict(int))
    _rates: dict[int, Rate] = field(default_factory=dict)
    _tiers: dict[Used, int | None] = field(default_factory=dict)

    def count(self, key: Key, rate: Rate, quantity: int) -> Decimal:
        """Add to a counter; returns what that adds to the month's price."""
        used = Used(key.project_id, rate.rate_id, key.month)
        earlier = self._used.get(used)
        self._used[used] = (earlier or 0) + quantity
        self._rates[rate.rate_id] = rate
        self._tiers[used] = key.tier_id
        if earlier is None:
            return cumulative(rate, quantity)
        return cumulative(rate, earlier + quantity) - cumulative(rate, earlier)

    def add_quantity(self, key: Key, rate: Rate, quantity: int) -> None:
        """Add to a counter a sum whose own price nobody asks for."""
        used = Used(key.project_id, rate.rate_id, key.month)
        self._used[used] += quantity
        self._rates[rate.rate_id] = rate
        self._tiers[used] = key.tier_id

    def forget_after(self) -> None:
        """Begin the studied side anew."""
        self.after.clear()
        self._used.clear()
        self._tiers.clear()
        self.unpriced.clear()
        self.exempt.clear()

    @property
    def used(self) -> frozenset[Used]:
        """The counters that something was used of."""
        return frozenset(self._used)

    def price_counters(self) -> None:
        """Add the price of each counter's whole quantity; once, at the end."""
        for used, quantity in self._used.items():
            rate = self._rates[used.rate_id]
            key = Key(used.project_id, self._tiers[used], rate.resource, used.month)
            self.after[key] += cumulative(rate, quantity)

    def months(self) -> Iterable[date]:
        return sorted({key.month for key in (*self.before, *self.after)})
