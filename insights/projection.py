"""What a project's month comes to if it goes on as it began, and if it uses more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from django.db.models import Max, QuerySet, Sum
from django.utils import timezone

from accounts.models import Project
from core import intervals
from core.intervals import Interval
from core.money import total
from core.site import site_zone
from pricing import engine
from pricing.content import percent_change
from pricing.models import Charge, ChargeKind, PriceList
from pricing.selectors import live_charges
from pricing.tariffs import Layers, layers_of, read_lists
from usage.models import Job

MORE = (0, 10, 20, 30, 40, 50)
"""How much more usage than today's pace is asked about, in percent."""

BY_RATE = (ChargeKind.USAGE, ChargeKind.ADJUSTMENT)
SIX = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Scenario:
    """The month at so many percent more usage than the pace; ``change`` is against the pace."""

    more_percent: int
    amount: Decimal
    change: Decimal | None


@dataclass(frozen=True, slots=True)
class ResourceLine:
    """A resource at the pace: base units and amount, so far and for the whole month."""

    resource: str
    unit_size: int
    quantity: int
    amount: Decimal
    whole_quantity: int
    whole_amount: Decimal


@dataclass(frozen=True, slots=True)
class Projection:
    """A project's month in one currency. ``until`` is up to when usage is known; amounts are
    without tax. ``capped`` and ``raised`` tell that the list's cap or commitment decides."""

    month: Interval
    until: datetime
    currency: str
    so_far: Decimal
    scenarios: tuple[Scenario, ...]
    lines: tuple[ResourceLine, ...]
    capped: bool
    raised: bool

    @property
    def at_pace(self) -> Decimal:
        return self.scenarios[0].amount

    @property
    def passed_percent(self) -> int:
        """How much of the month is over, as far as usage is known."""
        return int(100 * (self.until - self.month.start) / (self.month.end - self.month.start))


@dataclass(frozen=True, slots=True)
class Known:
    """A month, of which usage is known up to a moment in it."""

    month: Interval
    until: datetime

    def stretch(self, since: datetime) -> Fraction:
        """How much longer the month is than what is known of it, both from a moment on."""
        passed = _seconds(since, self.until)
        return Fraction(_seconds(since, self.month.end), passed) if passed > 0 else Fraction(1)


@dataclass(frozen=True, slots=True)
class Used:
    """What was charged by a rate: base units and amount. ``since`` is from when on it could be,
    and ``goes_on`` whether it still prices what is used now."""

    rate: engine.Rate
    quantity: int
    amount: Decimal
    since: datetime
    goes_on: bool


def project_month(project: Project, now: datetime | None = None) -> tuple[Projection, ...]:
    """Return the month that now lies in, by currency; nothing where nothing was charged yet."""
    now = now or timezone.now()
    month = intervals.month(timezone.localdate(now, site_zone()), site_zone())
    newest: datetime | None = Job.objects.filter(end__lte=now).aggregate(at=Max("end"))["at"]
    until = min(now, newest) if newest else now
    if until <= month.start:
        return ()
    rows = Charge.objects.filter(
        project=project, job_end__gte=month.start, job_end__lte=until
    ).order_by()
    live = live_charges(rows)
    layers = layers_of(project.pk, now)
    used = _used(live, month, [one.price_list_id for one in layers.found])
    terms = _terms(layers)
    known = Known(month, until)
    found = []
    for currency in sorted(set(live.values_list("currency", flat=True))):
        mine = [one for one in used if one.rate.currency == currency]
        rest = _rest(live.filter(currency=currency))
        found.append(_projection(mine, rest, terms.get(currency), currency, known))
    return tuple(found)


