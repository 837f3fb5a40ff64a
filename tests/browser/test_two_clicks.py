"""Buttons that move money are clicked twice, and in two tabs: it happens once, and who comes
second reads what became of it."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Project
from accounts.periods import earlier_open
from accounts.services import close
from core.actor import Actor
from core.intervals import month
from core.site import site_zone
from hpcbilling.closing import month_end
from payments.models import Refund
from payments.services import Transfer, record_transfer, request_refund
from payments.services.settlement import standing
from receipts.models import BillingRun, Receipt
from receipts.services import create_receipt, draft_receipt, void_receipt
from tests import console
from tests.browser.conftest import Visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OCTOBER = date(2026, 10, 1)
CODES = ("issued", "credited", "voided", "refunded", "run")
Visit = Callable[..., Visitor]


def build() -> None:
    """A draft, three receipts of which one was paid and is void, and a run to be approved."""
    make_user("clerk", groups=("finance",))
    asker = Actor.of(make_user("asker", groups=("finance",)))
    for code in CODES:
        make_project(code)
    end = datetime(2026, 10, 10, tzinfo=UTC)
    rows = (Row(n, account=code, end=end, seconds=36_000) for n, code in enumerate(CODES, 1))
    import_rows(make_cluster(), *rows)
    window = month(OCTOBER, site_zone())
    keys = dict(Project.objects.values_list("code", "pk"))
    draft_receipt(project_id=keys["issued"], window=window, actor=SYSTEM)
    made = {
        code: create_receipt(project_id=keys[code], window=window, actor=SYSTEM)
        for code in CODES[1:4]
    }
    paid = made["refunded"]
    transfer = Transfer("T-1", timezone.localdate(), paid.total, "THB")
    record_transfer(receipt_id=paid.pk, transfer=transfer, actor=asker)
    void_receipt(receipt_id=paid.pk, actor=asker, reason="wrong")
    payment = paid.payments.get()
    request_refund(payment_id=payment.pk, amount=Decimal(5), reason="asked", actor=asker)
    for row in earlier_open(OCTOBER):
        close(month=row.month, seal=lambda _period: {}, actor=SYSTEM)
    month_end.close_and_draft(period=OCTOBER, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def receipt_of(code: str) -> Receipt:
    return Receipt.objects.filter(kind="receipt", project__code=code).earliest("pk")


def fill(page: Page) -> None:
    """What the step asks for: a reason, and half a baht of the first line."""
    if page.locator("input[name^=line_]").count():
        page.locator("input[name^=line_]").first.fill("0.50")
    if page.locator("[name=reason]").count():
        page.locator("[name=reason]").fill("two clicks")


def two_tabs_and_two_clicks(visit: Visit, address: str, submit: str, done: str, late: str) -> None:
    """Open the step in two tabs, click twice in the first one, and then in the second."""
    clerk = visit()
    clerk.log_in("clerk", "/admin/")
    other = clerk.page.context.new_page()
    for page in (clerk.page, other):
        page.goto(clerk.url + address)
        fill(page)
    clerk.page.get_by_role("button", name=submit).dblclick()
    expect(clerk.page.locator("body")).to_contain_text(done)
    other.get_by_role("button", name=submit).click()
    expect(other.locator("body")).to_contain_text(late)


def test_issue(visit: Visit) -> None:
    receipt = Receipt.objects.get(project__code="issued", status="draft")
    address = console.url(receipt, "issue", receipt.pk)
    two_tabs_and_two_clicks(visit, address, "Issue", "is issued.", "the step is not possible")
    receipt.refresh_from_db()
    assert receipt.status == "issued"


def test_void(visit: Visit) -> None:
    receipt = receipt_of("voided")
    address = console.url(receipt, "void", receipt.pk)
    two_tabs_and_two_clicks(visit, address, "Void", "is void.", "the step is not possible")
    assert receipt.credit_notes.count() == 1


def test_credit(visit: Visit) -> None:
    receipt = receipt_of("credited")
    address = console.url(receipt, "credit", receipt.pk)
    late = "This receipt was credited since you looked"
    two_tabs_and_two_clicks(visit, address, "Issue the credit note", "Credit note", late)
    assert receipt.credit_notes.count() == 1
    assert standing(receipt).left < receipt.total


def test_refund(visit: Visit) -> None:
    refund = Refund.objects.get()
    address = console.url(refund, "approve", refund.pk)
    late = "This was decided by someone else already."
    two_tabs_and_two_clicks(visit, address, "Approve", "The refund is approved.", late)
    refund.refresh_from_db()
    assert refund.status == "approved"


def test_run(visit: Visit) -> None:
    run = BillingRun.objects.get()
    address = console.url(run, "approve", run.pk) + "?all=approve"
    said = "on their way" if run.entries.filter(state="drafted").count() > 1 else "on its way"
    late = "None of these documents waits for your approval any more"
    two_tabs_and_two_clicks(visit, address, "Approve and issue", said, late)
    assert not run.entries.filter(state="drafted", approved_by=None).exists()
