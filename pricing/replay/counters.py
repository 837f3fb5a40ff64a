"""The month's counters and true-ups walked again, from charge to charge."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from django.db.models import QuerySet
from django.utils.timezone import localdate

from core.intervals import Interval
from core.site import site_zone
from pricing import engine
from pricing.models import Charge, ChargeKind, Counter
from pricing.replay.found import Replayed
from pricing.replay.jobs import Books

CHUNK = 2000
K = ChargeKind
ZERO = Decimal(0)


def replay_counters(month: Interval, books: Books, found: Replayed) -> None:
    """Walk each counter of a month: every charge begins where the one before it ended, and comes
    to the price of the quantity after it, less what was charged before."""
    stored = {
        (row.project_id, row.rate_id): row
        for row in Counter.objects.filter(month=localdate(month.start, site_zone()))
    }
    walked = set()
    charges = _of_month(month).filter(counter_after__isnull=False)
    ordered = charges.order_by("project", "rate", "pk").select_related("project")
    for key, rows in groupby(ordered.iterator(CHUNK), attrgetter("project_id", "rate_id")):
        walked.add(key)
        found.counters += 1
        quantity, amount = _walk(rows, books, found)
        row = stored.get(key)
        found.compare("counter.quantity", row.quantity if row else None, quantity)
        found.compare("counter.amount", row.amount if row else None, amount)
    for key, row in stored.items():
        if key not in walked:
            found.about = f"counter of project {row.project_id}, rate {row.rate_id}"
            found.compare("counter.quantity", row.quantity, 0)
            found.compare("counter.amount", row.amount, ZERO)


def _of_month(month: Interval) -> QuerySet[Charge]:
    return Charge.objects.filter(job_end__gte=month.start, job_end__lt=month.end)


def _walk(rows: Iterator[Charge], books: Books, found: Replayed) -> tuple[int, Decimal]:
    quantity, amount = 0, ZERO
    for charge in rows:
        found.about = f"counter of {charge.project.code}, rate {charge.rate_id}"
        found.charges += charge.job_id is None
        found.compare("counter_before", charge.counter_before, quantity, charge.pk)
        found.compare("counter_after", charge.counter_after, quantity + charge.quantity, charge.pk)
        quantity = charge.counter_after or 0
        if charge.reverses_id is None:
            rate = books.rates.get(charge.rate_id or 0)
            whole = engine.cumulative(rate, quantity) if rate and quantity >= 0 else None
            expected = None if whole is None else whole - amount
            found.compare("amount", charge.amount, expected, charge.pk)
        amount += charge.amount
    return quantity, amount


@dataclass(slots=True)
class _Sums:
    """What a project's month came to so far, without and with true-ups."""

    charged: Decimal = ZERO
    made: Decimal = ZERO
    taken_back: set[tuple[int | None, Decimal]] = field(default_factory=set)


def replay_true_ups(month: Interval, books: Books, found: Replayed) -> None:
    """Compute anew what caps and commitments added, each from the charges before it."""
    kept = _of_month(month).filter(kind=K.TRUE_UP).order_by().values("project")
    charges = _of_month(month).filter(project__in=kept).exclude(kind=K.MANUAL)
    ordered = charges.order_by("project", "currency", "pk").select_related("project")
    for _key, rows in groupby(ordered.iterator(CHUNK), attrgetter("project_id", "currency")):
        sums = _Sums()
        for charge in rows:
            _true_up(charge, sums, books, found)


def _true_up(charge: Charge, sums: _Sums, books: Books, found: Replayed) -> None:
    if charge.kind != K.TRUE_UP:
        sums.charged += charge.amount
        return
    found.about = f"month of {charge.project.code}"
    found.charges += 1
    stands_in = (charge.price_list_id, charge.amount)
    if charge.reverses_id is not None:
        sums.taken_back.add((charge.price_list_id, -charge.amount))
    elif stands_in in sums.taken_back:
        sums.taken_back.discard(stands_in)
    else:
        stored = books.lists.get(charge.price_list_id or 0)
        expected = None
        if stored is not None:
            cap, commitment = stored[0].cap, stored[0].commitment
            wanted = engine.true_up(sums.charged, cap=cap, commitment=commitment)
            expected = wanted - sums.made
        found.compare("amount", charge.amount, expected, charge.pk)
    sums.made += charge.amount
