"""Which list counts at a moment."""

from datetime import UTC, datetime, timedelta

import pytest

from pricing.engine import Terms
from pricing.tariffs import Listed, in_effect

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def listed(
    key: int, effective_at: datetime, revision: int = 1, ends_at: datetime | None = None
) -> Listed:
    return Listed(key, effective_at, ends_at, revision, "THB", (), Terms())


def chosen(lists: list[Listed], moment: datetime) -> int | None:
    found = in_effect(lists, moment)
    return found.price_list_id if found else None


def test_a_list_counts_from_its_very_moment_on() -> None:
    lists = [listed(1, JANUARY), listed(2, JULY)]
    assert chosen(lists, JANUARY - INSTANT) is None
    assert chosen(lists, JANUARY) == 1
    assert chosen(lists, JULY - INSTANT) == 1
    assert chosen(lists, JULY) == 2


def test_a_negotiated_list_counts_until_just_before_its_end() -> None:
    lists = [listed(1, JANUARY, ends_at=JULY)]
    assert chosen(lists, JULY - INSTANT) == 1
    assert chosen(lists, JULY) is None


@pytest.mark.parametrize("turn", [1, -1])
def test_the_date_comes_before_the_revision_and_the_order_of_lists_does_not_matter(
    turn: int,
) -> None:
    lists = [listed(1, JANUARY, revision=9), listed(2, JULY, 1), listed(3, JULY, 2)][::turn]
    assert chosen(lists, JULY) == 3
    assert chosen(lists, JULY - timedelta(days=1)) == 1
