"""Knowing a row again by its bytes, so that what did not change is not even interpreted.

Most rows of a night were read the night before. Each job keeps a digest of the row that it was last
read from and of all that decided how that was read. A row with the same digest says the same: only
its job id and submit time have to be read, to find the job.

A job that an incomplete import left is not recognised: its row is read in full, and confirms it.
"""

from collections.abc import Callable, Collection, Sequence

from django.db import connection

from usage.models import ImportRun
from usage.sources.sacct import Sketch

_FIND = """
    SELECT s.place FROM unnest(
             string_to_array(%(jobs)s, ',')::bigint[],
             string_to_array(%(submits)s, ',')::bigint[],
             string_to_array(%(digests)s, ',')::uuid[]
           ) WITH ORDINALITY AS s (job_id, submit, digest, place)
     WHERE (
             SELECT j.raw_digest = s.digest AND j.run_id NOT IN (
                      SELECT id FROM usage_importrun
                       WHERE cluster_id = %(cluster)s AND status = 'incomplete'
                    )
               FROM usage_job j
              WHERE j.cluster_id = %(cluster)s AND j.job_id = s.job_id
                AND j.submit = to_timestamp(s.submit)
              LIMIT 1
           )"""


def recogniser(run: ImportRun) -> Callable[[Sequence[Sketch]], Collection[int]]:
    """Return what tells which of some rows are known: their places in the sequence."""

    def known(sketches: Sequence[Sketch]) -> Collection[int]:
        if not sketches:
            return ()
        jobs, submits, digests = zip(*sketches, strict=True)
        arguments: dict[str, str | int] = {
            "jobs": ",".join(jobs),
            "submits": ",".join(submits),
            "digests": ",".join(digests),
            "cluster": run.cluster_id,
        }
        with connection.cursor() as cursor:
            cursor.execute(_FIND, arguments)
            return {place - 1 for (place,) in cursor.fetchall()}

    return known
