"""A finance clerk's main job in a real browser: import, bill, issue, settle, and read the log."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from receipts.models import Receipt
from tests.browser.conftest import Visitor
from tests.factories import Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]


def build() -> None:
    """Genomics has usage of last month; Alice leads it; the clerk and the auditor look after it."""
    alice = make_user("alice")
    make_user("clerk", groups=("finance",))
    make_user("auditor", groups=("auditor",))
    make_project("genomics", pi=alice)
    end = (timezone.localtime().replace(day=1) - timedelta(days=5)).replace(microsecond=0)
    import_rows(make_cluster(), *(Row(number, end=end) for number in range(1, 6)))


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def submit(page: Page, name: str) -> None:
    page.locator("form").get_by_role("button", name=name, exact=True).click()


def test_the_clerk_bills_issues_and_settles(visit: Visit) -> None:
    clerk = visit()
    page = clerk.page
    clerk.log_in("clerk", "/admin/")
    clerk.picture("console-en")
    page.get_by_role("link", name="Make a receipt").first.click()
    clerk.picture("console-make-en")
    submit(page, "Make the draft")
    expect(page.get_by_text("The draft is made.")).to_be_visible()
    clerk.picture("console-draft-en")
    page.locator("a", has_text=re.compile(r"Issue\s*$")).first.click()
    clerk.picture("console-issue-en")
    submit(page, "Issue")
    receipt = Receipt.objects.get()
    expect(page.get_by_text(f"Receipt {receipt.number} is issued.")).to_be_visible()
    clerk.picture("console-receipt-en")
    page.locator("a", has_text="Record a transfer").first.click()
    page.fill("input[name=reference]", "KBANK-20261121-77")
    page.fill("input[name=amount]", str(receipt.total))
    clerk.picture("console-transfer-en")
    submit(page, "Record")
    page.wait_for_load_state()
    clerk.picture("console-settled-en")
    receipt.refresh_from_db()
    assert receipt.status == "paid"


def test_the_console_fits_a_phone_in_thai(visit: Visit) -> None:
    clerk = visit("th", 360)
    clerk.log_in("clerk", "/admin/")
    for name, path in (
        ("console", "/admin/"),
        ("console-receipts", "/admin/receipts/receipt/"),
        ("console-prices", "/admin/pricing/pricelist/"),
    ):
        clerk.go(path)
        clerk.picture(f"{name}-th-360")


def test_the_auditor_reads_the_log(visit: Visit) -> None:
    auditor = visit()
    auditor.log_in("auditor", "/admin/")
    auditor.go("/admin/audit/auditevent/")
    expect(auditor.page.get_by_text("import.finished").first).to_be_visible()
    auditor.picture("console-audit-en")
