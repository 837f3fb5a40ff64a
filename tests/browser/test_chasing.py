"""How projects are billed, told and chased, and what they owe: pages in a real browser."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts.models import Department, Project, User
from receipts.models import (
    BillingProfile,
    Contact,
    DepartmentBilling,
    Mail,
    Receipt,
    TaxProfile,
    TaxRate,
)
from receipts.services import create_receipt
from receipts.services.reminders import queue_reminders
from receipts.services.sending import send_due_mails
from tests import campus, console
from tests.browser.conftest import Visitor
from tests.factories import OCTOBER, SYSTEM, make_user

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visit = Callable[..., Visitor]


def build() -> None:
    """Two projects of a department with receipts: one was told and chased, one could not be."""
    people = campus.build()
    make_user("second", groups=("finance",))
    User.objects.filter(pk=people.alice.pk).update(email="alice@example.org", language="th")
    science = Department.objects.create(code="SCI", name="Faculty of Science")
    Project.objects.update(department=science)
    DepartmentBilling.objects.create(department=science, project=people.genomics)
    profile = TaxProfile.objects.create(code="vat", name="VAT 7 %", inclusive=True)
    TaxRate.objects.create(profile=profile, percent=7, starts_on=date(2020, 1, 1))
    BillingProfile.objects.create(project=people.genomics, tax_profile=profile, branch="00000")
    Contact.objects.create(
        project=people.climate, name="Office", email="office@example.org", language="th"
    )
    issued = create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    create_receipt(project_id=people.climate.pk, window=OCTOBER, actor=SYSTEM)
    assert issued.due_on is not None
    queue_reminders(issued.due_on + timedelta(days=1))
    queue_reminders(issued.due_on + timedelta(days=30))
    send_due_mails()
    broken = Mail.objects.filter(recipient="office@example.org").earliest("pk")
    Mail.objects.create(
        receipt=broken.receipt, kind="issued", copy=1, recipient=broken.recipient,
        recipient_sha256=broken.recipient_sha256, language="th", status="given_up", attempts=12,
        last_error="SMTPRecipientsRefused: 550 no such user",
    )  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    return build


def test_pages_of_billing_mails_and_debts(visit: Visit) -> None:
    issued = Receipt.objects.get(project__code="genomics")
    reminder = Mail.objects.filter(kind="overdue", receipt=issued).latest("pk")
    assert reminder.status == "sent"
    broken = Mail.objects.get(status="given_up")
    project, department = issued.project, Department.objects.get()
    profile = TaxProfile.objects.get()
    late = timezone.localdate() + timedelta(days=75)
    span = f"?first={timezone.localdate()}&last={timezone.localdate()}"
    pages = {
        "tax-profile": console.url(profile, "change", profile.pk),
        "tax-profiles": console.url(TaxProfile),
        "project-billing": console.url(project, "change", project.pk) + "#billing_profile",
        "department-billing": console.url(department, "change", department.pk),
        "mails": console.url(Mail),
        "project-contacts": console.url(project, "change", project.pk) + "#contacts",
        "mail-sent": console.url(reminder, "change", reminder.pk),
        "mail-given-up": console.url(broken, "change", broken.pk),
        "mail-resend": console.url(broken, "resend", broken.pk),
        "receipt-mails": console.url(issued, "change", issued.pk),
        "aging": console.url(Receipt, "aging") + f"?as_of={late}",
        "statement-project": console.url(project, "statement", project.pk) + span,
        "statement-department": console.url(department, "statement", department.pk) + span,
        "reminders-stopped": console.url(project, "change", project.pk) + "#reminders_stopped",
    }
    for language in ("en", "th"):
        for width in (1280, 360):
            visitor = visit(language=language, width=width)
            visitor.log_in("second", "/admin/")
            for name, page in pages.items():
                visitor.go(page)
                visitor.picture(f"{name}-{language}-{width}")
    alice = visit(language="th", width=360)
    alice.log_in("alice")
    alice.go(f"/projects/{project.code}/")
    alice.picture("project-told-th-360")
    assert "alice@example.org" in alice.page.content()
    visitor.go(console.url(broken, "resend", broken.pk))
    visitor.page.locator(".console-buttons button").first.click()
    visitor.page.wait_for_load_state()
    assert Mail.objects.latest("pk").copy == 2
