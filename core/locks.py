"""Locks that order the work of several processes. PostgreSQL keeps them; nothing else does.

Rows are locked FOR NO KEY UPDATE: it excludes other writers and lets foreign-key checks pass, so
that the deferred audit chain can't deadlock with them. The order is that of docs/architecture.md:
project → receipt → payment → job → period → counter → number series → audit head, within a table by
primary key. Counters that are missing are made before any is locked, in the order of project, rate
and month.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


class Space(IntEnum):
    """Name spaces of advisory locks: one number for each kind of thing."""

    CLUSTER_IMPORT = 1
    IMPORT_RUN = 2
    PRICE_LISTS = 3
    PULL = 4
    API_KEY = 5
    QUARANTINE = 6
    WINDOW = 7
    RATING = 8
    READER = 9
    STUDY = 10
    PERIODS = 11


def key_of(name: object) -> int:
    """Return a signed 32-bit key for a name; a clash only makes two holders wait for each other."""
    return zlib.crc32(str(name).encode()) - 2**31


def lock_rows(queryset: QuerySet[M], *pks: Any) -> list[M]:
    """Lock the rows with these keys in key order and return them as they are now."""
    rows = queryset.select_for_update(no_key=True, of=("self",)).filter(pk__in=pks).order_by("pk")
    return list(rows)


def hold_until_commit(space: Space, name: object, *, shared: bool = False) -> None:
    """Take an advisory lock that ends with the transaction; waits for it."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [int(space), key_of(name)])


@contextmanager
def session_lock(space: Space, name: object) -> Iterator[bool]:
    """Try to hold an advisory lock over several transactions; yields whether it was got.

    PostgreSQL drops it when the connection ends, so a killed holder never blocks the next one.
    """
    arguments = [int(space), key_of(name)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", arguments)
        held = bool(cursor.fetchone()[0])
    try:
        yield held
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", arguments)
