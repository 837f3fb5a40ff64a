"""Output tax is declared once for what was supplied and is not credited, whatever is paid, given
back, credited and paid from the balance, by documents of the day of issue or of payment."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client, override_settings
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import Project
from accounts.services import close
from core.actor import Actor
from core.intervals import Interval
from core.money import round_half_up
from hpcbilling.books import check_books
from hpcbilling.closing.seal import seal_of
from insights.output_tax import TAX_INVOICES, supplies
from payments.models import OfficialReceipt, Payment
from payments.selectors import balance_of
from payments.services import (
    Transfer,
    Withheld,
    approve_refund,
    pay_out_refund,
    record_transfer,
    record_withholding,
    request_refund,
    take_back_withholding,
)
from payments.services.settlement import standing
from receipts.models import BillingProfile, Receipt, TaxProfile, TaxRate
from receipts.services import Part, ask_credit, create_receipt, void_receipt
from tests import scenes
from tests.examples import few
from tests.factories import OCTOBER, Row, import_rows, make_cluster, make_project, make_user
from tests.payments.test_histories import STEPS, Step, act, site

OCT, NOV, DEC = (date(2026, month, 1) for month in (10, 11, 12))
MONTHS = (OCT, NOV, DEC)
DAY = timedelta(days=1)


@contextmanager
def on(month: date, day: int = 20) -> Iterator[None]:
    moment = datetime(month.year, month.month, day, 5, tzinfo=UTC)
    with time_machine.travel(moment, tick=True):
        yield
        connection.check_constraints()


@pytest.fixture
def at_payment(settings: Settings) -> None:
    settings.SITE_TAX_RATE = Decimal(7)
    settings.DOCUMENT_AT_ISSUE = "invoice"
    settings.DOCUMENT_AT_PAYMENT = "receipt_tax_invoice"


@pytest.fixture
def at_issue(settings: Settings) -> None:
    settings.SITE_TAX_RATE = Decimal(7)
    settings.DOCUMENT_AT_ISSUE = "tax_invoice"
    settings.DOCUMENT_AT_PAYMENT = "receipt"


@scenes.standing
def genomics() -> Project:
    """A project with a job on each of three days, of amounts that don't divide well."""
    project = make_project("genomics")
    rows = (
        Row(number, end=OCTOBER.start + DAY * number, seconds=12_345 * number + 7, tres="cpu=97")
        for number in (1, 2, 3)
    )
    import_rows(make_cluster(), *rows)
    return project


@pytest.fixture
def one(db: None) -> Actor:
    return Actor.of(make_user("one"))


@pytest.fixture
def other(db: None) -> Actor:
    return Actor.of(make_user("other"))


def bill(project: Project, number: int, actor: Actor) -> Receipt:
    """A receipt over the job of a day."""
    noon = OCTOBER.start + DAY * number
    window = Interval(noon - DAY / 2, noon + DAY / 2)
    return create_receipt(project_id=project.pk, window=window, actor=actor)


def pay(receipt: Receipt, amount: Decimal, actor: Actor, withheld: Withheld | None = None) -> None:
    reference = f"T-{Payment.objects.count()}"
    transfer = Transfer(reference, datetime.now(UTC).date(), amount, "THB")
    handled = record_transfer(
        receipt_id=receipt.pk, transfer=transfer, withheld=withheld, actor=actor
    )
    assert handled == "applied"


def declared() -> list[Decimal]:
    """The output tax of each month."""
    return [sum((row.tax for row in supplies(month)), Decimal(0)) for month in MONTHS]


def credited(receipt: Receipt, field: str = "tax_amount") -> Decimal:
    return -(receipt.credit_notes.aggregate(sum=Sum(field))["sum"] or Decimal(0))


def in_force(receipt: Receipt) -> list[tuple[str, Decimal]]:
    found = OfficialReceipt.objects.filter(receipt=receipt, cancellation=None)
    return list(found.order_by("pk").values_list("number", "amount"))


def books_balance() -> None:
    found = check_books(only=("official", "official_hashes", "settlement", "allocations"))
    assert not [list(item.first) for item in found if item.breaks]


@pytest.mark.parametrize("inclusive", [False, True])
def test_parts_over_two_months_are_declared_as_they_come(
    at_payment: None, genomics: Project, one: Actor, *, inclusive: bool
) -> None:
    profile = TaxProfile.objects.create(code="v", name="VAT", inclusive=inclusive)
    TaxRate.objects.create(profile=profile, percent=7, starts_on=date(2020, 1, 1))
    BillingProfile.objects.create(project=genomics, tax_profile=profile)
    with on(OCT):
        receipt = bill(genomics, 1, one)
        for part in ("33.33", "33.34"):
            pay(receipt, Decimal(part), one)
    with on(NOV):
        pay(receipt, standing(receipt).left, one)
    october, november, december = declared()
    assert october == round_half_up(Decimal("66.67") * receipt.tax_amount / receipt.total, 2)
    assert (october + november, december) == (receipt.tax_amount, Decimal(0))
    nets = [row.net for month in MONTHS for row in supplies(month)]
    assert sum(nets) == receipt.net_amount
    books_balance()


