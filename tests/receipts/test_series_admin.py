"""Number series in the console: what comes next, and going on with numbers of before."""

from datetime import date
from decimal import Decimal

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from accounts.models import Project
from receipts.models import Receipt, Series
from receipts.services import create_receipt
from receipts.services.openings import Opening, bring_opening
from tests import console
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    publish_prices,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


@pytest.fixture
def genomics() -> Project:
    return make_project("genomics")


def form(**changes: object) -> dict[str, object]:
    values = {
        "code": "RC",
        "year": 2026,
        "last_number": 41,
        "pattern": "{code}{be}/{number:04d}",
        "expected": "RC2569/0042",
    }
    return values | changes


def go_on(clerk: Client, **changes: object) -> str:
    page = reverse("admin:receipts_series_go_on")
    return clerk.post(page, form(**changes), follow=True).content.decode()


def bill(project: Project) -> Receipt:
    publish_prices("mu", OCTOBER.start, cpu="2.5", mem="0")
    import_rows(make_cluster(), Row(1))
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


def test_a_clerk_goes_on_with_the_old_numbers(clerk: Client, genomics: Project) -> None:
    assert "RC – Receipts" in clerk.get(reverse("admin:receipts_series_go_on")).content.decode()
    assert "The next document gets RC2569/0042." in go_on(clerk)
    event = console.last_event("series.opened")
    assert event == {"code": "RC", "year": 2026, "after": 41, "pattern": "{code}{be}/{number:04d}"}
    assert bill(genomics).number == "RC2569/0042"
    listed = clerk.get(console.url(Series)).content.decode()
    for shown in ("RC2569/0043", "RC2569/0041", "Receipts"):
        assert shown in listed


def test_numbers_that_were_given_are_not_given_again(clerk: Client, genomics: Project) -> None:
    bill(genomics)
    assert "has begun already" in go_on(clerk)
    assert Series.objects.get().opened_after == 0


def test_a_number_beyond_that_was_brought_is_told(
    clerk: Client, genomics: Project, settings: LazySettings
) -> None:
    settings.SERIES_PATTERN = "{code}-{year}-{number:06d}"
    day = date(2026, 8, 1)
    for number in ("RC2569/0042", "RC2569/0050", "OTHER-9"):
        opening = Opening(genomics, number, day, day, Decimal(5), "THB")
        bring_opening(opening=opening, actor=SYSTEM)
    assert "RC2569/0050 was given already" in go_on(clerk)
    assert not Series.objects.exists()
    go_on(clerk, last_number=50, expected="RC2569/0051")
    assert Series.objects.get().last_number == 50


def test_a_slip_is_told_and_nothing_begins(clerk: Client) -> None:
    assert "next document gets RC2569/0043" in go_on(clerk, last_number=42)
    assert "needs {number} once" in go_on(clerk, pattern="RC")
    assert "Select a valid choice" in go_on(clerk, code="XX")
    assert not Series.objects.exists()


def test_it_is_for_who_issues_documents() -> None:
    page = reverse("admin:receipts_series_go_on")
    assert console.visitor("auditor").post(page, form()).status_code == 403
    assert console.visitor("operator").get(console.url(Series)).status_code == 403
    assert not Series.objects.exists()
