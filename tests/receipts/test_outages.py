"""An outage gives back what is billed already by credit notes, and the rest on the next receipt."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum

from accounts.models import Project
from core.actor import Actor
from core.errors import Conflict
from hpcbilling.books import check_books
from hpcbilling.workflows import rate_pending
from pricing.models import Adjustment, Charge, JobRating, OutageCredit
from pricing.selectors import live_charges
from pricing.services.outages import draft_outage, submit_outage
from receipts.models import Receipt
from receipts.selectors import unbilled_charges, uncredited_reversals
from receipts.services import create_receipt, void_receipt
from receipts.services.outages import approve_outage_credit
from receipts.services.part_credits import Part, ask_credit
from tests import scenes
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
)
from tests.pricing.lists import flat, publish
from usage.models import Cluster

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)


def build() -> tuple[Project, Cluster]:
    """Two jobs of 4 CPU-hours at 100, of which the first is billed."""
    genomics = make_project("genomics")
    publish(flat("cpu", "100"), flat("mem", "0"))
    made = make_cluster()
    import_rows(made, Row(1, end=NOON))
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    import_rows(made, Row(2, end=NOON))
    return genomics, made


billed = scenes.standing(build)


@pytest.fixture
def genomics(billed: tuple[Project, Cluster]) -> Project:
    return billed[0]


@pytest.fixture
def cluster(billed: tuple[Project, Cluster]) -> Cluster:
    return billed[1]


def credited(cluster: Cluster, percent: int = 50) -> list[Adjustment]:
    author, second = (Actor.of(make_user(name)) for name in ("clerk", "second"))
    row = draft_outage(
        cluster=cluster, starts_at=NOON - timedelta(hours=1), ends_at=NOON,
        percent=Decimal(percent), text="Cooling failed", reason="ticket", actor=author,
    )  # fmt: skip
    submit_outage(outage_id=row.pk, actor=author)
    made = approve_outage_credit(outage_id=row.pk, actor=second)
    connection.check_constraints()
    return made


def test_what_is_billed_is_on_a_credit_note_and_the_rest_waits(
    genomics: Project, cluster: Cluster
) -> None:
    receipt = Receipt.objects.get()
    made = credited(cluster)
    assert {(row.credits_receipt_id, row.amount) for row in made} == {
        (receipt.pk, Decimal(-200)), (None, Decimal(-200)),
    }  # fmt: skip
    note = receipt.credit_notes.get()
    (line,) = note.lines.all()
    assert (note.status, note.net_amount) == ("issued", Decimal(-200))
    assert (line.text, line.corrects) == ("Cooling failed", receipt.lines.get(resource="cpu"))
    assert not [result.check.name for result in check_books() if result.breaks]
    by_hand = unbilled_charges().get(kind="manual")
    following = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert following.net_amount == 400 - 200
    assert following.lines.get(resource=by_hand.resource).text == "Cooling failed"


def test_a_receipt_that_was_credited_in_part_can_be_void(
    genomics: Project, cluster: Cluster
) -> None:
    receipt = Receipt.objects.get()
    credited(cluster)
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong address")
    connection.check_constraints()
    assert [note.net_amount for note in receipt.credit_notes.order_by("pk")] == [-200, -200]
    following = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert following.net_amount == 2 * (400 - 200)
    assert not uncredited_reversals().exists()


def test_a_job_that_was_credited_in_part_waits_until_its_receipt_is_void(
    genomics: Project, cluster: Cluster
) -> None:
    receipt = Receipt.objects.get()
    credited(cluster)
    assert import_rows(cluster, Row(1, end=NOON, tres="cpu=8,mem=1G,node=1")).rating.waiting == 1
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="the job changed")
    rate_pending(actor=SYSTEM)
    assert not JobRating.objects.filter(due=True).exists()
    sums = live_charges().filter(document_line=None).aggregate(sum=Sum("amount"))
    assert sums == {"sum": 800 + 400 - 200 - 200}
    connection.check_constraints()


def test_what_was_credited_by_hand_is_not_given_twice(genomics: Project, cluster: Cluster) -> None:
    receipt = Receipt.objects.get()
    line = receipt.lines.get(resource="cpu")
    actor = Actor.of(make_user("third"))
    part = Part(line.pk, Decimal(300))
    ask_credit(receipt_id=receipt.pk, parts=[part], reason="agreed", actor=actor)
    with pytest.raises(Conflict, match=r"less left|give back more"):
        credited(cluster)
    assert OutageCredit.objects.get().status == "submitted"
    assert receipt.credit_notes.count() == 1


def test_all_of_a_receipt_may_be_given_back(genomics: Project, cluster: Cluster) -> None:
    receipt = Receipt.objects.get()
    credited(cluster, percent=100)
    total = receipt.credit_notes.aggregate(sum=Sum("total"))["sum"]
    assert total == -receipt.total
    assert OutageCredit.objects.get().status == "approved"
    assert Charge.objects.filter(kind="manual").count() == 2
