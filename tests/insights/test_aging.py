"""Aging and statements: what is owed, by age and by account, and that both tell the same."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from accounts.models import Department, Project
from core.actor import Actor
from insights.aging import BUCKETS, aging, end_of, outstanding
from insights.ledger import sums
from insights.statements import Span, department_statement, project_statement
from payments.services import Transfer, approve_write_off, record_transfer, request_write_off
from receipts.models import Receipt
from receipts.services import create_receipt, void_receipt
from tests import console
from tests.campus import Campus
from tests.factories import OCTOBER, SYSTEM, make_user


@pytest.fixture
def science(people: Campus) -> Department:
    made = Department.objects.create(code="SCI", name="Science")
    Project.objects.update(department=made)
    return made


@pytest.fixture
def genomics(people: Campus, science: Department) -> Receipt:
    return create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)


@pytest.fixture
def climate(people: Campus, science: Department) -> Receipt:
    return create_receipt(project_id=people.climate.pk, window=OCTOBER, actor=SYSTEM)


def pay(receipt: Receipt, people: Campus, amount: Decimal | None = None) -> None:
    total = amount or receipt.total
    transfer = Transfer(f"T-{receipt.pk}", timezone.localdate(), total, receipt.currency)
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=Actor.of(people.clerk))


def due(receipt: Receipt) -> date:
    assert receipt.due_on is not None
    return receipt.due_on


def around(receipt: Receipt) -> Span:
    assert receipt.issued_at is not None
    day = timezone.localdate(receipt.issued_at)
    return Span(day, day)


@pytest.mark.parametrize(
    ("over", "bucket"),
    [
        (-1, "not_due"), (0, "not_due"), (1, "to_30"), (30, "to_30"), (31, "to_60"),
        (60, "to_60"), (61, "to_90"), (90, "to_90"), (91, "over_90"), (1000, "over_90"),
    ],
)  # fmt: skip
def test_an_amount_stands_in_the_column_of_its_age(
    genomics: Receipt, over: int, bucket: str
) -> None:
    report = aging(due(genomics) + timedelta(days=over))
    (total,) = report.totals
    assert total.amounts == {**dict.fromkeys(BUCKETS, 0), bucket: genomics.total}
    assert (total.documents, total.oldest) == (1, genomics.due_on)
    assert total.credit == 0


def test_what_is_owed_adds_up_by_department_and_in_all(
    genomics: Receipt, climate: Receipt, people: Campus
) -> None:
    report = aging(due(genomics))
    (group,) = report.departments
    assert [row.project.code for row in group.projects] == ["climate", "genomics"]
    assert group.owed.total == report.totals[0].total == genomics.total + climate.total
    pay(climate, people)
    (group,) = aging(due(genomics)).departments
    assert [row.project.code for row in group.projects] == ["genomics"]
    assert group.owed.balance == genomics.total


def test_a_day_of_the_past_is_told_as_it_was(genomics: Receipt, people: Campus) -> None:
    today = timezone.localdate()
    yesterday = today - timedelta(days=1)
    assert aging(yesterday).totals == []
    assert aging(today).totals[0].total == genomics.total
    void_receipt(receipt_id=genomics.pk, actor=SYSTEM, reason="wrong")
    assert aging(today).totals == []


def test_a_statement_leads_from_the_opening_to_the_closing_balance(
    genomics: Receipt, people: Campus
) -> None:
    pay(genomics, people)
    again = around(genomics)
    shown = project_statement(people.genomics, again)
    (account,) = shown.accounts
    assert account.opening == account.closing == 0
    assert (account.documents, account.payments) == (genomics.total, -genomics.total)
    assert [(entry.kind, entry.amount, entry.balance) for entry in account.entries] == [
        ("receipt", genomics.total, genomics.total), ("payment", -genomics.total, 0),
    ]  # fmt: skip
    lines = {line.resource: line.amount for line in genomics.lines.all()}
    assert {used.resource: used.amount for used in shown.used} == lines
    tomorrow = Span(again.last + timedelta(days=1), again.last + timedelta(days=1))
    assert project_statement(people.genomics, tomorrow).accounts == ()


def test_a_void_receipt_is_in_and_out_again(genomics: Receipt, people: Campus) -> None:
    void_receipt(receipt_id=genomics.pk, actor=SYSTEM, reason="wrong")
    shown = project_statement(people.genomics, around(genomics))
    (account,) = shown.accounts
    assert (account.documents, account.credits) == (genomics.total, -genomics.total)
    assert account.closing == 0
    assert all(used.amount == 0 for used in shown.used)


def test_a_department_is_the_sum_of_its_projects(
    genomics: Receipt, climate: Receipt, people: Campus, science: Department
) -> None:
    pay(climate, people)
    span = around(genomics)
    shown = department_statement(science, span)
    (total,) = shown.totals
    assert total.documents == genomics.total + climate.total
    assert total.closing == genomics.total
    assert {used.project.code for used in shown.used} == {"climate", "genomics"}
    later = Span(span.last + timedelta(days=1), span.last + timedelta(days=9))
    (left,) = department_statement(science, later).accounts
    assert (left.project, left.opening, left.closing) == (
        people.genomics, genomics.total, genomics.total,
    )  # fmt: skip


def test_aging_and_balances_tell_the_same(
    genomics: Receipt, climate: Receipt, people: Campus
) -> None:
    pay(climate, people)
    void_receipt(receipt_id=genomics.pk, actor=SYSTEM, reason="wrong")
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    today = timezone.localdate()
    balances: dict[tuple[int, str], Decimal] = {}
    for (project, currency, _kind), amount in sums(None, end_of(today)).items():
        balances[project, currency] = balances.get((project, currency), Decimal(0)) + amount
    told = {
        (row.project.pk, row.owed.currency): row.owed.balance
        for group in aging(today).departments
        for row in group.projects
    }
    assert told == {key: amount for key, amount in balances.items() if amount}
    assert outstanding(today).count() == 1


def test_what_is_paid_in_part_then_given_up_is_owed_in_part_then_not(
    genomics: Receipt, people: Campus
) -> None:
    pay(genomics, people, Decimal(10))
    today = timezone.localdate()
    assert aging(today).totals[0].total == genomics.total - 10
    asked = request_write_off(
        receipt_id=genomics.pk, reason="the group is gone", actor=Actor.of(people.clerk)
    )
    assert aging(today).totals[0].total == genomics.total - 10, "only asked for"
    approve_write_off(write_off_id=asked.pk, actor=Actor.of(make_user("head")))
    assert aging(today).totals == []
    (account,) = project_statement(people.genomics, around(genomics)).accounts
    assert [entry.kind for entry in account.entries] == ["receipt", "payment", "written_off"]
    assert account.payments == -genomics.total
    assert account.closing == 0


def test_what_was_credited_after_it_was_paid_is_to_their_credit(
    genomics: Receipt, people: Campus
) -> None:
    pay(genomics, people)
    void_receipt(receipt_id=genomics.pk, actor=SYSTEM, reason="wrong")
    (group,) = aging(timezone.localdate()).departments
    assert group.owed.total == 0
    assert group.owed.credit == genomics.total
    assert group.owed.balance == -genomics.total
    (account,) = project_statement(people.genomics, around(genomics)).accounts
    assert account.closing == -genomics.total


def test_clerks_see_and_take_along_both(
    genomics: Receipt, people: Campus, science: Department
) -> None:
    clerk = console.visitor("finance")
    page = reverse("admin:receipts_receipt_aging")
    assert "Science" in clerk.get(page).text
    asked = f"{page}?as_of={genomics.due_on}&csv=1"
    (row,) = csv.DictReader(io.StringIO(console.streamed(clerk.get(asked)).lstrip("\ufeff")))
    assert (row["project"], row["department"], row["documents"]) == ("genomics", "SCI", "1")
    assert Decimal(row["not_due"]) == Decimal(row["balance"]) == genomics.total
    assert console.last_event("export.made")["name"] == f"aging-{genomics.due_on}"

    days = around(genomics)
    query = f"?first={days.first}&last={days.last}"
    for found in (people.genomics, science):
        statement = console.url(found, "statement", found.pk) + query
        assert "Closing balance" in clerk.get(statement).text
        text = console.streamed(clerk.get(f"{statement}&as=csv"))
        rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
        assert Decimal(rows[0]["balance"]) == 0
        closing = [Decimal(each["balance"]) for each in rows if each["part"] == "closing"]
        assert closing == [genomics.total]
        printed = clerk.get(f"{statement}&as=pdf")
        assert printed["Content-Type"] == "application/pdf"
        assert printed.content.startswith(b"%PDF-1.7")
    assert clerk.get(page + "?as_of=nonsense").status_code == 200


@pytest.mark.parametrize(("role", "seen"), [("auditor", True), ("operator", False), ("", False)])
def test_reports_are_for_who_sees_receipts(
    genomics: Receipt, people: Campus, role: str, *, seen: bool
) -> None:
    visitor = console.visitor(role)
    statement = console.url(people.genomics, "statement", people.genomics.pk)
    for page in (reverse("admin:receipts_receipt_aging"), statement):
        assert (visitor.get(page).status_code == 200) is seen


def test_a_statement_shows_the_last_month_in_which_something_happened(
    people: Campus, science: Department
) -> None:
    clerk = console.visitor("finance")
    pages = [console.url(each, "statement", each.pk) for each in (people.genomics, science)]
    for page in pages:
        assert "Nothing was billed or paid yet." in clerk.get(page).text
    with time_machine.travel(datetime(2026, 11, 5, 5, tzinfo=UTC), tick=False):
        create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    with time_machine.travel(datetime(2027, 3, 5, 5, tzinfo=UTC), tick=False):
        clerk = console.visitor("auditor")
        for page in pages:
            form = clerk.get(page).context["form"]
            assert (form["first"].value(), form["last"].value()) == ("2026-11-01", "2026-11-30")
        early = clerk.get(f"{pages[0]}?first=2026-01-01&last=2026-01-31").text
    assert "The last movement was in November 2026: show it." in early
