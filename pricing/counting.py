"""Counters: how much of a rate a project used in a month, and the charges that follow from it.

A counter is of a project, a rate and the month of the job's end in the site's time zone. A charge
by it is the price of the month's whole quantity, that charge's included, less what was charged so
far; so charges always add up to the price of the whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.utils.timezone import localtime

from core.bulk import any_of
from core.intervals import from_microseconds, microseconds, month
from core.locks import lock_rows
from core.site import site_zone
from pricing import engine
from pricing.engine import cumulative, linear_amount
from pricing.judging import TOO_MUCH, Portion, Verdict
from pricing.models import Charge, ChargeKind, Counter
from pricing.resources import resource_of
from pricing.tariffs import read_rates

MINIMUM = "minimum"
"""The resource of a charge that brings a job up to its minimum."""
MOST = 2**63 - 1
ZERO = Decimal(0)


class Priced(NamedTuple):
    """A charge to be made; without ``unit_price`` a counter prices it, or a list's term."""

    project_id: int
    share_id: int | None
    kind: str
    resource: str
    rate_id: int | None
    price_list_id: int | None
    quantity: int
    unit_size: int
    unit_price: Decimal | None
    counter_before: int | None
    counter_after: int | None
    amount: Decimal
    currency: str
    basis: str = ""
    end_text: str = ""


class Key(NamedTuple):
    """Which counter; ``month`` is its first day."""

    project_id: int
    rate_id: int
    month: date


@dataclass(slots=True)
class Position:
    """Where a counter stands: base units, and the sum of the charges so far.

    ``reversed_until`` is the latest job end of the charges that were reversed.
    """

    rate: engine.Rate
    quantity: int = 0
    amount: Decimal = ZERO
    reversed_until: datetime | None = None

    def step(self, quantity: int) -> tuple[int, Decimal]:
        """Return the quantity and the sum after a further charge. Raises TooLarge."""
        after = self.quantity + quantity
        if after > MOST:
            raise engine.TooLarge(self.rate.resource, after)
        total = cumulative(self.rate, after)
        if total >= TOO_MUCH:
            raise engine.TooLarge(self.rate.resource, after)
        return after, total


