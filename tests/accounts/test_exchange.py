"""Projects, memberships and price lists as CSV: out in a few queries, and in again unchanged."""

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Department, Membership, Project
from audit.models import AuditEvent
from pricing.models import PriceList
from tests.campus import FORMULA, Campus
from tests.factories import make_project

PROJECTS = "/admin/accounts/project/"


def exported(client: Client, page: str) -> list[dict[str, str]]:
    answer: Any = client.get(f"{page}export-csv/")
    text = answer.getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def uploaded(client: Client, rows: list[dict[str, str]], page: str = PROJECTS) -> Any:
    """Upload rows and confirm what the preview shows; returns the preview."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    file = SimpleUploadedFile("rows.csv", buffer.getvalue().encode())
    preview = client.post(f"{page}import/", {"import_file": file, "format": "0"})
    form = preview.context.get("confirm_form")
    if form is not None:
        client.post(f"{page}process_import/", form.initial)
    return preview


@pytest.fixture
def clerk(client: Client, people: Campus) -> Client:
    client.force_login(people.clerk)
    return client


def test_projects_leave_with_their_tier_and_no_formula(clerk: Client, people: Campus) -> None:
    Project.objects.filter(code="genomics").update(name=FORMULA, department=None)
    rows = {row["code"]: row for row in exported(clerk, PROJECTS)}
    assert (rows["genomics"]["tier"], rows["climate"]["tier"]) == ("mu", "gov")
    assert rows["genomics"]["name"] == f"'{FORMULA}"


def test_what_was_exported_changes_nothing_when_it_comes_back(
    clerk: Client, people: Campus
) -> None:
    Project.objects.filter(code="genomics").update(name=FORMULA)
    rows = exported(clerk, PROJECTS)
    before = list(Project.objects.order_by("pk").values())
    uploaded(clerk, rows)
    assert list(Project.objects.order_by("pk").values()) == before
    assert not AuditEvent.objects.filter(action__in=("project.changed", "project.created")).exists()


def test_a_new_project_comes_with_its_tier_and_is_in_the_log(clerk: Client, people: Campus) -> None:
    Department.objects.create(code="bio", name="Biology")
    new = {"code": "marine", "name": "Marine", "department": "bio", "tier": "mu", "tier_from": ""}
    uploaded(clerk, [new])
    project = Project.objects.get(code="marine")
    assert (project.department and project.department.code, project.is_active) == ("bio", True)
    assert project.tiers.get().tier.code == "mu"
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions)[-2:] == ["project.created", "projecttier.created"]


def test_one_bad_row_stops_the_whole_file(clerk: Client, people: Campus) -> None:
    good = {"code": "marine", "name": "Marine", "tier": "mu"}
    uploaded(clerk, [good, {"code": "space", "name": "Space", "tier": "no-such-tier"}])
    assert not Project.objects.filter(code__in=("marine", "space")).exists()


@pytest.mark.parametrize("page", [PROJECTS, "/admin/pricing/pricelist/"])
def test_an_export_asks_the_same_number_of_questions_for_more_rows(
    clerk: Client,
    people: Campus,
    page: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_max_num_queries(100) as few:
        exported(clerk, page)
    for number in range(10):
        make_project(f"more-{number}")
        PriceList.objects.create(
            tier=people.genomics.tiers.get().tier,
            effective_at="2030-01-01T00:00Z",
            revision=number + 1,
            currency="THB",
        )
    with django_assert_max_num_queries(len(few)):
        exported(clerk, page)


def test_memberships_name_people_and_projects(clerk: Client, people: Campus) -> None:
    page = "/admin/accounts/membership/"
    rows = exported(clerk, page)
    assert {"project": "genomics", "user": "bob", "role": "member"} in rows
    uploaded(clerk, [{"project": "climate", "user": "bob", "role": "pi"}], page)
    assert Membership.objects.get(project=people.climate, user=people.bob).role == "pi"
