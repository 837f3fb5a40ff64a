"""Opening balances: documents of before are payable here, once, under their old numbers."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Project
from core.actor import Actor
from core.errors import Conflict, Invalid
from hpcbilling.books import check_books
from insights.journal import journal
from insights.output_tax import supplies
from payments.services import approve_write_off, request_write_off
from receipts.models import Receipt, Series
from receipts.selectors import overdue
from receipts.services import Part, ask_credit, hash_of, void_receipt
from receipts.services.files import pdf_file
from tests.factories import SYSTEM, make_project, make_user

pytestmark = pytest.mark.django_db
HEADER = "project,number,issued_on,due_on,amount,currency\n"


@pytest.fixture
def genomics() -> Project:
    return make_project("genomics")


def brought(tmp_path: Path, rows: str, *options: str) -> None:
    path = tmp_path / "open.csv"
    path.write_text(HEADER + rows)
    call_command("import_opening_balances", str(path), *options)


def test_they_are_payable_and_overdue_and_come_once(
    genomics: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "genomics,OLD-7,2026-08-01,2026-08-31,1234.50,THB\n"
    brought(tmp_path, rows, "--dry-run")
    assert not Receipt.objects.exists()
    brought(tmp_path, rows)
    brought(tmp_path, rows)
    receipt = Receipt.objects.get()
    assert (receipt.kind, receipt.number, receipt.status) == ("opening", "OLD-7", "issued")
    assert (receipt.total, receipt.due_on) == (Decimal("1234.5"), date(2026, 8, 31))
    assert receipt.first_day == receipt.last_day == date(2026, 8, 1)
    assert overdue().get() == receipt
    assert receipt.sha256 == hash_of(receipt)
    assert capsys.readouterr().out.splitlines() == [
        "1 opening balances would be imported, 0 there already",
        "1 opening balances imported, 0 there already",
        "0 opening balances imported, 1 there already",
    ]
    with pytest.raises(Conflict, match="Give back what is wrong of it by a credit note"):
        void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="x")
    connection.check_constraints()


def test_what_is_wrong_of_one_is_given_back_and_the_rest_given_up(
    genomics: Project, tmp_path: Path
) -> None:
    brought(tmp_path, "genomics,OLD-7,2026-08-01,2026-08-31,1234.50,THB\n")
    opening, clerk = Receipt.objects.get(), Actor.of(make_user("clerk", groups=("finance",)))
    (line,) = opening.lines.all()
    parts = [Part(line.pk, Decimal("234.50"))]
    note = ask_credit(receipt_id=opening.pk, parts=parts, reason="was wrong", actor=clerk)
    assert note is not None
    assert note.corrects == opening
    assert (note.total, note.tax_amount) == (Decimal("-234.50"), Decimal(0))
    assert note.number == "CN-2026-000001"
    assert bytes(pdf_file(receipt=note).content).startswith(b"%PDF-")
    again = [Part(line.pk, Decimal("1000.01"))]
    with pytest.raises(Invalid, match="only 1000"):
        ask_credit(receipt_id=opening.pk, parts=again, reason="was wrong", actor=clerk)
    wanted = request_write_off(receipt_id=opening.pk, reason="lost", actor=clerk)
    second = Actor.of(make_user("second", groups=("finance",)))
    approve_write_off(write_off_id=wanted.pk, actor=second)
    opening.refresh_from_db()
    assert opening.status == "written_off"
    connection.check_constraints()
    # Its revenue and tax are in the books of before: what is given back lessens revenue here.
    month = timezone.localdate().replace(day=1)
    booked = [(row.kind, row.account, row.amount) for row in journal(month)]
    assert booked == [
        ("charge", "1130", Decimal("-234.5")), ("charge", "4100", Decimal("234.5")),
        ("opening", "1120", Decimal("1234.5")), ("opening", "3900", Decimal("-1234.5")),
        ("credit_note", "1120", Decimal("-234.5")), ("credit_note", "1130", Decimal("234.5")),
        ("write_off", "5400", Decimal(1000)), ("write_off", "1120", Decimal(-1000)),
    ]  # fmt: skip
    assert supplies(month) == []
    only = ("lines", "totals", "credit_notes", "settlement", "journal", "ledger")
    assert [found for result in check_books(only=only) for found in result.first] == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("other,OLD-1,2026-08-01,2026-08-31,1,THB", "there is no project"),
        ("genomics,,2026-08-01,2026-08-31,1,THB", "1 to 64 characters"),
        ("genomics,OLD-1,2026-08-01,2026-07-31,1,THB", "due before"),
        ("genomics,OLD-1,2999-08-01,2999-08-31,1,THB", "in the future"),
        ("genomics,OLD-1,1.8.2026,2026-08-31,1,THB", "isoformat"),
        ("genomics,OLD-1,2026-08-01,2026-08-31,-1,THB", "more than zero"),
        ("genomics,OLD-1,2026-08-01,2026-08-31,0.001,THB", "fewer decimals"),
        ("genomics,OLD-1,2026-08-01,2026-08-31,one,THB", "no number"),
        ("genomics,OLD-1,2026-08-01,2026-08-31,1,baht", "three capital letters"),
        ("genomics,OLD-1,2026-08-01,2026-08-31,1", "has 6 cells"),
        ("genomics,OLD-9,2026-08-01,2026-08-31,2,THB", "is there twice"),
    ],
)
def test_a_wrong_line_is_told_and_nothing_is_imported(
    genomics: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, said: str
) -> None:
    good = "genomics,OLD-9,2026-08-01,2026-08-31,1,THB\n"
    with pytest.raises(CommandError, match="nothing was imported"):
        brought(tmp_path, f"{good}{row}\n")
    told = capsys.readouterr().err
    assert "line 3: " in told
    assert said in told
    assert not Receipt.objects.exists()


def test_a_number_that_says_otherwise_is_refused(genomics: Project, tmp_path: Path) -> None:
    brought(tmp_path, "genomics,OLD-7,2026-08-01,2026-08-31,5,THB\n")
    with pytest.raises(CommandError):
        brought(tmp_path, "genomics,OLD-7,2026-08-01,2026-08-31,6,THB\n")
    assert Receipt.objects.get().total == 5


def test_a_series_goes_on_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("open_series", "RC", "2026", "41", "--pattern", "{code}{be}/{number:04d}")
    assert capsys.readouterr().out == "The next number is RC2569/0042.\n"
    assert Series.objects.get().last_number == 41
    with pytest.raises(CommandError, match="has begun already"):
        call_command("open_series", "RC", "2026", "41")
