"""Running the checks: all over one and the same state of the database."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from hpcbilling.books import charges, documents, jobs, ledger, months, settlement, trail
from hpcbilling.books.found import Break, Check

CHECKS: tuple[Check, ...] = (
    *charges.CHECKS,
    *jobs.CHECKS,
    *documents.CHECKS,
    *settlement.CHECKS,
    *months.CHECKS,
    *ledger.CHECKS,
    *trail.CHECKS,
)
KEPT = 20
"""So many breaks of a check are kept; all are counted."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found: how many, the first of them, and how long it took."""

    check: Check
    count: int
    first: Sequence[Break]
    seconds: float

    @property
    def breaks(self) -> int:
        """How many things are wrong; nothing that is only to be known."""
        return 0 if self.check.informs else self.count


def check_books(
    *,
    only: Sequence[str] = (),
    tell: Callable[[Check, Break], None] = lambda check, found: None,
    begun: Callable[[Check], None] = lambda check: None,
) -> Iterator[Result]:
    """Yield each check's result; ``tell`` is told of every break as it is found.

    All see the database as it is at the beginning, whatever is written meanwhile, and write
    nothing. Memory does not grow with the database.
    """
    with _one_state():
        for check in CHECKS:
            if only and check.name not in only:
                continue
            begun(check)
            yield _run(check, tell)


def _run(check: Check, tell: Callable[[Check, Break], None]) -> Result:
    start, count = time.monotonic(), 0
    first: list[Break] = []
    for found in check.find():
        count += 1
        if len(first) < KEPT:
            first.append(found)
        tell(check, found)
    return Result(check, count, first, time.monotonic() - start)


@contextmanager
def _one_state() -> Iterator[None]:
    """A transaction that sees one state of the database; within another one, what that one sees."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # Large sums are read once.
        cursor.execute("SET LOCAL work_mem = '64MB'")
        yield