def _used(live: QuerySet[Charge], month: Interval, now_in_force: Iterable[int]) -> list[Used]:
    charges = live.filter(kind__in=BY_RATE, rate__isnull=False)
    sums = {
        row["rate"]: row
        for row in charges.values("rate").annotate(units=Sum("quantity"), paid=Sum("amount"))
    }
    lists = PriceList.objects.filter(rates__in=list(sums)).distinct()
    current = set(now_in_force)
    return [
        Used(
            rate,
            int(sums[rate.rate_id]["units"]),
            sums[rate.rate_id]["paid"],
            max(month.start, listed.effective_at),
            listed.price_list_id in current,
        )
        for _row, listed in read_lists(lists)
        for rate in listed.rates
        if rate.rate_id in sums
    ]


def _rest(live: QuerySet[Charge]) -> Mapping[str, Decimal]:
    """Return the sums of what no rate prices by quantity, by kind."""
    others = live.exclude(kind__in=BY_RATE)
    return {row["kind"]: row["paid"] for row in others.values("kind").annotate(paid=Sum("amount"))}


def _terms(layers: Layers) -> dict[str, engine.Terms]:
    """Return the terms that closing the month goes by, by currency: those of the tier's list."""
    one = layers.terms_from
    return {one.currency: one.terms} if one else {}


def _projection(
    used: Sequence[Used],
    rest: Mapping[str, Decimal],
    terms: engine.Terms | None,
    currency: str,
    known: Known,
) -> Projection:
    so_far = total([*(one.amount for one in used), *rest.values()])
    by_hand = rest.get(ChargeKind.MANUAL, Decimal(0))
    raw = [_at(more, used, rest, known) for more in MORE]
    # Neither cap nor commitment counts what was charged by hand.
    closed = [_closed(amount - by_hand, terms) + by_hand for amount in raw]
    scenarios = tuple(
        Scenario(more, amount, percent_change(closed[0], amount) if more else None)
        for more, amount in zip(MORE, closed, strict=True)
    )
    return Projection(
        month=known.month,
        until=known.until,
        currency=currency,
        so_far=so_far,
        scenarios=scenarios,
        lines=tuple(_line(one, known) for one in sorted(used, key=_by_resource)),
        capped=closed[0] < raw[0],
        raised=closed[0] > raw[0],
    )


def _by_resource(one: Used) -> tuple[str, int]:
    return one.rate.resource, one.rate.rate_id


def _at(more: int, used: Sequence[Used], rest: Mapping[str, Decimal], known: Known) -> Decimal:
    """Return the month's sum at so many percent more usage than at the pace.

    The minimum of small jobs grows with their number; items and what was trued up do not.
    """
    pace = Fraction(100 + more, 100)
    amounts = [_amount(one.rate, _whole(one, pace, known)) for one in used]
    grows = rest.get(ChargeKind.MINIMUM, Decimal(0))
    stays = [amount for kind, amount in rest.items() if kind != ChargeKind.MINIMUM]
    factor = pace * known.stretch(known.month.start)
    return total([*amounts, *stays, _times(grows, factor)])


def _whole(one: Used, pace: Fraction, known: Known) -> int:
    """Return the base units of the whole month: those so far, stretched to its end. A rate that
    prices nothing more stays where it is."""
    if not one.goes_on:
        return one.quantity
    return round(one.quantity * pace * known.stretch(one.since))


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())


def _amount(rate: engine.Rate, quantity: int) -> Decimal:
    if rate.is_linear:
        return engine.linear_amount(rate, quantity)
    return engine.cumulative(rate, quantity)


def _times(amount: Decimal, factor: Fraction) -> Decimal:
    exact = amount * factor.numerator / factor.denominator
    return exact.quantize(SIX, ROUND_HALF_UP)


def _closed(amount: Decimal, terms: engine.Terms | None) -> Decimal:
    """Return the sum after the month's cap or commitment."""
    if terms is None:
        return amount
    return amount + engine.true_up(amount, cap=terms.cap, commitment=terms.commitment)


def _line(one: Used, known: Known) -> ResourceLine:
    whole = _whole(one, Fraction(1), known)
    return ResourceLine(
        one.rate.resource, one.rate.unit_size, one.quantity, one.amount, whole,
        _amount(one.rate, whole),
    )  # fmt: skip
