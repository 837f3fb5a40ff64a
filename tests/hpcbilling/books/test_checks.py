"""Each check of the books passes on a rich scene, and notices what was done behind the product."""

import pytest
from django.db import connection

from hpcbilling.books import CHECKS, Break, check_books
from tests.hpcbilling.books.tampering import TAMPERS, Tamper

NAMES = [check.name for check in CHECKS]


def found(*only: str) -> dict[str, list[Break]]:
    return {
        result.check.name: list(result.first) for result in check_books(only=only) if result.breaks
    }


def test_a_site_with_one_of_everything_balances(scene_database: str) -> None:
    results = list(check_books())
    assert [result.check.name for result in results] == NAMES
    assert [found for result in results for found in result.first] == []


@pytest.mark.parametrize("tamper", TAMPERS, ids=[f"{one.check}-{one.field}" for one in TAMPERS])
def test_a_break_is_noticed(rolled_back: None, tamper: Tamper) -> None:
    assert found(tamper.check) == {}
    with connection.cursor() as cursor:
        cursor.execute(tamper.sql)
        assert cursor.rowcount, "it hits no row, so it shows nothing"
    assert tamper.field in {one.field for one in found(tamper.check)[tamper.check]}


def test_every_check_is_shown_to_notice_something() -> None:
    shown = {tamper.check for tamper in TAMPERS}
    assert shown == {check.name for check in CHECKS if not check.informs}
