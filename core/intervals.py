"""Half-open time intervals ``[start, end)`` and the site's calendar (pure)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """``[start, end)`` in UTC. Raises ValueError if it is empty, reversed or without a zone."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an interval needs times with a zone")
        if self.start >= self.end:
            raise ValueError("an interval must end after it starts")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the UTC moment at which a local calendar day begins."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def days(first: date, last: date, zone: ZoneInfo) -> Interval:
    """Return the interval of whole local days from ``first`` to ``last``, both included."""
    return Interval(local_midnight(first, zone), local_midnight(last + timedelta(days=1), zone))


def month_start(day: date) -> date:
    """Return the first day of the month of a day."""
    return day.replace(day=1)


def next_month(day: date) -> date:
    """Return the first day of the month after a day's month."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def month(day: date, zone: ZoneInfo) -> Interval:
    """Return the local calendar month that contains a day."""
    first = month_start(day)
    return Interval(local_midnight(first, zone), local_midnight(next_month(first), zone))


def last_month(today: date) -> tuple[date, date]:
    """Return the first and last day of the calendar month before a day's month."""
    last = month_start(today) - timedelta(days=1)
    return month_start(last), last


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_microseconds(count: int) -> datetime:
    """Return the moment that ``microseconds`` counts."""
    return EPOCH + timedelta(microseconds=count)
