"""The engine alone: which list counts, and what quantities cost under it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pricing.engine import NoRate, PricedRate, Prices, in_effect, price

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def prices(list_id: int, effective_at: datetime, revision: int = 1, **rates: str) -> Prices:
    by_resource = {
        code: PricedRate(list_id * 10 + place, Decimal(unit_price))
        for place, (code, unit_price) in enumerate(rates.items())
    }
    return Prices(list_id, effective_at, revision, "THB", by_resource)


def chosen(lists: list[Prices], moment: datetime) -> int | None:
    found = in_effect(lists, moment)
    return found.price_list_id if found else None


def test_a_list_counts_from_its_very_moment_on() -> None:
    lists = [prices(1, JANUARY), prices(2, JULY)]
    just_before = timedelta(microseconds=1)
    assert chosen(lists, JANUARY - just_before) is None
    assert chosen(lists, JANUARY) == 1
    assert chosen(lists, JULY - just_before) == 1
    assert chosen(lists, JULY) == 2


@pytest.mark.parametrize("turn", [1, -1])
def test_the_date_comes_before_the_revision_and_the_order_of_lists_does_not_matter(
    turn: int,
) -> None:
    lists = [prices(1, JANUARY, revision=9), prices(2, JULY, 1), prices(3, JULY, 2)][::turn]
    assert chosen(lists, JULY) == 3
    assert chosen(lists, JULY - timedelta(days=1)) == 1


def test_each_resource_is_priced_in_its_unit() -> None:
    used = {"mem": 8192 * 3600, "cpu": 4 * 3600, "gpu": 1800}
    found = price(used, prices(1, JANUARY, cpu="0.75", gpu="12", mem="0.05"))
    assert [(item.resource, item.unit_size, item.amount) for item in found] == [
        ("cpu", 3600, Decimal("3.000000")),
        ("gpu", 3600, Decimal("6.000000")),
        ("mem", 3600 * 1024, Decimal("0.400000")),
    ]
    assert [item.rate.rate_id for item in found] == [10, 11, 12]


def test_a_resource_without_a_rate_is_refused_by_name() -> None:
    with pytest.raises(NoRate) as refusal:
        price({"cpu": 1, "gpu": 1}, prices(1, JANUARY, cpu="1"))
    assert refusal.value.resource == "gpu"


def test_a_price_of_nothing_is_a_price() -> None:
    (item,) = price({"cpu": 3600}, prices(1, JANUARY, cpu="0"))
    assert item.amount == 0
