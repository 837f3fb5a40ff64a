"""The quick way: charges in force already carry the quantities, so one pass in SQL prices them.

It is exact where a charge's quantity is what the studied list would price too: lists that say
nothing of time, states and equivalents, with prices for CPUs, memory and GPUs as allocated. Rates
may have any model and be limited to clusters, partitions and QOS.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.utils.timezone import localtime

from core.intervals import Interval, month, month_start
from core.site import site_zone
from pricing.engine import Basis, Rate, Terms, criteria, specificity
from pricing.models import Rate as RateRow
from pricing.resources import RESOURCES
from pricing.study.scope import Scope, Stretch
from pricing.study.tally import Key, Tally, Used
from pricing.tariffs import Listed

TOO_MUCH = 10**23
"""Millionths from which on an amount can't be charged."""

_MOST = 2**63 - 1


class Aside(NamedTuple):
    """Whose charges are left to the engine, because they have prices of their own."""

    projects: frozenset[int] = frozenset()
    user_names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.projects or self.user_names)


class Unsuited(Exception):
    """Charges in force don't say what the studied list would price."""


def is_suited(listed: Listed) -> bool:
    """Whether quantities under a list are those that jobs keep."""
    terms = listed.terms
    plain = Terms(free=terms.free, cap=terms.cap, commitment=terms.commitment)
    return (
        terms == plain
        and terms.free <= RESOURCES.keys()
        and all(
            rate.resource in RESOURCES and rate.basis is Basis.ALLOCATED
            for rate in _of_jobs(listed.rates)
        )
    )


def has_all_quantities(listed: Listed) -> bool:
    """Whether the charges of a list's jobs tell all that they used."""
    terms = listed.terms
    same = Terms(minimum_per_job=terms.minimum_per_job, cap=terms.cap, commitment=terms.commitment)
    return terms == same and all(
        rate.resource in RESOURCES and rate.basis is Basis.ALLOCATED
        for rate in _of_jobs(listed.rates)
    )


def months_of(window: Interval) -> list[tuple[date, Interval]]:
    """Return the parts of a window by calendar month of the site, with the month's first day."""
    found, start = [], window.start
    while start < window.end:
        day = localtime(start, site_zone()).date()
        end = min(month(day, site_zone()).end, window.end)
        found.append((month_start(day), Interval(start, end)))
        start = end
    return found


def read_before(tally: Tally, scope: Scope, currency: str) -> None:
    """Add up the charges in force."""
    for first, part in months_of(scope.window):
        for row in _rows(scope, part, rates=(), aside=Aside()):
            _add_before(tally, row, first, currency)


def read(
    tally: Tally, scope: Scope, listed: Listed, *, suited: Collection[int], aside: Aside
) -> None:
    """Add up the charges in force, and what they come to under a list but for those set aside.

    ``suited`` are the lists whose charges tell all that their jobs used. Raises Unsuited where the
    charges don't; the amounts in force are complete even then.
    """
    rates = {rate.rate_id: rate for rate in _of_jobs(listed.rates)}
    known = set(RateRow.objects.filter(price_list__in=suited).values_list("pk", flat=True))
    fits = True
    for first, part in months_of(scope.window):
        for row in _rows(scope, part, rates=list(rates.values()), aside=aside):
            _add_before(tally, row, first, listed.currency)
            if row.aside or not row.quantity:
                continue
            rate = rates.get(row.studied_rate_id) if row.studied_rate_id is not None else None
            fits &= row.rate_id in known and row.largest < TOO_MUCH
            if rate is None:
                fits &= row.resource in listed.terms.free
                continue
            key = Key(row.project_id, row.tier_id, row.resource, first)
            if rate.is_linear:
                tally.after[key] += Decimal(f"{row.millionths}e-6")
            else:
                tally.add_quantity(key, rate, row.quantity)
    if not fits:
        raise Unsuited


class _Row(NamedTuple):
    project_id: int
    tier_id: int | None
    resource: str
    currency: str
    rate_id: int | None
    studied_rate_id: int | None
    aside: bool
    charges: int
    amount: Decimal
    quantity: int
    millionths: int
    largest: int


def _add_before(tally: Tally, row: _Row, first: date, currency: str) -> None:
    tally.charges += row.charges
    if row.currency == currency:
        tally.before[Key(row.project_id, row.tier_id, row.resource, first)] += row.amount
    else:
        tally.foreign[row.currency] += row.amount
    if row.rate_id is not None and row.quantity:
        tally.paid_counters.add(Used(row.project_id, row.rate_id, first))


def _of_jobs(rates: Iterable[Rate]) -> list[Rate]:
    return [rate for rate in rates if not rate.resource.startswith("sku:")]


