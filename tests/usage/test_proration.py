"""Shares of a job's quantity: whole numbers that add up, however the job is cut."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usage.proration import day_bounds, month_bounds, share

lengths = st.integers(1, 10**7)
quantities = st.integers(0, 2**62)


def shares(quantity: int, length: int, spans: Sequence[tuple[int, int]]) -> list[int]:
    """The shares of spans of seconds, each cut to the job, as the database works them out."""
    cut = [[min(max(point, 0), length) for point in span] for span in spans]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {share('quantity')} FROM (SELECT %s::bigint AS quantity, %s::bigint AS length)"
            " job, unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY span (x0, x1, place)"
            " ORDER BY place",
            [quantity, length, [begin for begin, _ in cut], [end for _, end in cut]],
        )
        return [int(found) for (found,) in cursor.fetchall()]


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(quantities, lengths, st.lists(st.integers(-(10**6), 2 * 10**7), max_size=8))
def test_shares_add_up_and_are_off_by_less_than_one_each(
    quantity: int, length: int, cuts: list[int]
) -> None:
    spans = list(pairwise(sorted({min(-1, *cuts, 0), *cuts, max(length + 1, *cuts, 0)})))
    parts = shares(quantity, length, spans)
    assert sum(parts) == quantity
    for (begin, end), part in zip(spans, parts, strict=True):
        inside = max(0, min(end, length) - max(begin, 0))
        assert part >= 0
        assert abs(part - Fraction(quantity * inside, length)) < 1


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 512), lengths, st.integers(-100, 10**7), st.integers(1, 10**7))
def test_what_is_held_evenly_gets_its_count_for_each_second(
    count: int, length: int, begin: int, width: int
) -> None:
    inside = max(0, min(begin + width, length) - max(begin, 0))
    assert shares(count * length, length, [(begin, begin + width)]) == [count * inside]


def test_days_are_as_long_as_the_zone_makes_them() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    bounds = day_bounds(date(2026, 10, 24), date(2026, 10, 26), berlin)
    assert [(end - begin) // timedelta(hours=1) for begin, end in pairwise(bounds)] == [24, 25, 24]


def test_months_are_cut_at_the_days_asked_for() -> None:
    bangkok = ZoneInfo("Asia/Bangkok")
    bounds = month_bounds(date(2026, 11, 20), date(2027, 1, 3), bangkok)
    assert [f"{bound.astimezone(bangkok):%m-%d %H}" for bound in bounds] == [
        "11-20 00",
        "12-01 00",
        "01-01 00",
        "01-04 00",
    ]
