"""Half-open intervals and the site's calendar, on the nights when clocks change too."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.intervals import Interval, days, local_midnight, month, month_start, next_month

BERLIN, BANGKOK = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Bangkok")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_the_end_is_outside() -> None:
    interval = Interval(NOON, NOON + timedelta(hours=1))
    assert NOON in interval
    assert interval.end not in interval


@pytest.mark.parametrize(
    ("start", "end"),
    [(NOON, NOON), (NOON, NOON - timedelta(1)), (NOON.replace(tzinfo=None), NOON)],
)
def test_what_is_no_interval_is_refused(start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="interval"):
        Interval(start, end)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_a_local_day_has_its_real_length(day: tuple[int, int, int], hours: int) -> None:
    interval = days(date(*day), date(*day), BERLIN)
    assert interval.end - interval.start == timedelta(hours=hours)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from([BERLIN, BANGKOK, UTC]))
def test_months_tile_time(day: date, zone: ZoneInfo) -> None:
    this, following = month(day, zone), month(next_month(day), zone)
    assert this.end == following.start
    assert local_midnight(day, zone) in this
    assert month_start(day).day == next_month(day).day == 1
