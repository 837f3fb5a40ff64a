"""Numbers: gapless, and going on where another system stopped."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from core.actor import Actor
from core.errors import Conflict, Invalid
from payments.services import Transfer, record_transfer
from receipts.models import Receipt, Series
from receipts.services import create_receipt, draft_receipt, open_series, void_receipt
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.django_db


def test_a_series_goes_on_with_the_numbers_of_before() -> None:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1))
    pattern = "ศูนย์ {be}/{number:04d}"
    open_series(code="RC", year=2026, last_number=417, pattern=pattern, actor=SYSTEM)
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert (receipt.sequence, receipt.number) == (418, "ศูนย์ 2569/0418")


def test_a_series_begins_once() -> None:
    open_series(code="RC", year=2026, last_number=3, pattern="{number}", actor=SYSTEM)
    with pytest.raises(Conflict):
        open_series(code="RC", year=2026, last_number=9, pattern="{number}", actor=SYSTEM)
    assert Series.objects.get().last_number == 3


@pytest.mark.parametrize("pattern", ["", "RC", "{number}{number}", "{0}{number}", "{number:6}"])
def test_a_pattern_has_one_number(pattern: str) -> None:
    with pytest.raises(Invalid):
        open_series(code="RC", year=2026, last_number=3, pattern=pattern, actor=SYSTEM)


def test_series_that_share_numbers_do_not_both_begin() -> None:
    open_series(code="RC", year=2026, last_number=3, pattern="{year}/{number:05d}", actor=SYSTEM)
    for pattern in ("{year}/{number:05d}", "2026/{number}", "{year}/1{number:04d}"):
        with pytest.raises(Invalid):
            open_series(code="CN", year=2026, last_number=0, pattern=pattern, actor=SYSTEM)
    open_series(code="CN", year=2026, last_number=0, pattern="C{year}/{number:05d}", actor=SYSTEM)
    open_series(code="RC", year=2027, last_number=0, pattern="{year}/{number:05d}", actor=SYSTEM)
    open_series(code="OR", year=2026, last_number=0, pattern="{year}/{number:05d}", actor=SYSTEM)


def test_numbers_without_a_year_go_on_in_the_next_one() -> None:
    open_series(code="RC", year=2026, last_number=417, pattern="R{number:05d}", actor=SYSTEM)
    with pytest.raises(Invalid):
        open_series(code="RC", year=2027, last_number=416, pattern="R{number:05d}", actor=SYSTEM)
    open_series(code="RC", year=2027, last_number=417, pattern="R{number:05d}", actor=SYSTEM)


def test_a_series_that_would_repeat_numbers_does_not_begin_by_itself(settings: Settings) -> None:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1))
    settings.SERIES_PATTERN = "{year}/{number:05d}"
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    with pytest.raises(Conflict) as refused:
        void_receipt(receipt_id=receipt.pk, reason="wrong project", actor=SYSTEM)
    assert refused.value.code == "same_numbers"
    year = Series.objects.get().fiscal_year
    open_series(code="CN", year=year, last_number=0, pattern="C{number}", actor=SYSTEM)
    void_receipt(receipt_id=receipt.pk, reason="wrong project", actor=SYSTEM)
    assert receipt.credit_notes.get().number == "C1"


@pytest.mark.parametrize("pattern", ["RC\n{number}", "RC\u202e{number}", "R" * 55 + "{number}"])
def test_a_number_can_be_printed_and_kept(pattern: str) -> None:
    with pytest.raises(Invalid):
        open_series(code="RC", year=2026, last_number=3, pattern=pattern, actor=SYSTEM)


def issued() -> Receipt:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1))
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


def move(code: str) -> None:
    """Go on to the next number of a series by SQL, as the application's role may, and commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE receipts_series SET last_number = last_number + 1 WHERE code = %s", [code]
        )
    connection.check_constraints()


def test_a_counter_moved_by_sql_is_refused_at_commit_and_issuing_goes_on(
    settings: Settings,
) -> None:
    settings.DOCUMENT_AT_PAYMENT = "receipt"
    receipt = issued()
    transfer = Transfer("T-1", timezone.localdate(), receipt.total, receipt.currency)
    clerk = Actor.of(make_user("clerk"))
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=clerk)
    void_receipt(receipt_id=receipt.pk, reason="wrong project", actor=SYSTEM)
    open_series(code="XX", year=2026, last_number=417, pattern="X{number}", actor=SYSTEM)
    connection.check_constraints()
    codes = set(Series.objects.values_list("code", flat=True))
    assert codes == {"RC", "CN", "OR", "XX"}
    for code in codes:
        with pytest.raises(IntegrityError, match="is on no document"), transaction.atomic():
            move(code)
    again = create_receipt(project_id=receipt.project_id, window=OCTOBER, actor=SYSTEM)
    assert again.sequence == 2
    connection.check_constraints()


def test_no_document_takes_a_number_that_its_series_has_not_come_to() -> None:
    receipt = issued()
    void_receipt(receipt_id=receipt.pk, reason="wrong project", actor=SYSTEM)
    draft = draft_receipt(project_id=receipt.project_id, window=OCTOBER, actor=SYSTEM)
    issue = """
        UPDATE receipts_receipt d SET status = 'issued', number = 'RC-2', sequence = 2,
               series_id = s.id, issued_at = now(), due_on = now(), sha256 = 'x', verify_token = 'x'
          FROM receipts_series s WHERE s.code = 'RC' AND d.id = %s
    """
    with connection.cursor() as cursor:
        with pytest.raises(IntegrityError, match="not the next"), transaction.atomic():
            cursor.execute(issue, [draft.pk])
        cursor.execute("UPDATE receipts_series SET last_number = 2 WHERE code = 'RC'")
        cursor.execute(issue, [draft.pk])
    connection.check_constraints()
