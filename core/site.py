"""The site's calendar: the zone in which days, months and periods begin and end."""

from datetime import date
from zoneinfo import ZoneInfo

from django.conf import settings

from core.intervals import Interval, days

EARLIEST, LATEST = date(1971, 1, 1), date(2199, 12, 31)
"""Slurm knows no moment before 1970, and days near the ends of the calendar can't be converted."""


def site_zone() -> ZoneInfo:
    """Return the site's time zone."""
    return ZoneInfo(settings.SITE_TIME_ZONE)


def is_period(first: date | None, last: date | None) -> bool:
    """Tell whether two days, both included, are a period that ``site_days`` can convert."""
    return first is not None and last is not None and EARLIEST <= first <= last <= LATEST


def site_days(first: date, last: date) -> Interval:
    """Return the moments of whole days of the site from ``first`` to ``last``, both included."""
    return days(first, last, site_zone())
