"""Figures: sums that agree with their cells, small series together, periods without gaps."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from insights.charts import MAX_SERIES, largest, stacked
from insights.figures import Wanted
from insights.periods import PRESETS, Days, buckets

LABELS = [(n, str(n)) for n in range(4)]
cells = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([f"s{n}" for n in range(15)]),
        st.decimals(0, 1000, places=6, allow_nan=False),
    ),
    max_size=60,
)


@given(cells)
def test_a_figure_loses_nothing(found: list[tuple[int, str, Decimal]]) -> None:
    figure = stacked(found, labels=LABELS, others="Others")
    total = sum((value for *_, value in found), Decimal(0))
    assert sum((row[2] for row in figure.table), Decimal(0)) == total
    assert len(figure.names) == len(figure.values) <= MAX_SERIES
    assert figure.is_empty == (total == 0)
    for _label, values, sum_of_row in figure.table:
        assert sum(values, Decimal(0)) == sum_of_row


def test_series_are_ordered_by_size_and_small_ones_are_put_together() -> None:
    found = [(0, f"s{n:02}", Decimal(n)) for n in range(1, 13)]
    figure = stacked(found, labels=LABELS, others="Others")
    assert list(figure.names) == [f"s{n:02}" for n in range(12, 5, -1)] + ["Others"]
    assert figure.values[-1][0] == sum(range(1, 6))


def test_the_script_gets_plain_numbers() -> None:
    figure = stacked([(1, "a", Decimal("1.23456"))], labels=LABELS, others="Others")
    assert figure.for_script("THB") == {
        "labels": ["0", "1", "2", "3"],
        "series": [{"name": "a", "data": [0.0, 1.2346, 0.0, 0.0]}],
        "unit": "THB",
    }


def test_the_largest_come_first() -> None:
    found = [
        ("b", "", Decimal(2)),
        ("a", "", Decimal(1)),
        ("a", "", Decimal(1)),
        ("c", "", Decimal(9)),
    ]
    assert largest(found, 2) == ["c", "a"]


def test_presets_end_today_or_before() -> None:
    today = date(2026, 3, 1)
    found = {name: preset(today) for name, preset in PRESETS.items()}
    assert found["30d"] == Days(date(2026, 1, 31), today)
    assert found["month"] == Days(today, today)
    assert found["last-month"] == Days(date(2026, 2, 1), date(2026, 2, 28))
    assert found["90d"].count == 90
    assert found["year"] == Days(date(2026, 1, 1), today)


def test_every_day_or_month_of_a_period_has_its_place() -> None:
    span = Days(date(2025, 12, 30), date(2026, 2, 1))
    assert len(buckets(span, monthly=False)) == span.count == 34
    months = [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
    assert buckets(span, monthly=True) == months


def test_what_makes_no_sense_is_replaced() -> None:
    assert Wanted.read({}, with_people=False) == Wanted("cost", "project")
    assert Wanted.read({"stack": "user"}, with_people=False) == Wanted("cost", "project")
    assert Wanted.read({"stack": "user"}, with_people=True) == Wanted("cost", "user")
    asked = {"measure": "gpu", "stack": "resource"}
    assert Wanted.read(asked, with_people=True) == Wanted("gpu", "project")
