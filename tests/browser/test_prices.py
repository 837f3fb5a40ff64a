"""New prices in a real browser: one clerk proposes, another one approves, and a job says why."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from hpcbilling.workflows import rate_pending
from pricing.models import PriceList
from receipts.services import create_receipt
from tests.browser.conftest import Visitor
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from usage.models import Job

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]


def build() -> None:
    """Genomics has a billed job of October and one of last week that is not billed."""
    make_user("clerk", groups=("finance",))
    make_user("second", groups=("finance",))
    project = make_project("genomics", pi=make_user("alice"))
    recent = (timezone.now() - timedelta(days=7)).replace(microsecond=0)
    import_rows(make_cluster(), Row(1), Row(2, end=recent, tres="cpu=4,mem=8192M,gres/gpu=1"))
    create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def press(page: Page, name: str) -> None:
    page.locator("a", has_text=re.compile(rf"^\s*\w*\s*{name}\s*$")).first.click()


def confirm(page: Page, name: str) -> None:
    page.locator("form").get_by_role("button", name=name, exact=True).click()


def test_a_list_is_proposed_sent_back_and_approved_by_another_clerk(visit: Visit) -> None:
    clerk, second = visit(), visit()
    clerk.log_in("clerk", "/admin/")
    clerk.go("/admin/pricing/pricelist/add/")
    page = clerk.page
    page.select_option("select[name=tier]", label="mu – University")
    page.fill("input[name=effective_at_0]", "2026-10-01")
    page.fill("input[name=effective_at_1]", "00:00:00")
    clerk.picture("prices-new-en")
    for row, price in enumerate(("0.90", "0.05", "15")):
        page.fill(f"input[name=rates-{row}-unit_price]", price)
    page.locator("button[name=_save], input[name=_save]").first.click()
    page.wait_for_load_state()
    made = PriceList.objects.get(status="draft")
    clerk.go(f"/admin/pricing/pricelist/{made.pk}/change/")
    clerk.picture("prices-draft-en")
    press(page, "Submit for approval")
    clerk.picture("prices-submit-en")
    confirm(page, "Submit for approval")
    expect(page.get_by_text("waits for the approval of someone else")).to_be_visible()

    second.log_in("second", "/admin/")
    second.picture("prices-home-en")
    second.page.get_by_role("link", name="Price lists to approve").first.click()
    second.go(f"/admin/pricing/pricelist/{made.pk}/change/")
    press(second.page, "Send back")
    second.page.fill("input[name=reason]", "Say why GPU prices rise")
    second.picture("prices-send-back-en")
    confirm(second.page, "Send back")

    clerk.go(f"/admin/pricing/pricelist/{made.pk}/change/")
    expect(page.get_by_text("Say why GPU prices rise")).to_be_visible()
    clerk.go(f"/admin/pricing/pricelist/{made.pk}/submit")
    confirm(page, "Submit for approval")
    second.go(f"/admin/pricing/pricelist/{made.pk}/approve")
    expect(second.page.get_by_text("This list begins in the past.")).to_be_visible()
    second.picture("prices-approve-en")
    confirm(second.page, "Approve and publish")
    expect(second.page.get_by_text("The price list is published.")).to_be_visible()
    made.refresh_from_db()
    assert made.approved_by is not None
    assert made.approved_by.username == "second"


def test_jobs_say_why_and_billed_ones_are_listed(visit: Visit) -> None:
    rate_pending(actor=SYSTEM)
    jobs = {job.job_id: job.pk for job in Job.objects.all()}
    clerk = visit()
    clerk.log_in("clerk", "/admin/")
    clerk.go("/admin/receipts/receipt/corrections")
    expect(clerk.page.get_by_role("link", name="alpha:1")).to_be_visible()
    clerk.picture("prices-corrections-en")
    clerk.go(f"/admin/pricing/charge/job/{jobs[2]}/why/")
    expect(clerk.page.get_by_text("14400 ÷ 3600 × 0.9 = 3.6")).to_be_visible()
    clerk.picture("why-console-en")
    alice = visit()
    alice.log_in("alice")
    alice.go(f"/usage/jobs/{jobs[2]}/")
    alice.page.get_by_role("link", name="Why this price?").click()
    expect(alice.page.get_by_text("14400 ÷ 3600 × 0.9 = 3.6")).to_be_visible()
    alice.picture("why-en")


def test_the_pages_fit_a_phone_in_thai(visit: Visit) -> None:
    job = Job.objects.get(job_id=2).pk
    clerk = visit("th", 360)
    clerk.log_in("clerk", "/admin/")
    published = PriceList.objects.latest("pk").pk
    for name, path in (
        ("prices-list", f"/admin/pricing/pricelist/{published}/change/"),
        ("prices-corrections", "/admin/receipts/receipt/corrections"),
        ("why-console", f"/admin/pricing/charge/job/{job}/why/"),
    ):
        clerk.go(path)
        clerk.picture(f"{name}-th-360")
    alice = visit("th", 360)
    alice.log_in("alice")
    alice.go(f"/usage/jobs/{job}/why/")
    alice.picture("why-th-360")
