"""Adding many rows at once by PostgreSQL's COPY: several times faster than INSERT from the ORM."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import F, Func, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from psycopg import sql
from psycopg.types.json import Jsonb

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")

LINES_AT_ONCE = 500
"""Lines that are sent in one piece."""

_DENSE = 4
"""Keys are looked up one by one if their span has so many times as many."""
_MANY = 100
"""Fewer are looked up one by one anyhow: of what is computed PostgreSQL has no statistics."""
_FEW = 10
"""So few are said as they are: PostgreSQL then knows best which index finds the fewest rows."""

COPY_FROM = 100
"""Below this many rows INSERT is as fast, and its errors say more."""


def insert_many(objects: Sequence[M]) -> None:
    """Add rows of one model; the objects do not learn their keys.

    Constraints, triggers and the key's sequence work as ever, and columns with a default in the
    database take that. What `bulk_create` does not do is not done here either (no signals, no
    `save()`).
    """
    if len(objects) < COPY_FROM:
        if objects:
            QuerySet[M](type(objects[0])).bulk_create(objects)
        return
    model = type(objects[0])
    fields = [field for field in model._meta.concrete_fields if not _made_by_database(field)]
    read = [_reader(field) for field in fields]
    columns = [sql.Identifier(str(field.column)) for field in fields]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model._meta.db_table), sql.SQL(", ").join(columns)
    )
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        for item in objects:
            copy.write_row([value(item) for value in read])


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to ``size`` items."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def any_of(field: str, keys: Iterable[int]) -> Q:
    """Return what ``Q(field__in=keys)`` is, with one parameter for many keys: for thousands of
    them, putting each into the statement takes longer than to find the rows.

    The least and the greatest key are said, too. A table that has just been filled has no
    statistics yet; PostgreSQL then takes thousands of keys for a good part of it and reads it whole
    for each batch, but a span it looks up. Where the keys are a good part of their span, that is
    read in one go, and the others are left out, in half of the time that it takes to look up each.
    """
    keys = tuple(keys)
    if len(keys) <= _FEW:
        return Q(**{f"{field}__in": keys})
    least, greatest = min(keys), max(keys)
    is_dense = len(keys) > _MANY and greatest - least < _DENSE * len(keys)
    # What is computed is not looked up in an index.
    key = F(field) + 0 if is_dense else F(field)
    return Q(_Any(key, keys), **{f"{field}__gte": least, f"{field}__lte": greatest})


class _Any(Func):
    template = "%(expressions)s::bigint[])"
    arg_joiner = " = ANY("
    output_field = models.BooleanField()

    def __init__(self, key: Combinable, keys: Iterable[int]) -> None:
        # As text, because an adapter would look at each key.
        super().__init__(key, Value(f"{{{','.join(map(str, keys))}}}", models.TextField()))


def look_up_by_index() -> None:
    """Let the current transaction look rows up by their index, whatever the statistics say.

    What a bulk act has just written is not in the statistics: judging by those, PostgreSQL reads
    whole tables where a few thousand lookups would do, and the more years they hold the longer.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
            "SET LOCAL work_mem = '32MB'"
        )


def copy_lines(table: str, columns: Sequence[str], lines: Iterable[str]) -> bool:
    """Add rows given as lines of COPY's text format; returns whether there was any.

    For rows by the million. The server takes in lines while the next ones are made; whoever makes
    them can't ask the database meanwhile (RuntimeError). Text that did not come from here has to be
    escaped.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.execute_wrapper(_busy):
        blocks = in_batches(lines, LINES_AT_ONCE)
        first = next(blocks, None)
        if first is None:
            return False
        copy_blocks(statement, ("".join(block) for block in chain([first], blocks)))
    return True


def make_room() -> None:
    """Let the server keep all rows of a batch in memory for the rules that look at a whole
    statement, until the transaction ends: more than the usual 4 MB, and writing them to a file
    would cost a sixth of what adding them costs."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '32MB'")


def copy_blocks(statement: sql.SQL | sql.Composed, blocks: Iterable[str | bytes]) -> None:
    """Give the blocks of many rows to a COPY, within the caller's transaction."""
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        for block in blocks:
            copy.write(block)


def _busy(*_statement: object) -> None:
    raise RuntimeError("the connection is busy with COPY")


def _made_by_database(field: models.Field[Any, Any]) -> bool:
    return isinstance(field, models.AutoField | models.BigAutoField) or field.has_db_default()


def _reader(field: models.Field[Any, Any]) -> Callable[[models.Model], Any]:
    """Return what takes a field's value from an object, as psycopg writes it."""
    name = field.attname
    if isinstance(field, models.JSONField):
        return lambda item: Jsonb(getattr(item, name))
    if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
        return lambda item: field.pre_save(item, add=True)
    return lambda item: getattr(item, name)
