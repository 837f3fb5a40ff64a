"""Two acts that each exclude or change the other, at the same moment, by turns with a head start:
one of them happens first, the other one follows from it or is refused, and the books balance."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Period, Project
from accounts.periods import earlier_open
from accounts.services import close
from core.actor import Actor
from core.intervals import Interval, month
from core.site import site_zone
from hpcbilling.closing.services import close_period
from payments.models import Refund, Withholding
from payments.services import (
    Transfer,
    Withheld,
    approve_write_off,
    record_transfer,
    record_withholding,
    request_refund,
    request_write_off,
)
from payments.services.settlement import standing
from pricing.models import Adjustment, AdjustmentKind, Charge
from pricing.services.adjustments import Wanted, draft_adjustment
from pricing.services.outages import draft_outage, submit_outage
from receipts.models import Receipt
from receipts.selectors import unbilled_charges
from receipts.services import (
    Part,
    approve_credit,
    ask_credit,
    create_receipt,
    draft_receipt,
    issue_receipt,
    void_receipt,
)
from receipts.services.adjustments import submit_adjustment
from receipts.services.outages import approve_outage_credit
from receipts.services.part_credits import left_of
from tests.databases import Database
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.racing import race
from tests.scenarios.crowd import books

OCTOBER = date(2026, 10, 1)
SPAN = month(OCTOBER, site_zone())
DAY = timedelta(days=1)
ROUNDS = 3


@pytest.fixture
def genomics(committed_db: Database) -> Iterator[Project]:
    """A job of 40 a day; what must hold is asked for in the end."""
    project, cluster = make_project("genomics"), make_cluster()
    rows = (Row(n + 1, end=SPAN.start + n * DAY + DAY / 2, seconds=36_000) for n in range(12))
    import_rows(cluster, *rows)
    yield project
    books.hold()


def clerks() -> tuple[Actor, Actor]:
    one, other = (Actor.of(make_user(name)) for name in ("one", "other"))
    return one, other


def billed(project: Project, day: int) -> Receipt:
    window = Interval(SPAN.start + day * DAY, SPAN.start + (day + 1) * DAY)
    return create_receipt(project_id=project.pk, window=window, actor=SYSTEM)


def crossed(number: int, one: Callable[[], object], other: Callable[[], object]) -> tuple[str, str]:
    """Do both at once: together, or one of them a moment before."""

    def late(seconds: float, act: Callable[[], object]) -> Callable[[], object]:
        def wait_and_act() -> object:
            time.sleep(seconds)
            return act()

        return wait_and_act

    first, second = ((0, 0), (0, 0.05), (0.05, 0))[number % 3]
    told = race(late(first, one), late(second, other))
    assert not [text for text in told if text.startswith("!")], told
    return told[0], told[1]


def part_of(receipt: Receipt) -> Part:
    return Part(left_of(receipt)[0].line.pk, Decimal(5))


@pytest.mark.parametrize("above_the_limit", [False, True])
def test_void_and_credit_of_one_receipt(
    genomics: Project, settings: Settings, above_the_limit: bool
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(0 if above_the_limit else 1000)}
    one, other = clerks()
    for number in range(ROUNDS):
        receipt = billed(genomics, number)
        parts = [part_of(receipt)]
        if above_the_limit:
            assert ask_credit(receipt_id=receipt.pk, parts=parts, reason="x", actor=one) is None

        def credit(receipt: Receipt = receipt, parts: list[Part] = parts) -> str:
            if above_the_limit:
                return str(approve_credit(receipt_id=receipt.pk, actor=other).status)
            note = ask_credit(receipt_id=receipt.pk, parts=parts, reason="x", actor=one)
            return str(note and note.status)

        def void(pk: int = receipt.pk) -> str:
            return str(void_receipt(receipt_id=pk, actor=one, reason="wrong").status)

        voided, credited = crossed(number, void, credit)
        assert voided == "void"
        assert credited in {"issued", "stale_status"}
        assert receipt.credit_notes.count() == (2 if credited == "issued" else 1)
        books.notes_are_within_their_receipts()


def test_an_outage_is_approved_while_its_receipt_becomes_void(genomics: Project) -> None:
    one, other = clerks()
    cluster = Charge.objects.exclude(job=None).earliest("pk").job.cluster  # type: ignore[union-attr] # a job's charge
    for number in range(ROUNDS):
        receipt = billed(genomics, number)
        row = draft_outage(
            cluster=cluster, starts_at=SPAN.start + number * DAY,
            ends_at=SPAN.start + (number + 1) * DAY, percent=Decimal(50), text="Cooling failed",
            reason="ticket", actor=one,
        )  # fmt: skip
        submit_outage(outage_id=row.pk, actor=one)

        def void(pk: int = receipt.pk) -> str:
            return str(void_receipt(receipt_id=pk, actor=one, reason="wrong").status)

        def approve(pk: int = row.pk) -> int:
            return len(approve_outage_credit(outage_id=pk, actor=other))

        voided, approved = crossed(number, void, approve)
        # A part of each of the two lines, or nothing.
        assert (voided, approved) in {("void", "2"), ("void", "changed")}
        # What was given back goes on with the usage, or was not given at all.
        day = unbilled_charges().filter(job_end__gte=SPAN.start + number * DAY)
        owed = day.filter(job_end__lt=SPAN.start + (number + 1) * DAY)
        back = receipt.total / 2 if approved == "2" else 0
        assert owed.aggregate(sum=Sum("amount"))["sum"] == receipt.total - back


def test_a_write_off_is_approved_while_the_receipt_is_paid(genomics: Project) -> None:
    one, other = clerks()
    for number in range(ROUNDS):
        receipt = billed(genomics, number)
        wish = request_write_off(receipt_id=receipt.pk, reason="lost", actor=one)
        amount = receipt.total - number  # once in whole, then in part
        told = Transfer(f"T-{number}", timezone.localdate(), amount, "THB")

        def pay(pk: int = receipt.pk, told: Transfer = told) -> str:
            return record_transfer(receipt_id=pk, transfer=told, actor=one)

        def give_up(pk: int = wish.pk) -> str:
            return str(approve_write_off(write_off_id=pk, actor=other).status)

        ends = crossed(number, pay, give_up)
        assert ends in {("applied", "left_changed"), ("mismatch", "approved")}
        receipt.refresh_from_db()
        assert receipt.status in (
            {"paid", "part_paid"} if ends[0] == "applied" else {"written_off"}
        )
        books.each_baht_is_in_one_place()


def test_a_month_closes_while_documents_of_it_are_issued_credited_and_adjusted(
    genomics: Project,
) -> None:
    """Whatever is charged just then is of October, and in what it was closed with, or of the month
    after it."""
    one, other = clerks()
    drafts = [
        draft_receipt(
            project_id=genomics.pk,
            window=Interval(SPAN.start + day * DAY, SPAN.start + (day + 1) * DAY),
            actor=SYSTEM,
        )
        for day in (0, 1)
    ]
    credited, voided = billed(genomics, 2), billed(genomics, 3)
    parts = [part_of(credited)]

    def adjust() -> str:
        at = datetime(2026, 10, 3, tzinfo=UTC)
        wanted = Wanted(genomics, AdjustmentKind.FEE, at, "text", "reason", Decimal(7))
        row = draft_adjustment(wanted=wanted, actor=one)
        return str(submit_adjustment(adjustment_id=row.pk, actor=one).status)

    def credit() -> str:
        note = ask_credit(receipt_id=credited.pk, parts=parts, reason="x", actor=other)
        return str(note and note.status)

    for row in earlier_open(OCTOBER):
        close(month=row.month, seal=lambda _period: {}, actor=SYSTEM)
    told = race(
        lambda: close_period(month=OCTOBER, actor=one).status,
        lambda: close_period(month=OCTOBER, actor=other).status,
        *(lambda pk=draft.pk: issue_receipt(receipt_id=pk, actor=one).status for draft in drafts),
        credit,
        lambda: void_receipt(receipt_id=voided.pk, actor=one, reason="wrong").status,
        adjust,
        adjust,
    )
    assert set(told[:2]) <= {"closed", "closed_already"}
    assert "closed" in told
    assert told[2:] == ["issued", "issued", "issued", "void", "approved", "approved"]
    october = Period.objects.get(month=OCTOBER)
    sealed = october.seal or {}
    assert sealed["charges"] == Charge.objects.filter(period=OCTOBER).count()
    assert Adjustment.objects.filter(kind=AdjustmentKind.FEE, status="approved").count() == 2


def test_two_clicks_give_back_ask_back_and_withhold_once(genomics: Project) -> None:
    one, other = clerks()
    receipt = billed(genomics, 0)
    left = standing(receipt).left
    parts = [part_of(receipt)]

    def credit(actor: Actor) -> str:
        note = ask_credit(receipt_id=receipt.pk, parts=parts, reason="x", seen=left, actor=actor)
        return str(note and note.status)

    assert sorted(race(lambda: credit(one), lambda: credit(other))) == ["credited_since", "issued"]
    left = standing(receipt).left

    def withhold() -> str:
        withheld = Withheld(Decimal(1), Decimal(3), "WHT-1", timezone.localdate())
        record_withholding(receipt_id=receipt.pk, withheld=withheld, seen=left, actor=one)
        return "done"

    assert sorted(race(withhold, withhold)) == ["done", "left_changed"]
    assert Withholding.objects.count() == 1
    transfer = Transfer("T-1", timezone.localdate(), standing(receipt).left, "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=one)
    void_receipt(receipt_id=receipt.pk, actor=one, reason="wrong")
    payment = receipt.payments.get()

    def ask() -> str:
        made = request_refund(
            payment_id=payment.pk, amount=Decimal(3), reason="x", seen=payment.amount, actor=one
        )
        return str(made.status)

    assert sorted(race(ask, ask)) == ["left_changed", "requested"]
    assert Refund.objects.count() == 1
