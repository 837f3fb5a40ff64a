"""Rows for spreadsheets (pure): CSV text in which no cell is a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"
"""Makes Excel read the file as UTF-8, Thai included."""


def neutral(value: Any) -> Any:
    """Return a cell's value so that a spreadsheet shows it and never computes it.

    A text that begins like a formula gets an apostrophe in front; numbers stay numbers.
    """
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def csv_lines(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield a CSV document line by line, in constant memory, beginning with a byte order mark."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(BOM)
    writer.writerow([neutral(cell) for cell in header])
    for row in rows:
        yield _taken(buffer)
        writer.writerow([neutral(cell) for cell in row])
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
