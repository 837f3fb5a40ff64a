"""What documents are to correct: listed with old and new amounts, and gone when it is done."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import ProjectTier
from hpcbilling.workflows import rate_pending
from receipts.corrections import corrections, jobs_to_correct
from receipts.models import Receipt
from receipts.services import create_receipt, discard_draft, draft_receipt
from tests import console
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    publish_prices,
)

pytestmark = pytest.mark.django_db
EARLY = datetime(2026, 10, 1, tzinfo=UTC)
PAGE = "admin:receipts_receipt_corrections"


@pytest.fixture
def billed() -> Receipt:
    """Genomics has two jobs on a receipt and climate one on a draft; then prices change."""
    genomics, climate = make_project("genomics"), make_project("climate")
    import_rows(make_cluster(), Row(1), Row(2, tres="cpu=4,node=1"), Row(3, account="climate"))
    draft_receipt(project_id=climate.pk, window=OCTOBER, actor=SYSTEM)
    return create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)


def test_each_billed_job_is_listed_with_its_receipt_and_both_amounts(billed: Receipt) -> None:
    publish_prices("mu", EARLY, cpu="1", mem="0.05")
    assert not jobs_to_correct().exists(), "rating finds them"
    rate_pending(actor=SYSTEM)
    clerk = console.visitor("finance")
    page = clerk.get(reverse(PAGE))
    rows = {row.job.job_id: row for row in page.context["rows"]}
    assert {number: (row.old, row.new) for number, row in rows.items()} == {
        1: (Decimal("3.4"), Decimal("4.4")), 2: (Decimal(3), Decimal(4)),
        3: (Decimal("3.4"), Decimal("4.4")),
    }  # fmt: skip
    assert rows[1].receipts == (billed,)
    assert str(billed) in page.content.decode()
    home = clerk.get(reverse("admin:index"))
    cards = {str(card.name): card.count for card in home.context["cards"]}
    assert (cards["Jobs to be corrected"], cards["Jobs to be rated"]) == (3, 0)
    sent = console.streamed(clerk.get(reverse(PAGE) + "?csv=1"))
    table = {row["job_id"]: row for row in csv.DictReader(io.StringIO(sent.lstrip("\ufeff")))}
    assert (table["2"]["receipts"], table["2"]["status"]) == (billed.number, "issued")
    assert [Decimal(table["2"][n]) for n in ("old_amount", "new_amount", "difference")] == [3, 4, 1]
    assert console.last_event("export.made")["name"] == "corrections"


def test_a_discarded_draft_is_charged_anew(billed: Receipt) -> None:
    publish_prices("mu", EARLY, cpu="1", mem="0.05")
    rate_pending(actor=SYSTEM)
    draft = Receipt.objects.get(status="draft")
    discard_draft(receipt_id=draft.pk, actor=SYSTEM)
    rate_pending(actor=SYSTEM)
    assert {row.job.job_id for row in jobs_to_correct()} == {1, 2}


def test_a_job_that_has_no_price_any_more_says_why(billed: Receipt) -> None:
    ProjectTier.objects.filter(project=billed.project).update(ends_at=EARLY)
    rate_pending(actor=SYSTEM)
    found = list(corrections(jobs_to_correct().values_list("pk", flat=True)))
    assert {(row.new, row.difference, row.reason) for row in found} == {(None, None, "no_tier")}
    page = console.visitor("finance").get(reverse(PAGE)).content.decode()
    assert "The project had no tier when the job ended" in page


def test_nothing_to_correct_is_said_and_money_is_for_who_sees_it() -> None:
    assert "Nothing is to be corrected" in (
        console.visitor("auditor").get(reverse(PAGE)).content.decode()
    )
    assert console.visitor("operator").get(reverse(PAGE)).status_code == 403
