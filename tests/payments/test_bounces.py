"""Payments that the bank took back: a second person agrees, and the receipts ask for it again."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.conf import LazySettings
from django.db import IntegrityError, connection, transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import Interval
from hpcbilling.books import check_books
from insights.aging import aging
from payments.models import Allocation, OfficialReceipt, Payment, Refund
from payments.selectors import balance_of, mismatches, state_of, unallocated_of
from payments.services import (
    Transfer,
    Withheld,
    approve_bounce,
    approve_refund,
    approve_write_off,
    keep_as_balance,
    pay_out_refund,
    record_transfer,
    reject_refund,
    request_bounce,
    request_refund,
    request_write_off,
    use_balance_for,
)
from receipts.models import Receipt
from receipts.selectors import overdue
from receipts.services import create_receipt
from tests import console, scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CHECKED = ("allocations", "settlement", "official", "ledger")


@pytest.fixture
def alice() -> User:
    return make_user("alice", groups=("finance",))


@pytest.fixture
def one(alice: User) -> Actor:
    return Actor.of(alice)


@pytest.fixture
def bob() -> User:
    return make_user("bob", groups=("finance",))


@pytest.fixture
def other(bob: User) -> Actor:
    return Actor.of(bob)


@override_settings(SITE_TAX_RATE=Decimal(7))
def build() -> list[Receipt]:
    """Two receipts of 250 baht and seven percent tax."""
    project = make_project("genomics")
    days = [OCTOBER.start + DAY * number for number in range(2)]
    rows = (
        Row(number, end=day + timedelta(hours=5), seconds=36_000, tres="cpu=100,node=1")
        for number, day in enumerate(days, 1)
    )
    import_rows(make_cluster(), *rows)
    return [
        create_receipt(project_id=project.pk, window=Interval(day, day + DAY), actor=SYSTEM)
        for day in days
    ]


issued = scenes.standing(build)


@pytest.fixture
def receipts(issued: list[Receipt], settings: LazySettings) -> list[Receipt]:
    settings.SITE_TAX_RATE = Decimal(7)
    return issued


@pytest.fixture
def receipt(receipts: list[Receipt]) -> Receipt:
    return receipts[0]


@pytest.fixture
def paid(receipt: Receipt, one: Actor) -> Payment:
    pay(receipt, receipt.total, "CHQ-1", one)
    return Payment.objects.get()


@pytest.fixture(autouse=True)
def books_balance() -> Iterator[None]:
    """Whatever a test does here, the books agree with it."""
    yield
    connection.check_constraints()
    assert [
        found for result in check_books(only=CHECKED) for found in result.first if result.breaks
    ] == []


def pay(
    receipt: Receipt,
    amount: Decimal,
    reference: str,
    actor: Actor,
    withheld: Withheld | None = None,
) -> str:
    transfer = Transfer(reference, timezone.localdate(), amount, "THB")
    return record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=actor, withheld=withheld)


def bounce(payment: Payment, one: Actor, other: Actor) -> Refund:
    refund = request_bounce(payment_id=payment.pk, reason="no cover", actor=one)
    return approve_bounce(refund_id=refund.pk, actor=other, reference="RET-1")


def status(receipt: Receipt) -> str:
    receipt.refresh_from_db()
    connection.check_constraints()
    return receipt.status


def test_the_receipt_is_open_again_and_overdue_since_it_was_due(
    receipt: Receipt, paid: Payment, one: Actor, other: Actor
) -> None:
    (official,) = OfficialReceipt.objects.all()
    refund = request_bounce(payment_id=paid.pk, reason="no cover", actor=one)
    # Nothing happens until a second person has looked.
    assert status(receipt) == "paid"
    with pytest.raises(Conflict, match="ask a colleague"):
        approve_bounce(refund_id=refund.pk, actor=one, reference="RET-1")
    with pytest.raises(Invalid, match="reference"):
        approve_bounce(refund_id=refund.pk, actor=other, reference=" ")
    done = approve_bounce(refund_id=refund.pk, actor=other, reference="RET-1")
    assert (done.status, done.bounced, done.state) == ("paid_out", True, "Taken back")
    assert status(receipt) == "issued"
    assert receipt.paid_at is None
    assert unallocated_of(paid) == balance_of(receipt.project, "THB") == 0
    assert state_of(paid) == "taken_back"
    amounts = Allocation.objects.order_by("pk").values_list("amount", flat=True)
    assert list(amounts) == [receipt.total, -receipt.total]
    assert OfficialReceipt.objects.filter(cancellation=None).count() == 0
    assert official.cancellation.reason == "no cover"
    due = receipt.due_on
    assert due is not None
    with time_machine.travel(due + 3 * DAY, tick=False):
        assert receipt in overdue()
    (total,) = aging(due + 3 * DAY).totals
    assert total.amounts["to_30"] == 2 * receipt.total, "with the other one, which is open too"
    assert total.credit == 0
    events = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    wanted = {"refund.requested", "payment.released", "receipt.reopened", "refund.paid_out"}
    assert wanted <= set(events)


def test_it_may_be_paid_again(receipt: Receipt, paid: Payment, one: Actor, other: Actor) -> None:
    bounce(paid, one, other)
    assert pay(receipt, receipt.total, "CHQ-2", one) == "applied"
    assert status(receipt) == "paid"
    assert OfficialReceipt.objects.filter(cancellation=None).count() == 1


def test_all_that_it_settled_is_asked_for_again(
    receipts: list[Receipt], one: Actor, other: Actor
) -> None:
    first, second = receipts
    assert pay(first, first.total + second.total / 2, "CHQ-1", one) == "mismatch"
    payment = keep_as_balance(event_id=mismatches().get().pk, actor=one)
    use_balance_for(receipt_id=second.pk, actor=one)
    assert (status(first), status(second)) == ("paid", "part_paid")
    bounce(payment, one, other)
    assert (status(first), status(second)) == ("issued", "issued")


def test_tax_withheld_with_it_stays(receipt: Receipt, one: Actor, other: Actor) -> None:
    withheld = Withheld(Decimal(30), Decimal(3), "WHT-1", timezone.localdate())
    pay(receipt, receipt.total - 30, "CHQ-1", one, withheld)
    bounce(Payment.objects.get(), one, other)
    assert status(receipt) == "part_paid"
    (official,) = OfficialReceipt.objects.filter(cancellation=None)
    assert official.amount == official.withheld == 30


def test_what_was_refunded_in_part_is_not_taken_back(
    receipt: Receipt, one: Actor, other: Actor
) -> None:
    pay(receipt, receipt.total + 100, "CHQ-1", one)
    payment = keep_as_balance(event_id=mismatches().get().pk, actor=one)
    refund = request_refund(payment_id=payment.pk, amount=Decimal(40), reason="x", actor=one)
    with pytest.raises(Conflict, match="Reject it first"):
        request_bounce(payment_id=payment.pk, reason="no cover", actor=one)
    reject_refund(refund_id=refund.pk, reason="bounced", actor=other)
    request_bounce(payment_id=payment.pk, reason="no cover", actor=one)
    with pytest.raises(Conflict, match="already, or about to be"):
        request_bounce(payment_id=payment.pk, reason="no cover", actor=one)
    with pytest.raises(Conflict, match="already, or about to be"):
        request_refund(payment_id=payment.pk, amount=Decimal(40), reason="x", actor=one)


def test_one_that_was_paid_out_in_part_says_what_to_do(
    receipt: Receipt, one: Actor, other: Actor
) -> None:
    pay(receipt, receipt.total + 100, "CHQ-1", one)
    payment = keep_as_balance(event_id=mismatches().get().pk, actor=one)
    refund = request_refund(payment_id=payment.pk, amount=Decimal(40), reason="x", actor=one)
    approve_refund(refund_id=refund.pk, actor=other)
    pay_out_refund(refund_id=refund.pk, actor=other, reference="OUT-1")
    with pytest.raises(Conflict, match="refunded already"):
        request_bounce(payment_id=payment.pk, reason="no cover", actor=one)


def test_one_of_a_receipt_that_was_given_up_is_refused(
    receipt: Receipt, one: Actor, other: Actor
) -> None:
    pay(receipt, Decimal(100), "CHQ-1", one)
    wanted = request_write_off(receipt_id=receipt.pk, reason="lost", actor=one)
    approve_write_off(write_off_id=wanted.pk, actor=other)
    with pytest.raises(Conflict, match="written off"):
        request_bounce(payment_id=Payment.objects.get().pk, reason="no cover", actor=one)


def test_it_may_be_rejected_and_nothing_happened(
    receipt: Receipt, paid: Payment, one: Actor, other: Actor
) -> None:
    refund = request_bounce(payment_id=paid.pk, reason="no cover", actor=one)
    reject_refund(refund_id=refund.pk, reason="the bank was wrong", actor=other)
    with pytest.raises(Conflict, match="decided"):
        approve_bounce(refund_id=refund.pk, actor=other, reference="RET-1")
    assert status(receipt) == "paid"
    bounce(paid, one, other)
    assert status(receipt) == "issued"


def test_nobody_alone_or_without_a_reason(receipt: Receipt, paid: Payment, one: Actor) -> None:
    with pytest.raises(Invalid):
        request_bounce(payment_id=paid.pk, reason=" ", actor=one)
    with pytest.raises(Invalid):
        request_bounce(payment_id=paid.pk, reason="no cover", actor=SYSTEM)


def test_the_database_keeps_that_it_settles_nothing(
    receipt: Receipt, paid: Payment, one: Actor, other: Actor
) -> None:
    bounce(paid, one, other)
    with pytest.raises(IntegrityError), transaction.atomic():
        Allocation.objects.create(payment=paid, receipt=receipt, amount=Decimal(1))
    assert one.user_id is not None
    again = Refund(payment=paid, amount=Decimal(1), reason="x", requested_by_id=one.user_id)
    with pytest.raises(IntegrityError), transaction.atomic():
        again.save()


def test_two_clerks_take_it_back_in_the_console(
    client: Client, receipt: Receipt, paid: Payment, alice: User, bob: User
) -> None:
    client.force_login(alice)
    page = console.url(paid, "change", paid.pk)
    step = reverse("admin:payments_payment_bounced", args=[paid.pk])
    assert step in client.get(page).content.decode()
    asked = client.post(step, {"reason": "no cover"}, follow=True)
    assert console.messages_of(asked)[-1].startswith("A colleague has to approve it now")
    refund = Refund.objects.get()
    client.force_login(bob)
    approval = reverse("admin:payments_refund_approve", args=[refund.pk])
    assert "The bank took this payment back" in client.get(approval).content.decode()
    shown = client.get(console.url(refund, "change", refund.pk)).text
    assert "Confirm: the bank took it back" in shown
    assert "Approve the refund" not in shown
    done = client.post(approval, {"reference": "RET-1"}, follow=True)
    assert console.messages_of(done) == [
        "The payment is taken back: its receipts are to be paid again."
    ]
    assert status(receipt) == "issued"
    listed = client.get(console.url(Payment)).content.decode()
    assert "Taken back by the bank" in listed
    assert step not in client.get(page).content.decode()
