"""CSV that a spreadsheet shows and never computes."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.spreadsheet import BOM, csv_lines, neutral


@pytest.mark.parametrize(
    "text", ["=cmd()", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1"]
)
def test_formulas_become_text(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("value", ["plain", "", "a=b", -5, None])
def test_other_values_stay(value: object) -> None:
    assert neutral(value) is value


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1)))
def test_what_is_written_is_read_back(rows: list[list[str]]) -> None:
    document = "".join(csv_lines(["head"], rows)).removeprefix(BOM)
    read = list(csv.reader(io.StringIO(document, newline="")))
    assert read == [["head"], *[[neutral(cell) for cell in row] for row in rows]]


def test_rows_leave_one_by_one() -> None:
    lines = csv_lines(["n"], ([number] for number in range(3)))
    assert next(lines) == f"{BOM}n\r\n"
    assert list(lines) == ["0\r\n", "1\r\n", "2\r\n"]
