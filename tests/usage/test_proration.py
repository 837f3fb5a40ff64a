"""Shares of a job's quantity: whole numbers that add up, however the job is cut."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage.proration import day_bounds, month_bounds, share, shares

START = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
lengths = st.integers(1, 10**7)
quantities = st.integers(0, 2**62)


@given(quantities, lengths, st.lists(st.integers(-(10**6), 2 * 10**7), max_size=8))
def test_shares_add_up_and_are_off_by_less_than_one_each(
    quantity: int, length: int, cuts: list[int]
) -> None:
    points = sorted({-1, length + 1, *cuts, min(cuts, default=0) - 1, max(cuts, default=0) + 1})
    spans = list(pairwise(points))
    parts = [share(quantity, length=length, begin=begin, end=end) for begin, end in spans]
    assert sum(parts) == quantity
    for (begin, end), part in zip(spans, parts, strict=True):
        inside = max(0, min(end, length) - max(begin, 0))
        assert part >= 0
        assert abs(part - Fraction(quantity * inside, length)) < 1


@given(st.integers(0, 512), lengths, st.integers(-100, 10**7), st.integers(1, 10**7))
def test_what_is_held_evenly_gets_its_count_for_each_second(
    count: int, length: int, begin: int, width: int
) -> None:
    inside = max(0, min(begin + width, length) - max(begin, 0))
    found = share(count * length, length=length, begin=begin, end=begin + width)
    assert found == count * inside


@pytest.mark.parametrize(("begin", "end", "found"), [(0, 5, 7), (-5, 0, 0), (-5, 1, 7), (1, 5, 0)])
def test_a_job_of_no_length_is_where_it_starts(begin: int, end: int, found: int) -> None:
    assert share(7, length=0, begin=begin, end=end) == found


def test_days_are_as_long_as_the_zone_makes_them() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    bounds = day_bounds(date(2026, 10, 24), date(2026, 10, 26), berlin)
    assert [(end - begin) // timedelta(hours=1) for begin, end in pairwise(bounds)] == [24, 25, 24]
    end = START + timedelta(hours=50)
    assert shares(50, start=START, end=end, bounds=bounds) == [0, 24, 24]
    assert shares(50, start=START, end=end, bounds=[START, *bounds[2:], end]) == [24, 24, 2]


def test_months_are_cut_at_the_days_asked_for() -> None:
    bangkok = ZoneInfo("Asia/Bangkok")
    bounds = month_bounds(date(2026, 11, 20), date(2027, 1, 3), bangkok)
    assert [f"{bound.astimezone(bangkok):%m-%d %H}" for bound in bounds] == [
        "11-20 00",
        "12-01 00",
        "01-01 00",
        "01-04 00",
    ]
