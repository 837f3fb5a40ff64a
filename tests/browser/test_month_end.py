"""A clerk closes last month in the browser: the month, its run, the review, approval."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from playwright.sync_api import expect

from accounts.models import Project
from accounts.periods import earlier_open
from accounts.services import close
from core.intervals import month
from core.site import site_zone
from hpcbilling.closing import month_end
from hpcbilling.workflows import rate_pending
from receipts.models import BillingRun, Receipt
from receipts.services import create_receipt, runs
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.slow
MONTH = date(2026, 10, 1)
Visit = Callable[..., Visitor]


def build() -> None:
    """A steady project, one that jumps, and one with its first bill."""
    make_user("clerk", groups=("finance",))
    hours = {"genomics": (100, 100), "climate": (50, 200), "proteins": (0, 40)}
    rows, number = [], 0
    for code, counts in hours.items():
        make_project(code)
        for which, count in zip((9, 10), counts, strict=True):
            number += 1
            end = datetime(2026, which, 10, tzinfo=UTC)
            if count:
                rows.append(Row(number, account=code, end=end, seconds=3600 * count))
    import_rows(make_cluster(), *rows)
    rate_pending(actor=SYSTEM)
    window = month(date(2026, 9, 1), site_zone())
    for code in ("genomics", "climate"):
        project = Project.objects.get(code=code)
        create_receipt(project_id=project.pk, window=window, actor=SYSTEM)
    for row in earlier_open(MONTH):
        close(month=row.month, seal=lambda _period: {}, actor=SYSTEM)
    month_end.close_and_draft(period=MONTH, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


@pytest.mark.parametrize("language", ["en", "th"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_review_is_looked_at(visit: Visit, language: str, width: int) -> None:
    clerk = visit(language, width)
    clerk.log_in("clerk", "/admin/")
    clerk.picture(f"run-home-{language}-{width}")
    run = BillingRun.objects.get()
    clerk.go(f"/admin/receipts/billingrun/{run.pk}/change/")
    expect(clerk.page.locator("table.console-table")).to_contain_text("climate")
    clerk.picture(f"run-review-{language}-{width}")
    clerk.go(f"/admin/receipts/billingrun/{run.pk}/approve/?all=approve")
    clerk.picture(f"run-approve-{language}-{width}")
    clerk.go("/admin/receipts/billingrun/")
    clerk.picture(f"run-list-{language}-{width}")


def test_a_clerk_approves_the_month(visit: Visit) -> None:
    clerk = visit()
    clerk.log_in("clerk", "/admin/")
    run = BillingRun.objects.get()
    clerk.go(f"/admin/receipts/billingrun/{run.pk}/change/?show=marked")
    rows = clerk.page.locator("table.console-table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("More than half above the median")
    expect(rows.nth(1)).to_contain_text("First bill")
    clerk.go(f"/admin/receipts/billingrun/{run.pk}/change/")
    clerk.page.get_by_role("link", name="Approve all that wait").click()
    expect(clerk.page.locator("dl.console-facts")).to_contain_text("3")
    clerk.page.get_by_role("button", name="Approve and issue").click()
    expect(clerk.page.locator("body")).to_contain_text("3 documents are approved and on their way.")
    expect(clerk.page.locator("body")).to_contain_text("Issuing what was approved")
    runs.issue_approved(run_id=run.pk)  # what the worker does
    expect(clerk.page.locator(".console-cards")).to_contain_text("Issued3")
    assert Receipt.objects.filter(period=MONTH, status="issued").count() == 3
