"""Two clerks in a real browser: who may issue a document above the limit, and a bounced payment."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from core.actor import Actor
from payments.models import Payment
from payments.services import Transfer, approve_bounce, record_transfer, request_bounce
from pricing.models import AdjustmentKind
from pricing.services.adjustments import Wanted, draft_adjustment
from receipts.mailing.messages import message_for
from receipts.models import BillingProfile, Contact, Mail, Receipt
from receipts.selectors import lines_over, unbilled_charges
from receipts.services import write_draft
from receipts.services.adjustments import submit_adjustment
from tests import console
from tests.browser.conftest import Visitor
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]


def build() -> None:
    """Two projects were given 600 baht each by one clerk; now one payer pays for both."""
    clerk = Actor.of(make_user("clerk", groups=("finance",)))
    make_user("second", groups=("finance",))
    payer, projects = make_project("payer"), [make_project(c) for c in ("genomics", "climate")]
    cluster = make_cluster()
    for number, project in enumerate(projects, 1):
        import_rows(cluster, Row(number, account=project.code, seconds=36_000_000))
        wanted = Wanted(
            project, AdjustmentKind.CREDIT, datetime(2026, 10, 15, tzinfo=UTC),
            "Slow disks", "ticket 9", Decimal(600),
        )  # fmt: skip
        submit_adjustment(
            adjustment_id=draft_adjustment(wanted=wanted, actor=clerk).pk, actor=clerk
        )
        BillingProfile.objects.create(project=project, grouping="payer", payer=payer)
    for language in ("en", "th"):
        Contact.objects.create(project=payer, email=f"{language}@example.org", language=language)
    lines = lines_over(unbilled_charges([project.pk for project in projects]))
    with transaction.atomic():
        write_draft(project=payer, lines=lines, window=OCTOBER, actor=SYSTEM)


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def test_a_second_person_issues_what_one_alone_decided(visit: Visit) -> None:
    receipt = Receipt.objects.get()
    address = console.url(receipt, "issue", receipt.pk)
    for language in ("en", "th"):
        for width in (1280, 360):
            for name in ("clerk", "second"):
                visitor = visit(language=language, width=width)
                visitor.log_in(name, "/admin/")
                visitor.go(address)
                visitor.picture(f"limit-issue-{name}-{language}-{width}")
                if (name, language, width) == ("clerk", "en", 1280):
                    press(visitor)
                    assert "Somebody else has to issue it" in visitor.page.inner_text("body")
    press(visitor)
    receipt.refresh_from_db()
    assert receipt.issued_by == User.objects.get(username="second")
    visitor.picture("limit-issued-th-360")


def press(visitor: Visitor) -> None:
    visitor.page.locator(".console-buttons button").first.click()
    visitor.page.wait_for_load_state()


def test_a_bounced_payment_is_told(visit: Visit) -> None:
    receipt = Receipt.objects.get()
    clerk, second = (Actor.of(User.objects.get(username=n)) for n in ("clerk", "second"))
    transfer = Transfer("T-1", timezone.localdate(), receipt.total, receipt.currency)
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=clerk)
    asked = request_bounce(payment_id=Payment.objects.get().pk, reason="no cover", actor=clerk)
    approve_bounce(refund_id=asked.pk, actor=second, reference="RTN-1")
    mails = Mail.objects.filter(kind="bounced")
    assert mails.count() == 2
    for mail in mails:
        for width in (1280, 360):
            visitor = visit(language=mail.language, width=width)
            visitor.page.set_content(message_for(mail, files=False).html)
            assert str(receipt.number) in visitor.page.inner_text("h1")
            visitor.picture(f"mail-bounced-{mail.language}-{width}")
    reader = visit(width=360)
    reader.log_in("second", "/admin/")
    reader.go(console.url(Mail, "changelist"))
    assert "Payment taken back" in reader.page.inner_text("body")
    reader.picture("mails-bounced-en-360")
