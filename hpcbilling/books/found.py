"""What a check of the books is, and what it finds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from django.db import connection

from core.errors import Text

CHUNK = 2000
_SHORT = {
    "@named": "coalesce(d.number, 'draft ' || d.id)",
    "@issued": "d.status NOT IN ('draft', 'pending')",
    "@live": "c.reverses_id IS NULL AND NOT EXISTS ("
    "SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)",
}
"""What stands in statements for: how a document ``d`` is called, that it is issued, and that a
charge ``c`` is in force."""


class Break(NamedTuple):
    """Something that is stored otherwise than it has to be: of what, which field, stored and
    computed."""

    about: str
    field: str
    stored: str
    computed: str


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant over the whole database.

    ``find`` yields what breaks it, in constant memory. What a check that ``informs`` yields is not
    wrong: it is to be known.
    """

    name: str
    title: Text
    find: Callable[[], Iterator[Break]]
    informs: bool = False


def rows(
    statement: str, values: Sequence[str | int | date | datetime] = ()
) -> Iterator[tuple[object, ...]]:
    """Yield what a statement selects by a cursor of the server's, so that memory does not grow with
    the rows; within a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, list(values) or None)
        while chunk := cursor.fetchmany(CHUNK):
            yield from chunk


def sql_check(name: str, title: Text, *statements: str, informs: bool = False) -> Check:
    """Make a check of statements that select ``Break``'s four columns for each break."""
    written = [_in_full(statement) for statement in statements]

    def find() -> Iterator[Break]:
        for statement in written:
            for about, field, stored, computed in rows(statement):
                yield Break(str(about), str(field), text_of(stored), text_of(computed))

    return Check(name, title, find, informs=informs)


def _in_full(statement: str) -> str:
    for short, full in _SHORT.items():
        statement = statement.replace(short, full)
    return statement


def compare(about: str, pairs: Iterable[tuple[str, object, object]]) -> Iterator[Break]:
    """Yield a break for each field whose two values are not the same."""
    for field, stored, computed in pairs:
        if stored != computed:
            yield Break(about, field, text_of(stored), text_of(computed))


def text_of(value: object) -> str:
    """Return a value as it is told; nothing is empty."""
    return "" if value is None else str(value)
