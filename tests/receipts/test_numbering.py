"""Numbers: gapless, and going on where another system stopped."""

import pytest

from core.errors import Conflict, Invalid
from receipts.models import Series
from receipts.services import create_receipt, open_series
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
