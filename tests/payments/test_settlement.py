"""Parts, balances, withheld tax, refunds and write-offs: money is always in exactly one place."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone, translation
from pytest_django import Settings

from accounts.models import User
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import Interval
from payments.models import Allocation, OfficialReceipt, Payment, Refund, Withholding
from payments.official_documents import document_of, verified
from payments.selectors import balance_of, balances, mismatches, unallocated_of
from payments.services import (
    Transfer,
    Withheld,
    approve_refund,
    approve_write_off,
    keep_as_balance,
    pay_out_refund,
    record_transfer,
    record_withholding,
    reject_refund,
    reject_write_off,
    request_refund,
    request_write_off,
    start_checkout,
    suggested_withholding,
    take_back_withholding,
    use_balance_for,
)
from payments.services.official import hash_of
from payments.services.settlement import standing
from pricing.replacing import reverse_and_replace
from receipts.models import BillingProfile, Receipt
from receipts.selectors import charges_in_force, uncredited_reversals
from receipts.services import Part, ask_credit, create_receipt, void_receipt
from tests import console, scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from usage.models import Cluster

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate
DAY = timedelta(days=1)


@pytest.fixture
def clerk() -> User:
    return make_user("clerk", groups=("finance",))


@pytest.fixture
def second() -> Actor:
    return Actor.of(make_user("second", groups=("finance",)))


@pytest.fixture
def actor(clerk: User) -> Actor:
    return Actor.of(clerk)


@override_settings(SITE_TAX_RATE=Decimal(7))
def build() -> list[Receipt]:
    """Three receipts over a day each, of a thousand baht and seven percent tax."""
    project = make_project("genomics")
    days = [OCTOBER.start + DAY * number for number in range(3)]
    rows = (
        Row(number, end=day + timedelta(hours=5), seconds=36_000, tres="cpu=100,node=1")
        for number, day in enumerate(days, 1)
    )
    import_rows(make_cluster(), *rows)
    return [
        create_receipt(project_id=project.pk, window=Interval(day, day + DAY), actor=SYSTEM)
        for day in days
    ]


billed = scenes.standing(build)


@pytest.fixture
def receipts(billed: list[Receipt], settings: Settings) -> list[Receipt]:
    settings.SITE_TAX_RATE = Decimal(7)
    return billed


@pytest.fixture
def receipt(receipts: list[Receipt]) -> Receipt:
    return receipts[0]


def pay(receipt: Receipt, amount: Decimal, reference: str, actor: Actor) -> str:
    transfer = Transfer(reference, TODAY(), amount, "THB")
    return record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=actor)


def status(receipt: Receipt) -> str:
    receipt.refresh_from_db()
    connection.check_constraints()
    return receipt.status


def kept(receipt: Receipt, actor: Actor, more: int = 500) -> Payment:
    """Too much comes for a receipt, and is kept."""
    assert pay(receipt, receipt.total + more, "too much", actor) == "mismatch"
    return keep_as_balance(event_id=mismatches().get().pk, actor=actor)


def test_parts_settle_a_receipt_one_after_the_other(receipt: Receipt, actor: Actor) -> None:
    third = Decimal("333.33")
    assert pay(receipt, third, "1", actor) == "applied"
    assert status(receipt) == "part_paid"
    assert pay(receipt, third, "2", actor) == "applied"
    now = standing(receipt)
    assert (now.settled, now.left) == (third * 2, receipt.total - third * 2)
    assert pay(receipt, now.left, "3", actor) == "applied"
    assert status(receipt) == "paid"
    given = OfficialReceipt.objects.order_by("pk")
    assert [one.sequence for one in given] == [1, 2, 3]
    assert sum(one.net_amount for one in given) == receipt.net_amount
    assert sum(one.tax_amount for one in given) == receipt.tax_amount


def test_a_checkout_asks_for_what_is_left(receipt: Receipt, actor: Actor) -> None:
    first = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)
    pay(receipt, Decimal(100), "1", actor)
    second = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)
    assert (first.amount, second.amount) == (receipt.total, receipt.total - 100)
    first.refresh_from_db()
    assert first.status == "failed"


def test_what_is_too_much_pays_the_receipt_and_the_next_one(
    receipts: list[Receipt], actor: Actor
) -> None:
    payment = kept(receipts[0], actor)
    assert status(receipts[0]) == "paid"
    assert unallocated_of(payment) == balance_of(receipts[0].project, "THB") == 500
    assert [(row.amount, row.payments) for row in balances()] == [(Decimal(500), 1)]
    assert use_balance_for(receipt_id=receipts[1].pk, actor=actor) == 500
    assert status(receipts[1]) == "part_paid"
    assert standing(receipts[1]).settled == 500
    with pytest.raises(Conflict):
        use_balance_for(receipt_id=receipts[2].pk, actor=actor)
    with pytest.raises(Conflict):
        keep_as_balance(event_id=payment.settled_by_id or 0, actor=actor)


def test_the_console_offers_the_balance_where_there_is_one(
    receipts: list[Receipt], actor: Actor
) -> None:
    visitor, mine = console.visitor("finance"), receipts[1]

    def offered() -> list[bool]:
        page = visitor.get(console.url(mine, "change", mine.pk)).text
        return [console.url(mine, step, mine.pk) in page for step in ("transfer", "use_balance")]

    assert offered() == [True, False]
    kept(receipts[0], actor)
    assert offered() == [True, True]
    use_balance_for(receipt_id=mine.pk, actor=actor)
    assert offered() == [True, False]


def test_voiding_what_was_paid_makes_a_balance_that_the_next_receipt_uses(
    receipt: Receipt, actor: Actor
) -> None:
    pay(receipt, receipt.total, "1", actor)
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong")
    assert status(receipt) == "void"
    assert list(Allocation.objects.values_list("amount", flat=True)) == [
        receipt.total,
        -receipt.total,
    ]
    window = Interval(OCTOBER.start, OCTOBER.start + DAY)
    again = create_receipt(project_id=receipt.project_id, window=window, actor=SYSTEM)
    assert status(again) == "paid"
    assert not balance_of(receipt.project, "THB")


def test_a_void_part_paid_receipt_gives_money_back_and_asks_for_the_certificate_anew(
    receipt: Receipt, actor: Actor
) -> None:
    withheld = Withheld(Decimal(30), Decimal(3), "50B-1", TODAY())
    transfer = Transfer("1", TODAY(), Decimal(500), "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, withheld=withheld, actor=actor)
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong")
    assert status(receipt) == "void"
    assert standing(receipt).settled == 0
    assert balance_of(receipt.project, "THB") == 500
    gone = Withholding.objects.get(reverses=None).reversal
    assert gone.credit_note == receipt.credit_notes.get()
    with translation.override("th"):
        assert gone.because == f"ลดหนี้ตามเลขที่ {gone.credit_note.number}"


def test_a_transfer_with_its_certificate_settles_together_and_has_one_official_receipt(
    receipt: Receipt, actor: Actor
) -> None:
    BillingProfile.objects.create(project=receipt.project, withholding_percent=3)
    expected = suggested_withholding(receipt)
    assert expected is not None
    assert expected.amount == (receipt.net_amount * 3 / 100).quantize(Decimal("0.01"))
    withheld = Withheld(expected.amount, expected.percent, "50B-1", TODAY())
    transfer = Transfer("1", TODAY(), receipt.total - withheld.amount, "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, withheld=withheld, actor=actor)
    assert status(receipt) == "paid"
    official = OfficialReceipt.objects.get()
    assert (official.amount, official.withheld) == (receipt.total, expected.amount)
    assert official.number == f"OR-{TODAY().year}-000001"
    assert suggested_withholding(receipt) is None


def test_a_certificate_recorded_by_mistake_is_taken_back(receipt: Receipt, actor: Actor) -> None:
    withheld = Withheld(Decimal(30), Decimal(3), "50B-1", TODAY())
    transfer = Transfer("1", TODAY(), receipt.total - 30, "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, withheld=withheld, actor=actor)
    row = Withholding.objects.get()
    with pytest.raises(Invalid):
        take_back_withholding(withholding_id=row.pk, actor=actor, reason=" ")
    take_back_withholding(withholding_id=row.pk, actor=actor, reason="another's")
    assert (status(receipt), receipt.paid_at) == ("part_paid", None)
    wrong, right = OfficialReceipt.objects.order_by("pk")
    assert (wrong.cancellation.reason, right.replaces) == ("another's", wrong)
    assert (right.amount, right.withheld) == (receipt.total - 30, Decimal(0))
    with pytest.raises(Conflict):
        take_back_withholding(withholding_id=row.pk, actor=actor, reason="again")
    record_withholding(receipt_id=receipt.pk, withheld=withheld, actor=actor)
    assert status(receipt) == "paid"
    given = OfficialReceipt.objects.filter(cancellation=None)
    assert sum(one.tax_amount for one in given) == receipt.tax_amount


@pytest.mark.parametrize(
    ("amount", "percent", "certificate"),
    [
        ("0", "3", "x"),
        ("30.001", "3", "x"),
        ("30", "100", "x"),
        ("30", "3", " "),
        ("2000", "3", "x"),
    ],
)
def test_bad_certificates_are_refused(
    receipt: Receipt, actor: Actor, amount: str, percent: str, certificate: str
) -> None:
    withheld = Withheld(Decimal(amount), Decimal(percent), certificate, TODAY())
    with pytest.raises(Invalid):
        record_withholding(receipt_id=receipt.pk, withheld=withheld, actor=actor)
    assert not Withholding.objects.exists()


def test_a_refund_needs_two_people_and_is_set_aside_at_once(
    receipts: list[Receipt], actor: Actor, second: Actor
) -> None:
    payment = kept(receipts[0], actor)
    with pytest.raises(Invalid):
        request_refund(payment_id=payment.pk, amount=Decimal(501), reason="x", actor=actor)
    refund = request_refund(payment_id=payment.pk, amount=Decimal(500), reason="x", actor=actor)
    with pytest.raises(Conflict):
        use_balance_for(receipt_id=receipts[1].pk, actor=actor)
    with pytest.raises(Conflict):
        approve_refund(refund_id=refund.pk, actor=actor)
    with pytest.raises(Conflict):
        pay_out_refund(refund_id=refund.pk, actor=second, reference="KTB-1")
    approve_refund(refund_id=refund.pk, actor=second)
    done = pay_out_refund(refund_id=refund.pk, actor=actor, reference="KTB-1")
    assert (done.status, done.reference) == ("paid_out", "KTB-1")
    assert not balance_of(receipts[0].project, "THB")
    connection.check_constraints()


def test_a_rejected_refund_is_balance_again(
    receipts: list[Receipt], actor: Actor, second: Actor
) -> None:
    payment = kept(receipts[0], actor)
    refund = request_refund(payment_id=payment.pk, amount=Decimal(500), reason="x", actor=actor)
    reject_refund(refund_id=refund.pk, actor=second, reason="use it")
    assert balance_of(receipts[0].project, "THB") == 500
    with pytest.raises(Conflict):
        approve_refund(refund_id=refund.pk, actor=second)
    assert Refund.objects.get().rejected_because == "use it"


def test_a_write_off_needs_two_people_and_exactly_what_is_left(
    receipt: Receipt, actor: Actor, second: Actor
) -> None:
    pay(receipt, Decimal(100), "1", actor)
    asked = request_write_off(receipt_id=receipt.pk, reason="closed", actor=actor)
    with pytest.raises(Conflict):
        request_write_off(receipt_id=receipt.pk, reason="closed", actor=second)
    with pytest.raises(Conflict):
        approve_write_off(write_off_id=asked.pk, actor=actor)
    pay(receipt, Decimal(1), "2", actor)
    with pytest.raises(Conflict, match="since"):
        approve_write_off(write_off_id=asked.pk, actor=second)
    reject_write_off(write_off_id=asked.pk, actor=second, reason="more came")
    anew = request_write_off(receipt_id=receipt.pk, reason="closed", actor=actor)
    approve_write_off(write_off_id=anew.pk, actor=second)
    assert status(receipt) == "written_off"
    assert not standing(receipt).left
    assert anew.amount == receipt.total - 101
    assert pay(receipt, Decimal(5), "3", actor) == "mismatch"
    keep_as_balance(event_id=mismatches().get().pk, actor=actor)
    assert status(receipt) == "written_off"
    assert balance_of(receipt.project, "THB") == 5


def test_a_correction_that_waits_is_credited_before_a_write_off(
    receipt: Receipt, actor: Actor, second: Actor
) -> None:
    """Nothing credits a receipt that is written off: what waited would stop every later run."""
    day = Interval(OCTOBER.start + DAY * 5, OCTOBER.start + DAY * 6)
    jobs = (Row(n, end=day.start + timedelta(hours=n), seconds=3600) for n in (7, 8, 9))
    import_rows(Cluster.objects.get(), *jobs)
    two = create_receipt(project_id=receipt.project_id, window=day, actor=SYSTEM)

    def corrected(job_id: int) -> Decimal:
        charges = list(charges_in_force(two).filter(job__job_id=job_id))
        reverse_and_replace(charges=charges, actor=SYSTEM)
        return sum((charge.amount for charge in charges), Decimal(0))

    corrected(7)
    asked = request_write_off(receipt_id=two.pk, reason="closed", actor=actor)
    note = Receipt.objects.get(corrects=two)
    assert asked.amount == two.total + note.total > 0 > note.total
    corrected(8)
    with pytest.raises(Conflict, match="Reject this"):
        approve_write_off(write_off_id=asked.pk, actor=second)
    reject_write_off(write_off_id=asked.pk, actor=second, reason="corrected")
    anew = request_write_off(receipt_id=two.pk, reason="closed", actor=actor)
    approve_write_off(write_off_id=anew.pk, actor=second)
    assert status(two) == "written_off"
    assert not uncredited_reversals().exists()


def test_an_official_receipt_is_printed_and_verified(receipt: Receipt, actor: Actor) -> None:
    pay(receipt, receipt.total, "1", actor)
    official = OfficialReceipt.objects.get()
    assert hash_of(official) == official.sha256
    document = document_of(official)
    assert (document.kind, document.total, document.number) == (
        "receipt", receipt.total, official.number,
    )  # fmt: skip
    assert str(receipt.number) in document.lines[0].text.th
    found = verified(official.verify_token)
    assert found is not None
    assert (found.number, found.amount, found.is_genuine) == (official.number, receipt.total, True)
    official.content["parties"]["buyer"]["name"] = "someone else"
    with pytest.raises(Conflict):
        document_of(official)


def test_a_site_may_give_none(actor: Actor, settings: Settings) -> None:
    """What was promised at issue is kept, whatever the site does by the day of payment."""
    settings.DOCUMENT_AT_PAYMENT = "none"
    receipt = build()[0]
    settings.DOCUMENT_AT_PAYMENT = "receipt"
    pay(receipt, receipt.total, "1", actor)
    assert status(receipt) == "paid"
    assert not OfficialReceipt.objects.exists()


def test_what_is_credited_has_the_minus_of_other_amounts(receipt: Receipt, actor: Actor) -> None:
    part = Part(receipt.lines.get().pk, Decimal(100))
    assert ask_credit(receipt_id=receipt.pk, parts=[part], reason="goodwill", actor=actor)
    page = console.visitor("finance").get(console.url(receipt, "change", receipt.pk))
    assert page.content.decode().count("-THB\N{NO-BREAK SPACE}107.00") == 2, "and of the note"
