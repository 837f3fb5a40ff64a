"""A project's month at today's pace and with more usage; who may see it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from insights.projection import MORE, Projection, project_month
from tests.campus import Campus
from tests.factories import LONG_AGO, OCTOBER, Row, import_rows, publish_prices
from tests.pricing.lists import flat, publish

pytestmark = pytest.mark.django_db
# A tenth of October, which has 31 days; the site's clock is 7 hours ahead of UTC.
START = OCTOBER.start - timedelta(hours=7)
TENTH = START + timedelta(days=3, hours=2, minutes=24)


def october(people: Campus, now: datetime = TENTH) -> Projection:
    (found,) = project_month(people.genomics, now)
    return found


def four_hours(job_id: int, end: datetime) -> Row:
    """One hour on 4 CPUs and 8 GB."""
    return Row(job_id, end=end)


def test_flat_prices_grow_with_usage(people: Campus) -> None:
    publish_prices("mu", LONG_AGO.replace(year=2021), cpu="1", gpu="1", mem="0.5")
    import_rows(people.cluster, four_hours(90, START + timedelta(hours=9)), four_hours(91, TENTH))
    found = october(people)
    assert found.until == TENTH
    assert found.passed_percent == 10
    assert found.so_far == 8 + 8
    assert [one.amount for one in found.scenarios] == [160 + 16 * n for n in range(6)]
    assert [one.change for one in found.scenarios] == [None, *map(Decimal, MORE[1:])]
    assert {(line.resource, line.whole_quantity) for line in found.lines} == {
        ("cpu", 80 * 3600), ("mem", 160 * 3600 * 1024),
    }  # fmt: skip


def test_usage_is_known_up_to_the_newest_job(people: Campus) -> None:
    import_rows(people.cluster, four_hours(90, TENTH))
    assert october(people, TENTH + timedelta(days=1)).until == TENTH


def test_a_month_without_charges_has_no_pace(people: Campus) -> None:
    assert project_month(people.genomics, datetime(2026, 12, 10, tzinfo=UTC)) == ()


def test_prices_that_ended_price_nothing_more(people: Campus) -> None:
    publish_prices("mu", LONG_AGO.replace(year=2021), cpu="1", gpu="1", mem="0")
    half = START + timedelta(days=1, hours=13, minutes=12)
    import_rows(people.cluster, four_hours(90, half - timedelta(hours=1)))
    publish_prices("mu", half, cpu="2", gpu="1", mem="0")
    import_rows(people.cluster, four_hours(91, TENTH))
    # 4 units at 1 stay; 4 units in the second twentieth of the month become 4 × 19, at 2.
    assert october(people).at_pace == 4 + 4 * 19 * 2


def test_a_cap_and_a_commitment_decide(people: Campus) -> None:
    for year, cap, commitment, expected in ((2021, "50", None, 50), (2022, None, "500", 500)):
        terms = {"cap": cap and Decimal(cap), "commitment": commitment and Decimal(commitment)}
        publish(flat("cpu", "2"), flat("mem", "0"), at=LONG_AGO.replace(year=year), **terms)
        import_rows(people.cluster, four_hours(year, TENTH))
        found = october(people)
        assert {one.amount for one in found.scenarios} == {Decimal(expected)}
        assert (found.capped, found.raised) == (cap is not None, commitment is not None)


def test_who_sees_it(people: Campus, client: Client) -> None:
    address = reverse("insights:project", args=["genomics"])
    for user, status in (
        (people.alice, 200), (people.bob, 404), (people.charlie, 404), (people.clerk, 200),
    ):  # fmt: skip
        client.force_login(user)
        assert client.get(address).status_code == status
    client.force_login(people.alice)
    assert address in client.get("/").text
    assert "so there is no pace to go by" in client.get(address).text
