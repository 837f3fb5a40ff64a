"""How projects are billed, typed into the console: what is kept, refused, warned of and logged."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Department, Project
from core.actor import Actor
from receipts.models import BillingProfile, DepartmentBilling, Receipt, TaxProfile, TaxRate
from receipts.services import create_receipt
from tests import console
from tests.accounts.test_admin import project_form
from tests.campus import Campus
from tests.factories import OCTOBER, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


def profile_form(*rates: dict[str, str], **changes: str) -> dict[str, str]:
    values = {"code": "vat", "name": "VAT", "category": "standard", "reason": "", **changes}
    kept = sum("id" in rate for rate in rates)
    values |= {"rates-TOTAL_FORMS": str(len(rates)), "rates-INITIAL_FORMS": str(kept)}
    for place, rate in enumerate(rates):
        values |= {f"rates-{place}-{name}": value for name, value in rate.items()}
    return values


def rate(percent: str, start: str, end: str = "", **more: str) -> dict[str, str]:
    return {"percent": percent, "starts_on": start, "ends_on": end, **more}


def billing(project: Project, *, kept: bool = False, **changes: Any) -> dict[str, Any]:
    values = {
        "grouping": "project", "payer": "", "in_run": "on", "tax_profile": "",
        "exemption_certificate": "", "withholding_percent": "0", "branch": "", "contact_name": "",
        "document_language": "both", "promptpay_id": "", "project": project.pk, **changes,
    }  # fmt: skip
    form = {f"billing_profile-0-{name}": value for name, value in values.items()}
    counts = {
        "billing_profile-TOTAL_FORMS": "1",
        "billing_profile-INITIAL_FORMS": "1" if kept else "0",
    }
    return project_form(**form, **counts)


def problems(page: Any) -> str:
    """What the page says is wrong."""
    assert page.status_code == 200, "it was accepted"
    return str(page.context["errors"])


def test_a_tax_profile_with_dated_rates_is_made_and_logged(clerk: Client) -> None:
    rates = (rate("7", "2020-01-01", "2030-01-01"), rate("10", "2030-01-01"))
    clerk.post(console.url(TaxProfile, "add"), profile_form(*rates))
    found = TaxRate.objects.order_by("starts_on").values_list("percent", flat=True)
    assert list(found) == [Decimal(7), Decimal(10)]
    event = console.last_event("taxprofile.created")
    assert [row["created"]["percent"] for row in event["rows"]] == ["7", "10"]
    assert "7 %" in clerk.get(console.url(TaxProfile)).text


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (
            profile_form(rate("7", "2020-01-01"), rate("8", "2026-01-01")),
            "overlaps with the next one",
        ),
        (profile_form(), "Add a rate"),
        (profile_form(category="exempt"), "Say why no tax is charged"),
        (
            profile_form(rate("7", "2020-01-01"), category="zero"),
            "Only profiles of the standard category have rates",
        ),
        (profile_form(rate("100", "2020-01-01")), "less than 100 percent"),
        (profile_form(rate("7", "2020-01-01", "2019-01-01")), "end after it begins"),
        (profile_form(category="zero", inclusive="on"), "only where there is any"),
    ],
)
def test_what_does_not_fit_is_told_in_words(clerk: Client, form: dict[str, str], told: str) -> None:
    page = clerk.post(console.url(TaxProfile, "add"), form)
    assert told in problems(page)
    assert not TaxProfile.objects.exists()


def test_a_rate_of_the_past_changes_no_document_and_warns(people: Campus, clerk: Client) -> None:
    profile = TaxProfile.objects.create(code="vat", name="VAT")
    old = TaxRate.objects.create(profile=profile, percent=7, starts_on="2020-01-01")
    BillingProfile.objects.create(project=people.genomics, tax_profile=profile)
    issued = create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.clerk)
    )
    assert issued.tax_rate == 7
    address = console.url(profile, "change", profile.pk)
    key = {"id": str(old.pk), "profile": str(profile.pk)}
    page = clerk.post(address, profile_form(rate("9", "2020-01-01", **key)), follow=True)
    assert any("keep the tax that they state" in text for text in console.messages_of(page))
    assert TaxRate.objects.get().percent == 9
    assert Receipt.objects.get(pk=issued.pk).tax_rate == 7
    changes = console.last_event("taxprofile.changed")["rows"][0]["changes"]
    assert changes == {"percent": ["7.000", "9"]}

    tomorrow = str(timezone.localdate() + timedelta(days=1))
    rates = (rate("9", "2020-01-01", tomorrow, **key), rate("10", tomorrow))
    clerk.post(address, profile_form(*rates))
    coming = TaxRate.objects.get(percent=10)
    later = {"id": str(coming.pk), "profile": str(profile.pk)}
    rates = (rate("9", "2020-01-01", tomorrow, **key), rate("11", tomorrow, **later))
    page = clerk.post(address, profile_form(*rates), follow=True)
    assert not any("keep the tax" in text for text in console.messages_of(page))


def test_how_a_project_is_billed_is_kept_and_logged(clerk: Client) -> None:
    project, payer = make_project("genomics"), make_project("institute")
    profile = TaxProfile.objects.create(code="zero", name="Zero", category="zero")
    form = billing(
        project, grouping="payer", payer=payer.pk, tax_profile=profile.pk, branch="00001",
        withholding_percent="3", promptpay_id="0994000158378", exemption_certificate="D-1",
    )  # fmt: skip
    address = console.url(project, "change", project.pk)
    kept = {"tax_id": "0-9940-00158-37-8"} | tiers_of(project)
    clerk.post(address, form | kept)
    found = BillingProfile.objects.get()
    assert (found.project, found.payer) == (project, payer)
    assert found.withholding_percent == 3
    project.refresh_from_db()
    assert project.tax_id == "0994000158378"
    row = console.last_event("project.changed")["rows"][-1]
    assert row["created"]["grouping"] == "payer"
    clerk.post(address, billing(project, kept=True, contact_name="Suda") | kept)
    changes = console.last_event("project.changed")["rows"][-1]["changes"]
    assert changes["contact_name"] == ["", "Suda"]
    assert changes["grouping"] == ["payer", "project"]


def tiers_of(project: Project) -> dict[str, str]:
    """The tiers that the project has, as its page sends them back."""
    (tier,) = project.tiers.all()
    return {
        "tiers-TOTAL_FORMS": "1", "tiers-INITIAL_FORMS": "1", "tiers-0-id": str(tier.pk),
        "tiers-0-project": str(project.pk), "tiers-0-tier": str(tier.tier_id),
        "tiers-0-starts_at_0": str(timezone.localdate(tier.starts_at)),
        "tiers-0-starts_at_1": timezone.localtime(tier.starts_at).strftime("%H:%M:%S"),
        "tiers-0-ends_at_0": "", "tiers-0-ends_at_1": "", "tiers-0-override": "0",
        "tiers-0-reason": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"grouping": "payer"}, "if, and only if, another project pays"),
        ({"grouping": "payer", "payer": "itself"}, "not the project itself"),
        ({"grouping": "department"}, "belongs to no department"),
        ({"withholding_percent": "100"}, "less than 100 percent"),
        ({"branch": "7"}, "five digits"),
        ({"promptpay_id": "12"}, "10, 13 or 15 digits"),
        ({"exemption_certificate": "D-1"}, "Choose the tax profile"),
    ],
)
def test_what_does_not_go_together_is_told_beside_the_field(
    clerk: Client, changes: dict[str, Any], told: str
) -> None:
    project = make_project("genomics")
    if changes.get("payer") == "itself":
        changes = changes | {"payer": project.pk}
    form = billing(project, **changes) | tiers_of(project)
    page = clerk.post(console.url(project, "change", project.pk), form)
    assert told in problems(page)
    assert not BillingProfile.objects.exists()


def test_a_number_that_is_no_tax_id_is_refused(clerk: Client) -> None:
    form = project_form(tax_id="0105536000314")
    page = clerk.post(console.url(Project, "add"), form)
    assert "the last one checks the others" in problems(page)
    assert not Project.objects.exists()


def test_a_department_is_billed_to_a_project(clerk: Client) -> None:
    department = Department.objects.create(code="SCI", name="Science")
    project = make_project("genomics")
    Project.objects.filter(pk=project.pk).update(department=department)
    address = console.url(project, "change", project.pk)
    form = billing(project, grouping="department") | tiers_of(project)
    form |= {"department": str(department.pk)}
    assert "Nobody pays for the department yet" in problems(clerk.post(address, form))
    chosen = {
        "code": "SCI", "name": "Science", "billing-TOTAL_FORMS": "1", "billing-INITIAL_FORMS": "0",
        "billing-0-project": str(project.pk), "billing-0-department": str(department.pk),
    }  # fmt: skip
    clerk.post(console.url(department, "change", department.pk), chosen)
    assert DepartmentBilling.objects.get().project == project
    assert clerk.post(address, form).status_code == 302
    assert BillingProfile.objects.get().grouping == "department"
    assert "department.changed" in console.actions()
