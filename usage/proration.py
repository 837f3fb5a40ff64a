"""Sharing out what a job used over the spans of time in which it ran. Pure, whole numbers only.

The rule: of a quantity used evenly over ``[start, start + length)``, the first ``s`` seconds have
floor(quantity × s ÷ length). A span's share is the difference of two of these, so the shares of one
job add up to its quantity exactly, however it is cut. ``usage.totals`` says the same in SQL.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from core.intervals import local_midnight, next_month

SECOND = timedelta(seconds=1)


def share(quantity: int, *, length: int, begin: int, end: int) -> int:
    """Return the share of the seconds ``[begin, end)`` of a job that ran ``length`` seconds.

    Seconds count from the job's start; what lies outside of the job has no share. A job of no
    length used nothing that could be shared out: all of it is in the span that has its start.
    """
    if length <= 0:
        return quantity if begin <= 0 < end else 0
    first, last = (min(max(point, 0), length) for point in (begin, end))
    return quantity * last // length - quantity * first // length if last > first else 0


def shares(
    quantity: int, *, start: datetime, end: datetime, bounds: Sequence[datetime]
) -> list[int]:
    """Return the shares of each span between neighbouring bounds, which must rise."""
    length = (end - start) // SECOND
    points = [(bound - start) // SECOND for bound in bounds]
    return [
        share(quantity, length=length, begin=begin, end=stop) for begin, stop in pairwise(points)
    ]


def day_bounds(first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    """Return the UTC moments at which the local days from ``first`` to ``last`` begin, and where
    the last one ends. A day is as long as the zone makes it: 23 to 25 hours where clocks change."""
    return [
        local_midnight(first + timedelta(days=number), zone)
        for number in range((last - first).days + 2)
    ]


def month_bounds(first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    """Return the bounds of the local months that two days span, cut at these days."""
    days = [first]
    while (begin := next_month(days[-1])) <= last:
        days.append(begin)
    return [local_midnight(day, zone) for day in (*days, last + timedelta(days=1))]
