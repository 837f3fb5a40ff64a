"""Corrections make their documents: at once from the threshold on, else with the next run."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import translation
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Project
from core.actor import Actor
from core.errors import Conflict
from core.intervals import Interval
from pricing.models import Charge
from pricing.replacing import reverse_and_replace
from pricing.selectors import live_charges
from pricing.taking_back import take_back
from receipts.differences import receipts_to_correct, receipts_waiting
from receipts.models import CorrectionProblem, Line, PurchaseOrder, Receipt
from receipts.selectors import charges_in_force, unbilled_charges, uncredited_reversals
from receipts.services import Part, ask_credit, create_receipt, credit_reversals
from receipts.services.corrections import credit_now, receipts_to_credit, settle_corrections
from tests import scenes
from tests.databases import Database
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.racing import race, times

D = Decimal
WAITING = 40


def build() -> Receipt:
    project = make_project("genomics")
    import_rows(
        make_cluster(),
        *(Row(n, end=OCTOBER.start + timedelta(days=n), seconds=n * 1000 + 1) for n in (1, 2, 3)),
    )
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


receipt = scenes.standing(build)


def change(receipt: Receipt, job_id: int = 3) -> list[Charge]:
    """A job of the receipt was reversed and charged anew, as rating does it."""
    charges = list(charges_in_force(receipt).filter(job__job_id=job_id))
    reverse_and_replace(charges=charges, actor=SYSTEM)
    return charges


def credit(project_id: int, until: date = date(2026, 10, 1)) -> None:
    for receipt in receipts_to_credit(project_id=project_id, currency="THB", until=until):
        credit_now(receipt=receipt, actor=SYSTEM)


def test_from_the_threshold_on_documents_come_at_once(receipt: Receipt, settings: Settings) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": D(0)}
    charges = change(receipt)
    assert settle_corrections(actor=SYSTEM).corrected == 1
    note = Receipt.objects.get(kind="credit_note")
    new = Receipt.objects.filter(kind="receipt").latest("pk")
    assert note.corrects == receipt
    assert (
        note.reason == "ปริมาณการใช้งานในใบแจ้งหนี้นี้ได้รับการแก้ไข / Usage of this receipt was corrected."
    )
    assert (new.status, new.total, new.project) == ("issued", -note.total, receipt.project)
    assert {line.jobs for line in new.lines.all()} == {1}
    assert sum(line.charged for line in note.lines.all()) == -sum(c.amount for c in charges)
    assert settle_corrections(actor=SYSTEM).corrected == 0, "seen twice, corrected once"
    assert not unbilled_charges().exists()
    connection.check_constraints()


def test_below_it_waits_for_the_run(receipt: Receipt) -> None:
    change(receipt)
    settled = settle_corrections(actor=SYSTEM)
    assert (settled.corrected, settled.waiting) == (0, 1)
    assert uncredited_reversals().exists()
    credit(receipt.project_id + 1)
    credit(receipt.project_id, until=date(2026, 9, 1))
    assert uncredited_reversals().exists(), "of another project, and booked later"
    credit(receipt.project_id)
    assert not uncredited_reversals().exists()
    assert unbilled_charges().count() == 2, "the run bills them"


def test_a_new_receipt_that_no_order_covers_keeps_the_problem_and_loses_nothing(
    receipt: Receipt, settings: Settings
) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": D(0)}
    change(receipt)
    order = PurchaseOrder.objects.create(
        project=receipt.project, number="PO-1", ceiling=D(1), currency="THB",
        starts_on=date(2026, 1, 1), expires_on=date(2029, 1, 1), created_by=make_user("head"),
    )  # fmt: skip
    assert settle_corrections(actor=SYSTEM).failed == 1
    problem = CorrectionProblem.objects.get()
    assert (problem.receipt, "PO-1" in problem.problem_text) == (receipt, True)
    with translation.override("th"):
        assert "PO-1" in problem.problem_text
        assert problem.problem_text != problem.problem["texts"]["en"]
    assert Receipt.objects.count() == 1
    assert list(receipts_waiting()) == [receipt]
    assert unbilled_charges().count() == 2
    PurchaseOrder.objects.filter(pk=order.pk).update(ceiling=D(1000))
    assert settle_corrections(actor=SYSTEM).corrected == 1
    assert not CorrectionProblem.objects.exists()


def test_what_was_given_by_hand_makes_room_for_what_is_taken_back(
    receipt: Receipt, settings: Settings
) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": D(0)}
    clerk = Actor.of(make_user("clerk"))
    line = receipt.lines.get(resource="cpu")
    ask_credit(
        receipt_id=receipt.pk, parts=[Part(line.pk, line.amount)], reason="goodwill", actor=clerk
    )
    change(receipt)
    assert settle_corrections(actor=SYSTEM).corrected == 1
    notes = Line.objects.filter(corrects=line)
    assert sum(note.amount for note in notes) == -line.amount, "given by hand or taken back"
    left = sum(c.amount for c in charges_in_force(receipt).filter(resource="cpu"))
    by_hand = Charge.objects.filter(kind="manual", reverses=None, reversal=None).get()
    assert by_hand.amount == -left
    connection.check_constraints()


def test_a_reversal_of_what_was_taken_off_alone_is_no_credit(receipt: Receipt) -> None:
    """Nothing is asked for by a credit note."""
    clerk = Actor.of(make_user("clerk"))
    line = receipt.lines.get(resource="cpu")
    note = ask_credit(
        receipt_id=receipt.pk, parts=[Part(line.pk, D(1))], reason="goodwill", actor=clerk
    )
    assert note is not None
    take_back(charges=list(charges_in_force(note)), actor=SYSTEM)
    with pytest.raises(Conflict) as refusal:
        credit_reversals(receipt_id=receipt.pk, actor=SYSTEM, reason="x")
    assert refusal.value.code == "not_a_credit"
    assert list(receipts_waiting()) == [receipt]
    with pytest.raises(Conflict, match="instead of giving back"):
        credit(receipt.project_id, until=date(2029, 1, 1))


def test_two_workers_at_once_make_one(committed_db: Database, settings: Settings) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": D(0)}
    receipt = build()
    with transaction.atomic():
        change(receipt)
    answers = race(*times(4, lambda: settle_corrections(actor=SYSTEM).corrected))
    assert sorted(answers) == ["0", "0", "0", "1"]
    assert Receipt.objects.filter(kind="credit_note").count() == 1
    assert Receipt.objects.filter(kind="receipt").count() == 2
    assert Project.objects.count() == 1


def test_the_threshold_is_that_of_the_currency(receipt: Receipt, settings: Settings) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": D(1), "USD": D(0)}
    change(receipt)
    assert receipts_to_correct() == [], "charged anew for the same amount"
    settings.CORRECTION_THRESHOLD = {"USD": D(1000)}
    assert receipts_to_correct() == [receipt.pk], "no threshold in this currency: at once"
    assert receipts_to_correct([receipt.pk + 1]) == []
    settings.CORRECTION_THRESHOLD = {"THB": D(0)}
    assert receipts_to_correct([receipt.pk]) == [receipt.pk]


def test_a_difference_is_enough_from_the_threshold_on(receipt: Receipt, settings: Settings) -> None:
    change(receipt)
    back = sum(row.amount for row in uncredited_reversals())
    create_receipt(project_id=receipt.project_id, window=OCTOBER, actor=SYSTEM)
    settings.CORRECTION_THRESHOLD = {"THB": -back}
    assert receipts_to_correct() == [receipt.pk], "at least the threshold, whatever its sign"
    settings.CORRECTION_THRESHOLD = {"THB": -back + D("0.000001")}
    assert receipts_to_correct() == []


def test_however_many_wait_for_the_run_few_queries_tell(
    db: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    project, first = make_project("genomics"), OCTOBER.start + timedelta(days=1)
    ends = [first + timedelta(hours=n) for n in range(WAITING)]
    import_rows(make_cluster(), *(Row(n, end=end) for n, end in enumerate(ends, start=1)))
    for end in ends:
        window = Interval(end, end + timedelta(hours=1))
        create_receipt(project_id=project.pk, window=window, actor=SYSTEM)
    reverse_and_replace(charges=list(live_charges()), actor=SYSTEM)
    with django_assert_max_num_queries(3):
        settled = settle_corrections(actor=SYSTEM)
    assert (settled.corrected, settled.waiting, settled.failed) == (0, WAITING, 0)
