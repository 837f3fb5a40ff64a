"""Spans of local days that people ask about (pure)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from core import intervals
from core.intervals import month_start, next_month


@dataclass(frozen=True, slots=True)
class Days:
    """From ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1


def last_days(count: int) -> Callable[[date], Days]:
    """Return the preset of so many days up to and with today."""
    return lambda today: Days(today - timedelta(days=count - 1), today)


def this_month(today: date) -> Days:
    """From the first of the month until today."""
    return Days(month_start(today), today)


def last_month(today: date) -> Days:
    """The whole month before this one."""
    return Days(*intervals.last_month(today))


def this_year(today: date) -> Days:
    """From the first of January until today."""
    return Days(today.replace(month=1, day=1), today)


PRESETS: Mapping[str, Callable[[date], Days]] = {
    "30d": last_days(30),
    "month": this_month,
    "last-month": last_month,
    "90d": last_days(90),
    "year": this_year,
}
DEFAULT = "30d"


def buckets(days: Days, *, monthly: bool) -> list[date]:
    """Return the days, or the first days of the months, that a span touches, in order."""
    if not monthly:
        return [days.first + timedelta(days=n) for n in range(days.count)]
    found, day = [], month_start(days.first)
    while day <= days.last:
        found.append(day)
        day = next_month(day)
    return found
