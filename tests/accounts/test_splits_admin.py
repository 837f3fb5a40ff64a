"""Splits are entered on the page of the project whose costs they are, and stay as they are."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Split, SplitShare, User
from audit.models import AuditEvent
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def post(client: Client, project: Project, *rows: dict[str, str]) -> str:
    """Send the project's page with these splits; returns the answer, nothing if it is saved."""
    data = {
        "code": project.code, "name": project.name, "is_active": "on", "department": "",
        "owner": "", "billing_name": "", "billing_address": "", "tax_id": "", "po_number": "",
        "cost_centre": "", "billing_email": "",
    }  # fmt: skip
    for prefix in ("tiers", "memberships", "billing_profile", "contacts", "reminders_stopped"):
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    kept = sum("id" in row for row in rows)
    data |= {"splits-TOTAL_FORMS": str(len(rows)), "splits-INITIAL_FORMS": str(kept)}
    for place, row in enumerate(rows):
        data |= {f"splits-{place}-{name}": value for name, value in row.items()}
        data[f"splits-{place}-project"] = str(project.pk)
    page = client.post(reverse("admin:accounts_project_change", args=[project.pk]), data)
    return "" if page.status_code == 302 else page.text


def row(shares: str, *, start: str = "2026-10-01", **more: str) -> dict[str, str]:
    return {
        "starts_at_0": start, "starts_at_1": "00:00", "ends_at_0": "", "ends_at_1": "",
        "shares": shares, "fallback": "", "reason": "two grants", **more,
    }  # fmt: skip


def test_a_split_is_made_with_its_shares(boss: Client) -> None:
    own, *_grants = (make_project(code, tier="") for code in ("genomics", "one", "two"))
    assert post(boss, own, row("one 33.3333\ntwo 66.6667 %")) == ""
    connection.check_constraints()
    shares = SplitShare.objects.order_by("pk").values_list("project__code", "percent")
    assert list(shares) == [("one", Decimal("33.3333")), ("two", Decimal("66.6667"))]
    event = AuditEvent.objects.get(action="project.changed")
    (logged,) = event.content["data"]["rows"]
    assert logged["created"]["shares"] == {"one": "33.3333", "two": "66.6667"}
    assert "one 33.3333" in boss.get(reverse("admin:accounts_project_change", args=[own.pk])).text


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ("one 50\ntwo 49.9999", "add up to 99.9999"),
        ("one 50\none 50", "there twice"),
        ("one 50\nthree 50", "no project"),
        ("one half", "percent on each line"),
        ("one 100\ntwo 0", "percent on each line"),
    ],
)
def test_shares_that_make_no_whole_are_refused(boss: Client, shares: str, said: str) -> None:
    own, _one, _two = (make_project(code, tier="") for code in ("genomics", "one", "two"))
    assert said in post(boss, own, row(shares))
    assert not Split.objects.exists()


def test_of_a_split_only_the_end_changes(boss: Client) -> None:
    own, one = make_project("genomics", tier=""), make_project("one", tier="")
    assert post(boss, own, row("one 100")) == ""
    made = Split.objects.get()
    later = row("genomics 100", id=str(made.pk), ends_at_0="2026-11-01", ends_at_1="00:00")
    assert post(boss, own, later | {"starts_at_0": "2020-01-01"}) == ""
    made.refresh_from_db()
    assert made.starts_at == datetime(2026, 9, 30, 17, tzinfo=UTC)
    assert made.ends_at == datetime(2026, 10, 31, 17, tzinfo=UTC)
    assert SplitShare.objects.get().project == one
    again = row("one 100", start="2026-10-15")
    assert "overlaps" in post(boss, own, later, again)
