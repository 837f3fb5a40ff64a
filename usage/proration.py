"""Sharing out what a job used over the spans of time in which it ran: by whole numbers only.

The rule: of a quantity used evenly over ``[start, start + length)``, the first ``s`` seconds have
floor(quantity × s ÷ length). A span's share is the difference of two of these, so the shares of one
job add up to its quantity exactly, however it is cut.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.intervals import local_midnight, next_month


def share(quantity: str) -> str:
    """Return the SQL of the share that a span has of a quantity, which is a column.

    Three more columns are read: ``length``, how many seconds the job ran, and ``x0`` and ``x1``,
    between which of them the span lies; neither lies outside of the job. A span that is asked about
    has all of a job of no length.
    """
    # Dividing wide numbers is slow, and most jobs lie within one span.
    return (
        f"CASE WHEN x1 - x0 = length THEN {quantity} WHEN x1 <= x0 THEN 0 ELSE"
        f" div({quantity}::numeric * x1, length) - div({quantity}::numeric * x0, length) END"
    )


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