class Counters:
    """The counters that a batch of charges needs, made where they are missing and locked in the
    order of their keys, so that two batches wait for each other and never in a circle.

    The sums in the database are not written here: it adds up the charges itself.
    """

    def __init__(self, rates: dict[int, engine.Rate], keys: Iterable[Key], *, lock: bool) -> None:
        wanted = sorted(set(keys))
        if lock:
            _make(wanted)
        found = {Key(row.project_id, row.rate_id, row.month): row for row in _rows(wanted)}
        if lock:
            locked = lock_rows(Counter.objects.all(), *(row.pk for row in found.values()))
            found = {Key(row.project_id, row.rate_id, row.month): row for row in locked}
        self._positions = {}
        for key in wanted:
            row = found.get(key)
            position = Position(rates[key.rate_id])
            if row is not None:
                position.quantity, position.amount = row.quantity, row.amount
            self._positions[key] = position

    @classmethod
    def of(
        cls,
        verdicts: Iterable[tuple[int, Verdict]],
        charges: Sequence[Charge] = (),
        *,
        lock: bool = True,
    ) -> "Counters":
        """Return the counters for pricing jobs (end in microseconds, verdict) and for reversing
        charges."""
        rates, keys = {}, set()
        for end, verdict in verdicts:
            for portion in verdict.portions:
                for item in portion.measured:
                    if not item.rate.is_linear:
                        rates[item.rate.rate_id] = item.rate
                        keys.add(Key(portion.project_id, item.rate.rate_id, month_of(end)))
        counted = [charge for charge in charges if charge.counter_after is not None]
        keys |= {_key(charge) for charge in counted}
        missing = {charge.rate_id for charge in counted} - set(rates)
        return cls(rates | read_rates(key for key in missing if key), keys, lock=lock)

    def reverse(self, charge: Charge) -> tuple[int | None, int | None]:
        """Take a charge back; returns the counter before and after, if there is one."""
        if charge.counter_after is None:
            return None, None
        position = self._positions[_key(charge)]
        before = position.quantity
        position.quantity -= charge.quantity
        position.amount -= charge.amount
        position.reversed_until = max(charge.job_end, position.reversed_until or charge.job_end)
        return before, position.quantity

    def adjustments(self) -> Iterator[Priced]:
        """Yield what is missing, after charges were reversed, to the price of what is left: one
        charge without job for each counter."""
        for key, position in self._positions.items():
            missing = cumulative(position.rate, position.quantity) - position.amount
            if position.reversed_until is not None and missing:
                yield self._adjustment(key, position, missing, position.reversed_until)

    def fee(self, key: Key, end: datetime) -> Priced | None:
        """Return what a month without usage owes by a rate, if that was not charged yet."""
        position = self._positions[key]
        missing = cumulative(position.rate, position.quantity) - position.amount
        return self._adjustment(key, position, missing, end) if missing else None

    def _adjustment(self, key: Key, position: Position, amount: Decimal, end: datetime) -> Priced:
        position.amount += amount
        rate, at = position.rate, position.quantity
        return Priced(
            key.project_id, None, ChargeKind.ADJUSTMENT.value, rate.resource, rate.rate_id, None, 0,
            rate.unit_size, None, at, at, amount, rate.currency, end_text=end.isoformat(),
        )  # fmt: skip

    def price(self, end: int, portions: Iterable[Portion]) -> list[Priced]:
        """Return the charges of a job that ended then (microseconds since 1970), and move the
        counters on. Raises TooLarge, and then no counter has moved."""
        made, steps = self._price(end, portions)
        for position, after, amount in steps:
            position.quantity, position.amount = after, amount
        return made

    def alone(self, end: int, portions: Iterable[Portion]) -> list[Priced]:
        """Return the charges of a job as if it came next; the counters stay. Raises TooLarge."""
        return self._price(end, portions)[0]

    def _price(
        self, end: int, portions: Iterable[Portion]
    ) -> tuple[list[Priced], list[tuple[Position, int, Decimal]]]:
        made: list[Priced] = []
        steps: list[tuple[Position, int, Decimal]] = []
        for portion in portions:
            total = ZERO
            for item in portion.measured:
                charge = self._usage(end, portion, item, steps)
                total += charge.amount
                made.append(charge)
            if portion.minimum and portion.minimum > total:
                made.append(_minimum(portion, portion.minimum - total))
        return made, steps

    def _usage(
        self,
        end: int,
        portion: Portion,
        item: engine.Measured,
        steps: list[tuple[Position, int, Decimal]],
    ) -> Priced:
        rate, quantity = item.rate, item.quantity
        before: int | None = None
        after: int | None = None
        if rate.is_linear:
            amount = linear_amount(rate, quantity)
            if amount >= TOO_MUCH:
                raise engine.TooLarge(item.resource, quantity)
        else:
            position = self._positions[Key(portion.project_id, rate.rate_id, month_of(end))]
            before = position.quantity
            after, total = position.step(quantity)
            amount = total - position.amount
            steps.append((position, after, total))
        return Priced(
            portion.project_id, portion.share_id, ChargeKind.USAGE.value, item.resource,
            rate.rate_id, None, quantity, resource_of(item.resource).unit_size, rate.unit_price,
            before, after, amount, portion.currency, item.basis,
        )  # fmt: skip


def _minimum(portion: Portion, amount: Decimal) -> Priced:
    return Priced(
        portion.project_id, portion.share_id, ChargeKind.MINIMUM.value, MINIMUM, None,
        portion.terms_from, 0, 1, None, None, None, amount, portion.currency,
    )  # fmt: skip


def what_it_comes_to(verdicts: Sequence[tuple[int, Verdict]]) -> list[list[Priced]]:
    """Return what each of some jobs would be charged by counters as they stand, if it alone came
    next. Reads, locks and writes nothing. A job whose amount is too large has no charges."""
    found = []
    counters = Counters.of(verdicts, lock=False)
    for end, verdict in verdicts:
        try:
            found.append(counters.alone(end, verdict.portions))
        except engine.TooLarge:
            found.append([])
    return found


def month_of(end: int) -> date:
    """Return the first day of the site's month in which a moment lies (microseconds since 1970)."""
    return localtime(from_microseconds(end), site_zone()).date().replace(day=1)


def _key(charge: Charge) -> Key:
    if charge.rate_id is None:
        raise ValueError("a charge by a counter has a rate: the database keeps that")
    return Key(charge.project_id, charge.rate_id, month_of(microseconds(charge.job_end)))


def _make(keys: Sequence[Key]) -> None:
    """Add the counters that are not there yet, in their order."""
    there = {Key(row.project_id, row.rate_id, row.month) for row in _rows(keys)}
    rows = []
    for key in keys:
        if key not in there:
            span = month(key.month, site_zone())
            rows.append(Counter(**key._asdict(), starts_at=span.start, ends_at=span.end))
    Counter.objects.bulk_create(rows, ignore_conflicts=True)


def _rows(keys: Sequence[Key]) -> list[Counter]:
    rows = Counter.objects.filter(
        any_of("project_id", {key.project_id for key in keys}),
        any_of("rate_id", {key.rate_id for key in keys}),
        month__in={key.month for key in keys},
    )
    wanted = set(keys)
    return (
        [row for row in rows if Key(row.project_id, row.rate_id, row.month) in wanted]
        if keys
        else []
    )