def test_tax_withheld_is_paid_for_the_tax_office_and_declared(
    at_payment: None, genomics: Project, one: Actor
) -> None:
    with on(OCT):
        receipt = bill(genomics, 1, one)
        withheld = Withheld(Decimal("9.98"), Decimal(3), "WHT-1", OCT)
        pay(receipt, receipt.total - withheld.amount, one, withheld)
    assert declared() == [receipt.tax_amount, 0, 0]
    with on(NOV):
        row = receipt.withholdings.get()
        take_back_withholding(withholding_id=row.pk, actor=one, reason="another's")
        assert in_force(receipt)[0][1] == receipt.total - withheld.amount
        record_withholding(receipt_id=receipt.pk, withheld=withheld, actor=one)
    assert declared() == [receipt.tax_amount, 0, 0]
    books_balance()


def test_a_void_receipt_whose_money_pays_the_next_is_declared_once(
    at_payment: None, genomics: Project, one: Actor
) -> None:
    with on(OCT):
        first = bill(genomics, 2, one)
        pay(first, first.total, one)
    with on(NOV):
        void_receipt(receipt_id=first.pk, actor=one, reason="wrong")
    assert declared() == [first.tax_amount, -first.tax_amount, 0]
    note = first.credit_notes.get()
    assert [row.cancellation.because for row in first.official_receipts.all()] == [
        f"Credited by {note.number}"
    ]
    with on(DEC):
        second = bill(genomics, 1, one)
        second.refresh_from_db()
        assert second.status == "paid"
        third = bill(genomics, 3, one)
        pay(third, standing(third).left, one)
    assert not in_force(first)
    assert declared() == [
        first.tax_amount,
        -first.tax_amount,
        second.tax_amount + third.tax_amount,
    ]
    books_balance()


def test_what_stays_of_a_part_credit_is_given_again_and_a_refund_changes_nothing(
    at_payment: None, genomics: Project, one: Actor, other: Actor
) -> None:
    with on(OCT):
        receipt = bill(genomics, 3, one)
        half = round_half_up(receipt.total / 2, 2)
        pay(receipt, half, one)
        pay(receipt, receipt.total - half, one)
    first, second = in_force(receipt)
    with on(NOV):
        line = receipt.lines.get()
        ask_credit(receipt_id=receipt.pk, parts=[Part(line.pk, Decimal("11.11"))], reason="x",
                   actor=one)  # fmt: skip
    note = receipt.credit_notes.get()
    assert declared() == [receipt.tax_amount, note.tax_amount, 0]
    kept, again = in_force(receipt)
    assert (kept, again[1]) == (first, second[1] + note.total)
    assert OfficialReceipt.objects.get(replaces__number=second[0]).number == again[0]
    with on(DEC):
        payment = Payment.objects.latest("pk")
        refund = request_refund(payment_id=payment.pk, amount=-note.total, reason="x", actor=one)
        approve_refund(refund_id=refund.pk, actor=other)
        pay_out_refund(refund_id=refund.pk, actor=one, reference="KTB-1")
    assert declared() == [receipt.tax_amount, note.tax_amount, 0]
    assert not balance_of(genomics, "THB")
    books_balance()


def test_cents_of_rounding_are_made_good_when_the_rest_is_credited(
    at_payment: None, genomics: Project, one: Actor
) -> None:
    """Paid in many small parts, and what is left is credited: no payment comes any more that could
    make up for what rounding left."""
    with on(OCT):
        receipt = bill(genomics, 1, one)
        for part in ("10.07", "20.08", "0.07"):
            pay(receipt, Decimal(part), one)
    with on(NOV):
        line = receipt.lines.get()
        for part in ("0.06", "0.06", "100.06", "0.06"):
            ask_credit(receipt_id=receipt.pk, parts=[Part(line.pk, Decimal(part))], reason="x",
                       actor=one)  # fmt: skip
        left = standing(receipt).left
        net = round_half_up(left / Decimal("1.07"), 2)
        ask_credit(receipt_id=receipt.pk, parts=[Part(line.pk, net)], reason="x", actor=one)
        now = standing(receipt)
        if now.left > 0:
            pay(receipt, now.left, one)
    assert standing(receipt).left == 0
    assert sum(declared()) == receipt.tax_amount - credited(receipt)
    books_balance()


def test_at_issue_credit_notes_count_and_payments_do_not(
    at_issue: None, genomics: Project, one: Actor
) -> None:
    with on(OCT):
        first, second = bill(genomics, 1, one), bill(genomics, 2, one)
        pay(first, first.total, one)
    with on(NOV):
        void_receipt(receipt_id=first.pk, actor=one, reason="wrong")
        pay(second, Decimal(10), one)
    assert declared() == [first.tax_amount + second.tax_amount, -first.tax_amount, 0]
    assert not in_force(first)
    books_balance()


