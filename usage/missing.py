"""Jobs that Slurm no longer has: reported, never deleted.

Archiving takes rows away, and may bring them back; a missing row never means that a job did not
run.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from django.db import connection
from django.db.models import QuerySet

from usage.intake import reader_for
from usage.models import ImportRun, Job, Window

PIECE = 5000

_FIND = """
    INSERT INTO usage_missingjob (job_id, window_id, noticed_at)
    SELECT job.id, %(window)s, now() FROM usage_job job
     WHERE job.cluster_id = %(cluster)s AND job."end" >= %(start)s AND job."end" < %(end)s
       AND NOT EXISTS (SELECT 1 FROM answered WHERE answered.job_id = job.job_id
                          AND answered.submit = job.submit)
     ORDER BY job.id
        ON CONFLICT (job_id) DO UPDATE
       SET window_id = excluded.window_id, noticed_at = excluded.noticed_at, returned_at = NULL
     WHERE usage_missingjob.returned_at IS NOT NULL
"""
_BACK = """
    UPDATE usage_missingjob SET returned_at = now() FROM usage_job job, answered
     WHERE usage_missingjob.job_id = job.id AND usage_missingjob.returned_at IS NULL
       AND job.cluster_id = %(cluster)s
       AND answered.job_id = job.job_id AND answered.submit = job.submit
"""


def note(window: Window, run: ImportRun | None) -> int:
    """Note which jobs that ended inside a window its answer no longer has, and which came back.

    Within the caller's transaction; returns how many are newly missed. ``run`` is the import of the
    answer, None for an empty one. An import with rows in quarantine proves nothing, so that it is
    left out. Only jobs that were known before the pull began can be missed.
    """
    if run is not None and run.status != ImportRun.Status.COMPLETE:
        return 0
    if not _known_before(window).exists():
        return 0
    place: dict[str, int | datetime] = {
        "window": window.pk,
        "cluster": window.cluster_id,
        "start": window.start,
        "end": window.end,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE answered (job_id bigint, submit timestamptz) ON COMMIT DROP"
        )
        if run is not None:
            keys = _keys(run)
            # A piece at a time: the evidence is read over the same connection as it goes.
            while piece := list(islice(keys, PIECE)):
                with cursor.copy("COPY answered FROM STDIN") as copy:
                    for key in piece:
                        copy.write_row(key)
            cursor.execute("ANALYZE answered")
        cursor.execute(_BACK, place)
        cursor.execute(_FIND, place)
        found = int(cursor.rowcount)
        cursor.execute("DROP TABLE answered")
    return found


def _known_before(window: Window) -> QuerySet[Job]:
    jobs = Job.objects.filter(
        cluster_id=window.cluster_id, end__gte=window.start, end__lt=window.end
    )
    if window.pull is None:
        return jobs
    ours = Window.objects.filter(pull=window.pull, run__isnull=False).values("run")
    return jobs.exclude(run__in=ours)


def _keys(run: ImportRun) -> Iterator[tuple[int, datetime]]:
    for row in reader_for(run):
        if row.job is not None:
            yield row.job.job_id, row.job.submit
