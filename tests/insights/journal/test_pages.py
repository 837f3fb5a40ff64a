"""The ledger's pages: accounts, the journal of a month, output tax."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from accounts.models import Project, User
from audit.models import AuditEvent
from core.actor import Actor
from insights.models import LedgerAccount
from insights.output_tax import sums_of, supplies
from receipts.models import Receipt, TaxProfile
from receipts.models.profiles import BillingProfile
from receipts.services import create_receipt, void_receipt
from tests.factories import (
    OCTOBER,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
)

pytestmark = pytest.mark.django_db

JOURNAL = "admin:insights_journalexport_journal"
TAX = "admin:insights_journalexport_output_tax"
OCT = date(2026, 10, 1)


@pytest.fixture
def clerk(client: Client) -> User:
    made = make_user("clerk", groups=("finance",))
    client.force_login(made)
    return made


@pytest.fixture
def issued(clerk: User, settings: LazySettings) -> dict[str, Receipt]:
    """A receipt of a project that is taxed, and one of an exempt one; both issued in October."""
    settings.SITE_TAX_RATE = Decimal(7)
    settings.DOCUMENT_AT_ISSUE = "tax_invoice"
    publish_prices("mu", datetime(2020, 1, 1, tzinfo=UTC), cpu="2.5", mem="0")
    cluster, found = make_cluster(), {}
    exempt = TaxProfile.objects.create(code="ex", name="Exempt", category="exempt", reason="s. 81")
    for number, code in enumerate(("genomics", "school"), start=1):
        project = make_project(code, pi=clerk)
        Project.objects.filter(pk=project.pk).update(tax_id="0994000158378")
        if code == "school":
            BillingProfile.objects.create(project=project, tax_profile=exempt, branch="00000")
        import_rows(cluster, Row(number, account=code))
        with time_machine.travel(datetime(2026, 10, 20, 5, tzinfo=UTC), tick=False):
            found[code] = create_receipt(
                project_id=project.pk, window=OCTOBER, actor=Actor.of(clerk)
            )
    return found


def test_output_tax_has_each_document_and_tells_exempt_apart(
    issued: dict[str, Receipt], clerk: User
) -> None:
    rows = supplies(OCT)
    assert [(row.number, row.net, row.tax, row.category) for row in rows] == [
        (issued["genomics"].number, Decimal("10.00"), Decimal("0.70"), "standard"),
        (issued["school"].number, Decimal("10.00"), Decimal("0.00"), "exempt"),
    ]
    assert rows[1].branch == "00000"
    assert rows[0].tax_id == "0994000158378"
    assert [(one.category, one.documents, one.tax) for one in sums_of(rows)] == [
        ("standard", 1, Decimal("0.70")),
        ("exempt", 1, Decimal("0.00")),
    ]
    with time_machine.travel(datetime(2026, 11, 3, 5, tzinfo=UTC), tick=False):
        void_receipt(receipt_id=issued["genomics"].pk, actor=Actor.of(clerk), reason="wrong buyer")
    (note,) = supplies(date(2026, 11, 1))
    assert (note.net, note.tax, note.corrects) == (
        Decimal("-10.00"),
        Decimal("-0.70"),
        issued["genomics"].number,
    )
    assert len(supplies(OCT)) == 2


def test_invoices_that_are_no_tax_invoices_are_not_in_it(
    issued: dict[str, Receipt], clerk: User, settings: LazySettings
) -> None:
    settings.DOCUMENT_AT_ISSUE = "invoice"
    import_rows(make_cluster("beta"), Row(9, account="genomics"))
    with time_machine.travel(datetime(2026, 10, 21, 5, tzinfo=UTC), tick=False):
        create_receipt(
            project_id=issued["genomics"].project_id, window=OCTOBER, actor=Actor.of(clerk)
        )
    assert len(supplies(OCT)) == 2


def test_the_tax_page_shows_and_exports_it(issued: dict[str, Receipt], client: Client) -> None:
    page = client.get(reverse(TAX), {"month": "2026-10"})
    assert str(issued["school"].number) in page.text
    assert "Exempt" in page.text
    rows = b"".join(client.get(reverse(TAX), {"month": "2026-10", "csv": "1"})).decode("utf-8-sig")
    assert rows.splitlines()[0].startswith("date,number,buyer,tax_id")
    assert f"2026-10-20,{issued['genomics'].number},Genomics,0994000158378" in rows
    assert AuditEvent.objects.filter(action="export.made").exists()
    empty = client.get(reverse(TAX), {"month": "2020-01"})
    assert "No document has its tax point in this month." in empty.text


def test_the_journal_page_shows_totals_and_hands_out(
    issued: dict[str, Receipt], client: Client
) -> None:
    text = client.get(reverse(JOURNAL), {"month": "2026-10"}).text
    assert "This month is open" in text
    assert "4100" in text
    answer = client.post(reverse(JOURNAL), {"month": "2026-10", "layout": "semicolon"})
    assert answer["Content-Disposition"] == 'attachment; filename="journal-2026-10-semicolon.csv"'
    assert "issue-" in answer.text
    wrong = client.post(reverse(JOURNAL), {"month": "2026-10", "layout": "luck"}, follow=True)
    assert "There is no such layout." in wrong.text


def test_what_has_no_account_is_listed(issued: dict[str, Receipt], client: Client) -> None:
    LedgerAccount.objects.filter(role="output_tax").delete()
    text = client.get(reverse(JOURNAL), {"month": "2026-10"}).text
    assert "Output tax, genomics, 2026-10-20" in text
    assert "Add the accounts" in text


def test_an_odd_month_is_a_wrong_month(clerk: User, client: Client) -> None:
    for odd in ("luck", "0001-01", "2026-13"):
        assert client.get(reverse(JOURNAL), {"month": odd}).status_code == 200


def test_an_auditor_looks_and_exports_and_changes_no_account(client: Client) -> None:
    client.force_login(make_user("auditor", groups=("auditor",)))
    accounts = reverse("admin:insights_ledgeraccount_changelist")
    assert client.get(accounts).status_code == 200
    assert client.get(reverse("admin:insights_ledgeraccount_add")).status_code == 403
    assert client.get(reverse(JOURNAL)).status_code == 200


def test_a_clerk_adds_an_account_and_the_log_has_it(clerk: User, client: Client) -> None:
    page = reverse("admin:insights_ledgeraccount_add")
    values = {"role": "revenue", "detail": "gpu", "account": "4110", "starts_on": "2026-11-01"}
    assert client.post(page, values).status_code == 302
    made = LedgerAccount.objects.get(account="4110")
    assert AuditEvent.objects.filter(action="ledgeraccount.created", target_id=made.pk).exists()
    again = client.post(page, values)
    assert "There is another account for the same at that time." in again.text
    assert "Use letters, digits" in client.post(page, values | {"account": "=1+1"}).text
