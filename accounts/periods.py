"""Which period a charge is booked into; what is open and what is closed.

A charge is priced by its own end, and booked into the month of that end, or if that one is closed
into the first month after the last closed one. Months that have no row yet are open.
"""

import sys
from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, timedelta

from django.db.models import QuerySet
from django.utils.timezone import localtime

from accounts.models import Period
from core.intervals import (
    Interval,
    from_microseconds,
    microseconds,
    month,
    month_start,
    next_month,
)
from core.locks import Space, hold_until_commit
from core.site import site_zone

OPEN_LOCK, MAKING_LOCK = "open", "making"
"""Names of the advisory locks: whoever books charges holds the first one together with others,
whoever closes or opens a period alone; the second one is for making periods."""


def period_of(day: date) -> Period:
    """Return the period of a day's month as it is, or one not yet stored if nobody needed it."""
    first = month_start(day)
    found = Period.objects.filter(month=first).first()
    if found is None:
        span = _span(first)
        found = Period(month=first, starts_at=span.start, ends_at=span.end)
    return found


def last_closed() -> Period | None:
    """Return the last closed period; all before it are closed, too."""
    return Period.objects.filter(status=Period.Status.CLOSED).order_by("-month").first()


def first_open() -> date | None:
    """Return the month after the last closed one; None if none was closed yet: all are open."""
    last = last_closed()
    return None if last is None else next_month(last.month)


def earlier_open(day: date) -> QuerySet[Period]:
    """Return the open periods before a month, the earliest first: they are closed before it."""
    rows = Period.objects.filter(status=Period.Status.OPEN, month__lt=month_start(day))
    return rows.order_by("month")


class PeriodBook:
    """The periods that the charges of one transaction are booked into.

    Made within the transaction, after the locks of projects, receipts and jobs and before those of
    counters. No period closes or opens until it is over, so what the book says still holds when
    the charges are written. Periods that are missing are made for all ends that are known before
    (given here, or to ``cover``): writing may then keep the connection busy.
    """

    def __init__(self, ends: Iterable[int] = ()) -> None:
        hold_until_commit(Space.PERIODS, OPEN_LOCK, shared=True)
        self._from = self._until = 0
        self._text = ""
        self._read()
        self.cover(ends)

    def cover(self, ends: Iterable[int]) -> None:
        """Make the periods into which charges with these ends (microseconds since 1970) go."""
        missing = {self._month_of(end) for end in ends if not self._turn_to(end)}
        if missing:
            self._make(missing)

    def of(self, end: int) -> str:
        """Return the period (its first day, ISO) of a charge with that end, in microseconds."""
        if self._from <= end < self._until:
            return self._text
        if not self._turn_to(end):
            self._make({self._month_of(end)})
            if not self._turn_to(end):
                raise ValueError("no period takes this end")
        return self._text

    def _read(self) -> None:
        last = last_closed()
        rows = Period.objects.filter(status=Period.Status.OPEN).order_by("month")
        self._open = {row.month: row for row in rows}
        self._late = 0 if last is None else microseconds(last.ends_at)
        self._first_open = date.min if last is None else next_month(last.month)
        spans = [
            (microseconds(row.starts_at), microseconds(row.ends_at), row.month)
            for row in self._open.values()
        ]
        if self._first_open in self._open:
            spans.insert(0, (-sys.maxsize, self._late, self._first_open))
        self._spans = spans
        self._starts = [start for start, _until, _month in spans]

    def _turn_to(self, end: int) -> bool:
        """Keep the span in which an end lies, for those after it; returns whether there is one."""
        if self._from <= end < self._until:
            return True
        place = bisect_right(self._starts, end) - 1
        if place < 0 or end >= self._spans[place][1]:
            return False
        self._from, self._until, booked = self._spans[place]
        self._text = booked.isoformat()
        return True

    def _month_of(self, end: int) -> date:
        """Return the month to be made for an end. Where the site changed its zone since a period
        was made, what lies beyond that period's edge belongs to its neighbour."""
        if end < self._late:
            return self._first_open
        own = month_start(localtime(from_microseconds(end), site_zone()).date())
        row = self._open.get(own)
        if row is not None:
            before = end < microseconds(row.starts_at)
            own = month_start(own - timedelta(days=1)) if before else next_month(own)
        return max(own, self._first_open)

    def _make(self, months: Iterable[date]) -> None:
        hold_until_commit(Space.PERIODS, MAKING_LOCK)
        for first in sorted(months):
            _made(first)
        self._read()


def ensure(day: date) -> Period:
    """Return the stored period of a day's month; an open one is made if there is none. Within a
    transaction. The database refuses one before the last closed period."""
    hold_until_commit(Space.PERIODS, OPEN_LOCK, shared=True)
    hold_until_commit(Space.PERIODS, MAKING_LOCK)
    return _made(month_start(day))


def _made(first: date) -> Period:
    span = _span(first)
    edges = {"starts_at": span.start, "ends_at": span.end}
    return Period.objects.get_or_create(month=first, defaults=edges)[0]


def _span(first: date) -> Interval:
    """Return what a month's period spans: the site's month, and no gap to its neighbours."""
    span = month(first, site_zone())
    beside = Period.objects.filter(
        month__in=(month_start(first - timedelta(days=1)), next_month(first))
    )
    edges = {row.month: row for row in beside}
    before, after = edges.get(month_start(first - timedelta(days=1))), edges.get(next_month(first))
    return Interval(
        span.start if before is None else before.ends_at,
        span.end if after is None else after.starts_at,
    )
