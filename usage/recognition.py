"""Knowing a row again by its bytes, so that what did not change is not even interpreted.

Most rows of a night were read the night before. Each job keeps a digest of the row that it was last
read from and of all that decided how that was read. A row with the same digest says the same.

A job that an incomplete import left is not recognised: its row is read in full, and confirms it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from struct import Struct

from django.db import connection

from usage.models import ImportRun
from usage.sources.sieve import DIGEST_BYTES

MOST_SKIPPED = 8
"""So many job ids between two that are asked for are looked at, too: a way along the index is
shorter than two ways down."""

_DIGESTS = Struct(f"{DIGEST_BYTES}s")
_FIND = """
    SELECT string_agg(uuid_send(j.raw_digest), ''::bytea)
      FROM unnest(%(first)s::bigint[], %(last)s::bigint[]) AS s (first, last)
      JOIN usage_job j ON j.cluster_id = %(cluster)s AND j.job_id BETWEEN s.first AND s.last
     WHERE j.raw_digest IS NOT NULL AND j.run_id NOT IN (
             SELECT id FROM usage_importrun
              WHERE cluster_id = %(cluster)s AND status = 'incomplete'
           )"""


def recogniser(run: ImportRun) -> Callable[[Collection[int]], Collection[bytes]]:
    """Return what tells the digests of rows that say what their jobs say already."""

    def known(job_ids: Collection[int]) -> Collection[bytes]:
        firsts, lasts = zip(*_spans(job_ids), strict=True)
        arguments: dict[str, int | str] = {
            "first": _array(firsts),
            "last": _array(lasts),
            "cluster": run.cluster_id,
        }
        with connection.cursor() as cursor:
            cursor.execute(_FIND, arguments)
            found = bytes(cursor.fetchone()[0] or b"")
        return set(chain.from_iterable(_DIGESTS.iter_unpack(found)))

    return known


def _array(numbers: Iterable[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


def _spans(job_ids: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of ids that lie close together."""
    least, greatest = min(job_ids), max(job_ids)
    if greatest - least < MOST_SKIPPED * len(job_ids):
        yield least, greatest
        return
    ordered = sorted(job_ids)
    first = last = ordered[0]
    for job_id in ordered:
        if job_id - last > MOST_SKIPPED:
            yield first, last
            first = job_id
        last = job_id
    yield first, last
