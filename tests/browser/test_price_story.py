"""A clerk drafts slabs, sees what they would have done, a second one approves, and a job says why.

The whole way of a price in a real browser: draft, study of last quarter, approval, charges by it,
explanation down to the accounting row, and the exact replay of the month before.
"""

import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Page, expect

from core.intervals import days
from core.site import site_zone
from hpcbilling.workflows import rate_pending
from pricing.admin.studies import last_quarter
from pricing.models import Charge, PriceList, PriceStudy
from pricing.study.services import run_study
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from usage.models import Cluster, Job

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]


def gpu_job(number: int, account: str, *, end: datetime) -> Row:
    """Two GPUs for 45 hours: 90 GPU-hours."""
    tres = "cpu=4,mem=8192M,gres/gpu=2,node=1"
    return Row(number, "alice", account, end, 45 * 3600, tres)


def build() -> None:
    """Two projects of the private sector that used GPUs in each month of last quarter."""
    make_user("clerk", groups=("finance",))
    make_user("second", groups=("finance",))
    for code in ("acme", "siam"):
        make_project(code, tier="private")
    quarter = last_quarter()
    first = days(quarter["since"], quarter["until"], site_zone()).start
    rows = [
        gpu_job(1 + 10 * month + place, account, end=first + timedelta(days=5 + 31 * month))
        for month in range(3)
        for place, account in enumerate(("acme", "acme", "siam"))
    ]
    import_rows(make_cluster(), *rows)
    rate_pending(actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def press(page: Page, name: str) -> None:
    page.locator("a", has_text=re.compile(rf"^\s*\w*\s*{re.escape(name)}\s*$")).first.click()


def confirm(page: Page, name: str) -> None:
    page.locator("form").get_by_role("button", name=name, exact=True).click()


def test_a_clerk_drafts_slabs_and_sees_last_quarter(visit: Visit) -> None:
    clerk = visit()
    clerk.log_in("clerk", "/admin/")
    clerk.go("/admin/pricing/pricelist/add/")
    page = clerk.page
    page.select_option("select[name=tier]", label="private – Private sector")
    yesterday = timezone.localdate() - timedelta(days=1)
    page.fill("input[name=effective_at_0]", f"{yesterday:%Y-%m-%d}")
    page.fill("input[name=effective_at_1]", "00:00:00")
    page.fill("input[name=rates-0-unit_price]", "3")
    page.fill("input[name=rates-1-unit_price]", "0.2")
    page.select_option("select[name=rates-2-model]", "graduated")
    page.fill("textarea[name=rates-2-slabs]", "100: 60\nrest: 48")
    page.locator("button[name=_save], input[name=_save]").first.click()
    page.wait_for_load_state()
    draft = PriceList.objects.get(status="draft")
    clerk.go(f"/admin/pricing/pricelist/{draft.pk}/change/")
    press(page, "What would it do?")
    confirm(page, "Compute")
    page.wait_for_load_state()
    study = PriceStudy.objects.get()
    run_study(study_id=study.pk)
    clerk.go(f"/admin/pricing/pricestudy/{study.pk}/change/")
    # acme: 180 GPU-hours a month, of which 80 are 12 baht cheaper; siam stays in the first slab.
    expect(page.get_by_text("acme").first).to_be_visible()
    expect(page.get_by_text("2,880.00").first).to_be_visible()
    clerk.picture("story-study-en")
    assert not Charge.objects.filter(rate__price_list=draft).exists()
    clerk.go(f"/admin/pricing/pricelist/{draft.pk}/submit")
    confirm(page, "Submit for approval")
    expect(page.get_by_text("waits for the approval of someone else")).to_be_visible()


def test_a_second_person_approves_and_only_new_jobs_follow_it(visit: Visit) -> None:
    waiting = PriceList.objects.get(status="submitted")
    second = visit()
    second.log_in("second", "/admin/")
    second.go(f"/admin/pricing/pricelist/{waiting.pk}/approve")
    second.picture("story-approve-en")
    confirm(second.page, "Approve and publish")
    expect(second.page.get_by_text("The price list is published.")).to_be_visible()
    old = set(Charge.objects.values_list("pk", flat=True))
    now = timezone.now().replace(microsecond=0)
    rows = [gpu_job(100 + n, "acme", end=now - timedelta(hours=2 - n)) for n in range(2)]
    import_rows(Cluster.objects.get(), *rows)
    rate_pending(actor=SYSTEM)
    new = Charge.objects.exclude(pk__in=old)
    assert set(new.values_list("rate__price_list", flat=True)) == {waiting.pk}
    assert not Charge.objects.filter(reverses__in=old).exists(), "an old job was charged anew"
    gpu = new.filter(resource="gpu").order_by("job__job_id").values_list("amount", flat=True)
    assert list(gpu) == [Decimal(90 * 60), Decimal(10 * 60 + 80 * 48)]


def test_a_charge_is_explained_down_to_its_row_and_the_month_replays(visit: Visit) -> None:
    job = Job.objects.get(job_id=101)
    for language, width in (("en", 1280), ("th", 360)):
        clerk = visit(language, width)
        clerk.log_in("clerk", "/admin/")
        clerk.go(f"/admin/pricing/charge/job/{job.pk}/why/")
        expect(clerk.page.get_by_text(job.run.evidence.sha256)).to_be_visible()
        expect(clerk.page.get_by_text("4440").first).to_be_visible()
        clerk.picture(f"story-why-{language}-{width}")
    told = io.StringIO()
    call_command("replay", f"{last_quarter()['until']:%Y-%m}", stdout=told, stderr=io.StringIO())
    assert "exact" in told.getvalue()
