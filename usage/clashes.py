"""Rows of one input that say different things of one job.

slurmdbd has each attempt of a job once. Text can have it twice if files were put together, or if a
job's name holds a line feed and a whole forged row: then nothing tells which of the two is real. So
the first row stands, the others are quarantined, and the input waits for a person. (A forged row of
a job that is nowhere else in the input can't be told from a real one at all; it shows in the
comparison with Slurm's own totals. Where users are not trusted, take JSON, or leave free text such
as JobName out.)

Within a batch of rows this is seen in passing. Across batches it matters only where the input would
change a job that is known: before it does, the whole input is looked over once, by PostgreSQL and
however large it is, and what contradicts a row before it is never merged. That an import changes no
job which it wrote itself is a rule of the database too (trigger ``usage_job_said_once``).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial

from django.db import connection
from psycopg import sql

from core.bulk import copy_blocks
from usage.ages import moment_of
from usage.batches import clash
from usage.reasons import FileRefused
from usage.sources.sacct import Parsed
from usage.times import utc_if_told

SHARE = 10_000
"""So many rows are written down at a time; memory stays bounded."""

_BEGIN = """
    DROP TABLE IF EXISTS usage_told, usage_clash;
    CREATE TEMPORARY TABLE usage_told (
           line bigint NOT NULL, job_id bigint NOT NULL, submit bigint NOT NULL, said uuid NOT NULL)
"""
_TAKE = sql.SQL("COPY usage_told FROM STDIN")
_FIND = """
    CREATE TEMPORARY TABLE usage_clash AS
    SELECT t.line FROM usage_told t JOIN (
             SELECT job_id, submit, (array_agg(said ORDER BY line))[1] AS first FROM usage_told
              GROUP BY job_id, submit HAVING min(said::text) <> max(said::text)
           ) f USING (job_id, submit)
     WHERE t.said <> f.first;
    CREATE INDEX ON usage_clash (line);
    DROP TABLE usage_told
"""
_NEXT = "SELECT line FROM usage_clash WHERE line > %s ORDER BY line LIMIT 1000"


@contextmanager
def looked_over(rows: Iterable[Parsed]) -> Iterator[datetime | None]:
    """Look over all rows of an input; yields the latest moment that they tell.

    Within the block ``sorted_out`` knows which of them contradict a row before them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN)
        latest = _take_down(rows)
        cursor.execute(_FIND)
        try:
            yield latest
        finally:
            cursor.execute("DROP TABLE IF EXISTS usage_clash")


def _take_down(rows: Iterable[Parsed]) -> datetime | None:
    latest, lines = None, list[str]()
    # What is refused on the way is refused again when it is read to be imported.
    with suppress(FileRefused):
        for row in rows:
            job = row.job
            if job is None:
                continue
            moment = moment_of(job)
            latest = moment if latest is None or moment > latest else latest
            said = job.fingerprint[:32]
            lines.append(f"{row.line}\t{job.job_id}\t{job.submit_at}\t{said}\n")
            if len(lines) == SHARE:
                copy_blocks(_TAKE, ["".join(lines)])
                lines.clear()
    copy_blocks(_TAKE, ["".join(lines)])
    return utc_if_told(latest)


Ask = Callable[[Callable[[], list[int]]], list[int]]


def sorted_out(rows: Iterable[Parsed], ask: Ask) -> Iterator[Parsed]:
    """Return the rows of an input that was looked over; what contradicts a row before is bad.

    Jobs come in the order of their lines, each behind its steps. ``ask`` has the database asked by
    the thread that has the connection.
    """
    clashes = _clashes(ask)
    line = next(clashes, None)
    for row in rows:
        if row.job is None:
            yield row
            continue
        while line is not None and line < row.line:
            line = next(clashes, None)
        yield clash(row) if row.line == line else row


def contradictions_found() -> bool:
    """Whether rows of the input that was looked over contradict others."""
    return bool(_clashes_after(-1))


def _clashes(ask: Ask) -> Iterator[int]:
    last = -1
    while lines := ask(partial(_clashes_after, last)):
        yield from lines
        last = lines[-1]


def _clashes_after(line: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [line])
        return [line for (line,) in cursor.fetchall()]
