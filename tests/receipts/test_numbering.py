"""Numbers: gapless, and going on where another system stopped."""

import pytest
from pytest_django import Settings

from core.errors import Conflict, Invalid
from receipts.models import Series
from receipts.services import create_receipt, open_series, void_receipt
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project

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
