"""Figures of the console's home page."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from insights import console as figures
from pricing.models import Charge
from receipts.models import Receipt
from receipts.services import create_receipt, draft_receipt, void_receipt
from tests import console
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project

pytestmark = pytest.mark.django_db
OCTOBER_DAY = datetime(2026, 10, 9, tzinfo=UTC).date()


def test_an_empty_site_says_that_nothing_waits() -> None:
    page = console.visitor("finance").get(reverse("admin:index"))
    assert page.context["all_calm"]
    text = page.content.decode()
    assert "Nothing waits. Every queue is empty." in text
    assert "every charge is on a document" in text
    assert "every job that ended has a price" in text


def test_queues_are_counted() -> None:
    genomics, climate = make_project("genomics"), make_project("climate")
    cluster = make_cluster()
    import_rows(
        cluster, Row(1), Row(2, account="climate"), Row(3, account="x"), Row(4, account="y")
    )
    import_rows(cluster, Row(5), Row(6, extra={"End": "rubbish"}))
    draft = draft_receipt(project_id=climate.pk, window=OCTOBER, actor=SYSTEM)
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert figures.imports_waiting() == figures.quarantined_waiting() == 1
    assert [(r.code, r.jobs) for r in figures.unpriced_by_reason()] == [("no_project", 2)]
    assert figures.drafts() == figures.Documents(1, {"THB": draft.total})
    assert figures.overdue_receipts().count == 0
    assert figures.jobs_due() == 0
    Receipt.objects.filter(pk=receipt.pk)
    cards = {
        str(card.name): card.count
        for card in console.visitor("finance").get(reverse("admin:index")).context["cards"]
    }
    assert cards == {
        "Late clusters": 0, "Days not read": 0, "Imports waiting for release": 1,
        "Uploads to confirm": 0, "Quarantined rows": 1,
        "Unpriced jobs": 2, "Jobs to be rated": 0, "Price lists to approve": 0,
        "Months to close": 1, "Documents to review": 0, "Drafts": 1,
        "Adjustments to approve": 0, "Outages to approve": 0, "E-mails not sent": 0,
        "Broken rules of the books": 0,
        "Jobs to be corrected": 0, "Overdue receipts": 0, "Mismatched payments": 0,
        "Differences to Slurm": 0, "Exemptions to approve": 0, "Purchase orders near their end": 0,
        "Refunds to approve or pay out": 0, "Write-offs to approve": 0,
    }  # fmt: skip


def test_a_month_counts_what_ended_in_it_and_what_is_in_force() -> None:
    genomics = make_project("genomics")
    november = datetime(2026, 11, 2, tzinfo=UTC)
    import_rows(make_cluster(), Row(1), Row(2, end=november), Row(3, end=november, seconds=7200))
    october = figures.month_figures(OCTOBER_DAY)
    assert (october.jobs, october.usage["cpu"]) == (1, 4 * 3600)
    charged = sum(Charge.objects.filter(job__job_id=1).values_list("amount", flat=True))
    assert october.charged == {"THB": charged}
    assert figures.month_before(figures.month_figures(november.date())) == october

    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    now = figures.month_figures()
    assert now.issued == {"THB": receipt.total}
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="test")
    assert not figures.month_figures().issued["THB"], "the credit note is as much"
    assert figures.month_figures(OCTOBER_DAY).charged == {"THB": charged}, "a void nets out"


def test_changes_are_told_in_percent() -> None:
    page = console.visitor("finance").get(reverse("admin:index"))
    shown = {figure.name: figure for figure in page.context["figures"]}
    assert shown["Jobs ended"].change is None
    assert shown["Charged"].now == "–"
    make_project("genomics")
    now = datetime.now(UTC).replace(microsecond=0)
    before = now.replace(day=1, hour=1, minute=0, second=0)
    before = before.replace(month=before.month - 1) if before.month > 1 else before
    if before.month != now.month:
        import_rows(make_cluster(), Row(1, end=before), Row(2, end=before))
        page = console.visitor("auditor").get(reverse("admin:index"))
        shown = {figure.name: figure for figure in page.context["figures"]}
        assert shown["Jobs ended"].change == Decimal(-100)