def test_a_receipt_is_declared_as_was_decided_at_its_issue(
    at_payment: None, genomics: Project, one: Actor, settings: Settings
) -> None:
    """A site that goes over to tax invoices at issue declares nothing twice and leaves nothing
    out."""
    with on(OCT):
        old = bill(genomics, 1, one)
    settings.DOCUMENT_AT_ISSUE, settings.DOCUMENT_AT_PAYMENT = "tax_invoice", "receipt"
    with on(NOV):
        new = bill(genomics, 2, one)
        pay(old, old.total, one)
        pay(new, new.total, one)
    assert declared() == [0, old.tax_amount + new.tax_amount, 0]


def test_a_tax_invoice_gets_no_second_one_at_payment(
    at_issue: None, genomics: Project, one: Actor, settings: Settings
) -> None:
    """Whatever the settings say, which are refused together when the program starts."""
    settings.DOCUMENT_AT_PAYMENT = "receipt_tax_invoice"
    with on(OCT):
        receipt = bill(genomics, 1, one)
        pay(receipt, receipt.total, one)
    assert declared() == [receipt.tax_amount, 0, 0]


def test_the_report_of_a_closed_month_stays_byte_for_byte(
    at_payment: None, genomics: Project, one: Actor, client: Client
) -> None:
    client.force_login(make_user("clerk", groups=("finance",)))
    address = reverse("admin:insights_journalexport_output_tax")

    def report(month: str) -> bytes:
        return client.get(address, {"month": month, "csv": "1"}).getvalue()

    with on(OCT):
        receipt = bill(genomics, 1, one)
        pay(receipt, receipt.total, one)
    with on(NOV, 2):
        close(month=OCT, seal=seal_of, actor=one)
    before = report("2026-10")
    number = in_force(receipt)[0][0]
    assert number.encode() in before
    Project.objects.filter(pk=genomics.pk).update(name="Other", billing_name="Other")
    with on(NOV):
        void_receipt(receipt_id=receipt.pk, actor=one, reason="wrong")
        bill(genomics, 2, one)
    assert report("2026-10") == before
    rows = report("2026-11").decode().splitlines()
    assert [row.rpartition(",")[2] for row in rows if number in row] == ["yes"]


def test_every_receipt_is_declared_by_its_own_document(at_payment: None, genomics: Project,
                                                       one: Actor) -> None:  # fmt: skip
    """A cancelled one stands in the report as it was given and as it was cancelled."""
    with on(OCT):
        receipt = bill(genomics, 1, one)
        pay(receipt, receipt.total, one)
        void_receipt(receipt_id=receipt.pk, actor=one, reason="wrong")
    given, cancelled = supplies(OCT)
    assert (given.number, given.tax, given.is_cancelled) == (
        cancelled.number, -cancelled.tax, not cancelled.is_cancelled,
    )  # fmt: skip


def expected(receipt: Receipt) -> tuple[Decimal, Decimal]:
    """The tax of what was supplied, not credited and, at payment, settled; and by how much the
    shares of parts may be off until the rest is settled."""
    left = receipt.tax_amount - credited(receipt)
    if receipt.particulars["title"] in TAX_INVOICES:
        return left, Decimal(0)
    now = standing(receipt)
    if now.settled == now.payable:
        return left, Decimal(0)
    gone = receipt.official_receipts.exclude(cancellation=None).count()
    cents = 2 * (gone + receipt.credit_notes.count()) * Decimal("0.01")
    return round_half_up(now.settled * left / now.payable, 2), cents


def tax_by_receipt() -> dict[int, Decimal]:
    owners = dict(OfficialReceipt.objects.values_list("number", "receipt"))
    for document in Receipt.objects.exclude(number=None):
        owners[str(document.number)] = document.corrects_id or document.pk
    sums: dict[int, Decimal] = {}
    for row in supplies(datetime.now(UTC).date().replace(day=1)):
        sums[owners[row.number]] = sums.get(owners[row.number], Decimal(0)) + row.tax
    return sums


def declared_once() -> None:
    found = tax_by_receipt()
    for receipt in Receipt.objects.filter(kind="receipt").exclude(number=None):
        tax, cents = expected(receipt)
        assert abs(found.get(receipt.pk, Decimal(0)) - tax) <= cents


MODES = {
    "issue": {"DOCUMENT_AT_ISSUE": "tax_invoice", "DOCUMENT_AT_PAYMENT": "receipt"},
    "payment": {"DOCUMENT_AT_ISSUE": "invoice", "DOCUMENT_AT_PAYMENT": "receipt_tax_invoice"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("mode", MODES)
@examples(max_examples=few(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(STEPS, min_size=4, max_size=14))
def test_whatever_happens_output_tax_is_declared_once(
    db: None, mode: str, history: list[Step]
) -> None:
    with override_settings(SITE_TAX_RATE=Decimal(7), **MODES[mode]), transaction.atomic():
        clerk, colleague = site()
        for number, step in enumerate(history):
            act(step, clerk, colleague, f"T-{number}")
            connection.check_constraints()
            declared_once()
        books_balance()
        transaction.set_rollback(True)
