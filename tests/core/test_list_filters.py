"""Lists of the console are narrowed without reading them whole."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pricing.models import Charge
from tests import console
from tests.factories import Row, import_rows, make_cluster, make_project
from usage.models import Job

pytestmark = pytest.mark.django_db
# Midnight in Bangkok is 17:00 in UTC.
ENDS = [
    datetime(2025, 12, 31, 16, 59, 59, tzinfo=UTC),
    datetime(2025, 12, 31, 17, tzinfo=UTC),
    datetime(2026, 9, 30, 16, 59, tzinfo=UTC),
    datetime(2026, 9, 30, 17, tzinfo=UTC),
    datetime(2026, 10, 3, 17, tzinfo=UTC),
]


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


@pytest.fixture
def jobs() -> None:
    make_project("genomics")
    import_rows(make_cluster(), *(Row(number, end=end) for number, end in enumerate(ENDS, 1)))


def narrowed(clerk: Client, model: Any, value: str) -> set[int]:
    found = clerk.get(console.url(model), {"ended": value}).context["cl"].queryset
    name = "job_id" if model is Job else "job__job_id"
    return set(found.values_list(name, flat=True))


def offered(clerk: Client, model: Any, value: str = "") -> list[str]:
    page = clerk.get(console.url(model), {"ended": value} if value else {})
    specs = page.context["cl"].filter_specs
    (spec,) = (spec for spec in specs if getattr(spec, "parameter_name", "") == "ended")
    return [key for key, _name in spec.lookup_choices]


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("model", [Job, Charge])
@pytest.mark.parametrize(
    ("value", "ids"),
    [("", {1, 2, 3, 4, 5}), ("2025", {1}), ("2026", {2, 3, 4, 5}), ("2026-09", {3}),
     ("2026-10", {4, 5}), ("2026-10-04", {5}), ("2026-10-03", set()), ("2024-02-29", set())],
)  # fmt: skip
def test_years_months_and_days_are_those_of_the_site(
    clerk: Client, model: Any, value: str, ids: set[int]
) -> None:
    assert narrowed(clerk, model, value) == ids


@pytest.mark.usefixtures("jobs")
def test_offered_is_what_there_is_the_latest_first(clerk: Client) -> None:
    months = [f"2026-{month:02}" for month in range(10, 0, -1)]
    assert offered(clerk, Job) == ["2026", *months, "2025"]
    assert offered(clerk, Job, "2025") == ["2026", "2025", "2025-12"]
    days = [f"2026-10-{day:02}" for day in range(4, 0, -1)]
    for value in ("2026-10", "2026-10-02"):
        assert offered(clerk, Job, value) == ["2026", "2026-10", *days, *months[1:], "2025"]


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    "value", ["x", "20", "2026-1", "2026-13", "2026-02-30", "0001", "9999-12-31", "2026-10-04-"]
)
def test_what_is_no_day_is_refused(clerk: Client, value: str) -> None:
    answer = clerk.get(console.url(Job), {"ended": value})
    assert (answer.status_code, answer["Location"]) == (302, f"{console.url(Job)}?e=1")


def test_an_empty_list_offers_nothing(clerk: Client) -> None:
    specs = clerk.get(console.url(Job)).context["cl"].filter_specs
    assert "ended" not in {getattr(spec, "parameter_name", "") for spec in specs}


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("model", [Job, Charge])
def test_no_list_looks_for_values_in_all_rows(clerk: Client, model: Any) -> None:
    with CaptureQueriesContext(connection) as captured:
        clerk.get(console.url(model))
    assert not [query["sql"] for query in captured if "DISTINCT" in query["sql"].upper()]
