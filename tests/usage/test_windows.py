"""Spans of time: days that clocks make longer or shorter, unions, gaps, nights that are due."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.intervals import Interval
from usage import windows

BERLIN, BANGKOK = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Bangkok")
START = datetime(2026, 1, 1, tzinfo=UTC)


def span(start: int, end: int) -> Interval:
    return Interval(START + timedelta(hours=start), START + timedelta(hours=end))


def hours(found: list[Interval]) -> list[float]:
    return [(each.end - each.start) / timedelta(hours=1) for each in found]


def test_days_are_those_of_the_clusters_calendar() -> None:
    week = Interval(datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))
    assert hours(windows.by_day(week, BERLIN)) == [11, 23, 24, 2]
    autumn = Interval(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
    assert hours(windows.by_day(autumn, BERLIN)) == [25, 1]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Sao_Paulo", date(2018, 11, 4)),  # midnight does not exist
        ("America/Havana", date(2026, 11, 1)),  # the hour after midnight comes twice
        ("Pacific/Apia", date(2011, 12, 30)),  # the day does not exist
        ("Asia/Kathmandu", date(2026, 5, 1)),
    ],
)
def test_strange_days_join_without_gap(zone: str, day: date) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=3)
    whole = Interval(start, start + timedelta(days=6))
    found = windows.by_day(whole, ZoneInfo(zone))
    assert windows.union(found) == [whole]
    assert sum(hours(found)) == 6 * 24
    assert all(found)


SPANS = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=12).map(
    lambda pairs: [span(start, start + length) for start, length in pairs]
)


@given(SPANS)
def test_gaps_and_what_is_covered_are_the_frame(covered: list[Interval]) -> None:
    frame = span(50, 350)
    inside = windows.union(windows.within(covered, frame))
    gaps = windows.gaps(frame, covered)
    assert windows.union([*inside, *gaps]) == [frame]
    assert windows.length(inside) + windows.length(gaps) == frame.end - frame.start
    assert all(gap.end <= piece.start or gap.start >= piece.end for gap in gaps for piece in inside)


@given(SPANS)
def test_a_union_is_disjoint_and_in_order(spans: list[Interval]) -> None:
    found = windows.union(spans)
    assert all(a.end < b.start for a, b in itertools.pairwise(found))
    assert windows.union(found) == found


@given(st.integers(1, 2000))
def test_halves_are_the_whole_and_not_too_short(minutes: int) -> None:
    whole = Interval(START, START + timedelta(minutes=minutes))
    halves = windows.halves(whole)
    if halves is None:
        assert minutes <= 2 * windows.SMALLEST / timedelta(minutes=1) + 1
    else:
        assert windows.union(halves) == [whole]
        assert min(half.end - half.start for half in halves) >= windows.SMALLEST


def test_a_night_is_due_by_the_clusters_own_clock() -> None:
    half_past_one = time(1, 30)
    before = datetime(2026, 11, 20, 18, 29, tzinfo=UTC)  # 01:29 in Bangkok
    assert windows.last_slot(before, half_past_one, BANGKOK) == date(2026, 11, 20)
    after = before + timedelta(minutes=1)
    assert windows.last_slot(after, half_past_one, BANGKOK) == date(2026, 11, 21)
    assert windows.last_slot(after, half_past_one, BERLIN) == date(2026, 11, 20)
    # Half past two does not exist on the night of spring; the night still has its pull, once.
    slots = {
        windows.last_slot(
            datetime(2026, 3, 28, 12, tzinfo=UTC) + timedelta(minutes=10 * step),
            time(2, 30),
            BERLIN,
        )
        for step in range(144)
    }
    assert slots == {date(2026, 3, 28), date(2026, 3, 29)}


def test_a_plan_has_each_gap_by_whole_days_and_the_last_days() -> None:
    now = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)  # 01:30 of the 21st in Bangkok
    noon = datetime(2026, 10, 5, 5, tzinfo=UTC)
    missing = [
        Interval(noon, noon + timedelta(hours=1)),
        Interval(now - timedelta(hours=20), now),
    ]
    plan = windows.plan(now=now, zone=BANGKOK, overlap_days=7, missing=missing)
    local = [(each.start.astimezone(BANGKOK), each.end.astimezone(BANGKOK)) for each in plan]
    assert [start.date().isoformat() for start, _ in local] == [
        "2026-10-05",
        *(f"2026-11-{day}" for day in range(14, 22)),
    ]
    assert all(start.time() == time(0) for start, _ in local)
    assert plan[0].end - plan[0].start == timedelta(days=1)
    assert plan[-1].end == now
    assert windows.length(plan) == timedelta(days=8, hours=1.5)