# A reversal is the charge itself with other signs (the database keeps that), so adding up all rows
# leaves what is in force, and nobody has to look for what was reversed. A linear amount is rounded
# half up, in millionths, by whole numbers alone. What could overflow 64 bits goes a slower way:
# numeric's div() cuts off exactly.
_STATEMENT = """
    SELECT x.project_id, x.tier_id, x.resource, x.currency, x.rate_id, x.studied,
           x.aside, count(*) - 2 * count(x.reverses_id), sum(x.amount), sum(x.quantity),
           coalesce(sum(CASE WHEN x.size_of <= p.most
                        THEN CASE WHEN x.quantity < 0 THEN -1 ELSE 1 END
                             * ((x.size_of * p.twice_price + p.size) / (2 * p.size)) END), 0)
           + coalesce(sum(CASE WHEN x.quantity < 0 THEN -1 ELSE 1 END
                          * div(x.size_of::numeric * p.twice_price + p.size, 2 * p.size))
                      FILTER (WHERE x.size_of > p.most), 0),
           coalesce(max(div(x.size_of::numeric * p.twice_price + p.size, 2 * p.size))
                    FILTER (WHERE x.size_of > p.most), 0)
      FROM (
        SELECT c.project_id, {tier} AS tier_id, c.resource, c.currency, c.rate_id, c.amount,
               c.quantity, abs(c.quantity) AS size_of, c.reverses_id,
               {studied} AS studied, {aside} AS aside
          FROM pricing_charge c
          {stretches}
          {jobs}
         WHERE c.job_end >= %(start)s AND c.job_end < %(end)s
           AND c.kind IN ('usage', 'minimum', 'adjustment')
           AND c.project_id = ANY(%(projects)s::bigint[]) {mine}
      ) x
      LEFT JOIN unnest(%(rates)s::bigint[], %(prices)s::bigint[], %(sizes)s::bigint[],
                       %(mosts)s::bigint[]) AS p (rate_id, twice_price, size, most)
        ON p.rate_id = x.studied
     GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_STRETCHES = """
          JOIN unnest(%(projects)s::bigint[], %(tiers)s::bigint[], %(starts)s::timestamptz[],
                      %(ends)s::timestamptz[]) AS s (project_id, tier_id, starts_at, ends_at)
            ON s.project_id = c.project_id
           AND c.job_end >= s.starts_at AND c.job_end < s.ends_at
"""


def _rows(scope: Scope, part: Interval, *, rates: Sequence[Rate], aside: Aside) -> Iterator[_Row]:
    """Yield the charges in force of a part of the window in groups, and the studied amounts.

    Most projects are in one tier all the time: their charges need not be compared with its dates.
    """
    whole, rest = list[Stretch](), list[Stretch]()
    for stretch in scope.stretches:
        if stretch.starts_at <= part.start and part.end <= stretch.ends_at:
            whole.append(stretch)
        elif stretch.starts_at < part.end and part.start < stretch.ends_at:
            rest.append(stretch)
    tiers = {stretch.project_id: stretch.tier_id for stretch in whole}
    for row in _groups(scope, part, whole, rates=rates, aside=aside, dated=False):
        yield row._replace(tier_id=tiers[row.project_id])
    yield from _groups(scope, part, rest, rates=rates, aside=aside, dated=True)


def _groups(
    scope: Scope,
    part: Interval,
    here: Sequence[Stretch],
    *,
    rates: Sequence[Rate],
    aside: Aside,
    dated: bool,
) -> list[_Row]:
    """Return the groups of some stretches; their tiers and dates are looked at if ``dated``."""
    if not here:
        return []
    linear = [(rate, _twice_price(rate)) for rate in rates if rate.is_linear]
    values: dict[str, Any] = {
        "projects": [s.project_id for s in here],
        "tiers": [s.tier_id for s in here],
        "starts": [s.starts_at for s in here],
        "ends": [s.ends_at for s in here],
        "start": part.start,
        "end": part.end,
        "rates": [rate.rate_id for rate, _ in linear],
        "prices": [twice for _, twice in linear],
        "sizes": [rate.unit_size for rate, _ in linear],
        "mosts": [(_MOST - rate.unit_size) // twice if twice else _MOST for rate, twice in linear],
        "set_aside": sorted(aside.projects),
        "users": sorted(aside.user_names),
        "user": scope.user_name,
    }
    by_job = bool(aside.user_names or scope.user_name) or any(criteria(rate) for rate in rates)
    statement = _STATEMENT.format(
        tier="s.tier_id" if dated else "NULL::bigint",
        stretches=_STRETCHES if dated else "",
        studied=_chosen(rates, values),
        aside=_set_aside(aside),
        jobs="LEFT JOIN usage_job j ON j.id = c.job_id" if by_job else "",
        mine="AND j.user_name = %(user)s" if scope.user_name else "",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [_Row(*row[:9], *map(int, row[9:])) for row in cursor]


def _set_aside(aside: Aside) -> str:
    tests = []
    if aside.projects:
        tests.append("c.project_id = ANY(%(set_aside)s::bigint[])")
    if aside.user_names:
        tests.append("coalesce(j.user_name = ANY(%(users)s::text[]), false)")
    return f"({' OR '.join(tests)})" if tests else "false"


def _chosen(rates: Iterable[Rate], values: dict[str, Any]) -> str:
    """Return SQL for the key of the rate that ``engine.choose`` finds for a charge."""
    whens = []
    for rate in sorted(rates, key=lambda rate: (-specificity(rate), rate.rate_id)):
        name = f"r{rate.rate_id}"
        values[name] = rate.resource
        tests = [f"c.resource = %({name})s"]
        for column, wanted in criteria(rate).items():
            values[f"{name}_{column}"] = wanted
            tests.append(f"j.{_COLUMNS[column]} = %({name}_{column})s")
        whens.append(f"WHEN {' AND '.join(tests)} THEN {int(rate.rate_id)}")
    return f"CASE {' '.join(whens)} END::bigint" if whens else "NULL::bigint"


_COLUMNS = {"cluster": "cluster_id", "partition": "partition", "qos": "qos"}


def _twice_price(rate: Rate) -> int:
    """The price of a unit, in half millionths: a whole number, as prices have six decimals."""
    return int(rate.slabs[0].unit_price * 2 * 10**6)
