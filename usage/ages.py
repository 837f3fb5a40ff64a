"""How old an input is, so that an older one never undoes what a newer one told.

Files arrive in any order: one that was saved last week may be imported first tonight. The rule:

* An answer of Slurm itself is as of the moment at which it was asked for.
* A file is as of what a person states, and else of the latest moment that it tells: it can't have
  been made before that. So its age is never taken for less than it is. When a file was written or
  sent says nothing: it may be a copy.
* A job is changed by an input that is as of the same moment as the one that it was last read from,
  or a later one. From an older one it stays as it is, and the import counts it (``jobs_older``).
* Whatever the ages, a job that ran is ended by an input that has its end, and a figure that Slurm
  recorded replaces an estimate. Nothing makes a job run again that had ended.

The way out, where a file is newer than it looks (a corrected export of few jobs, say): give the
moment at which it was made, with ``--as-of`` or on the upload page. The last two rules stand in the
database too (trigger ``usage_job_not_set_back``).
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.errors import Invalid
from usage.models import ImportRun
from usage.normalise import JobRow
from usage.reasons import FileRefused
from usage.sources.sacct import Parsed
from usage.times import utc_if_told

CLOCKS_DIFFER = timedelta(minutes=5)


def check_age(as_of: datetime | None) -> None:
    """Raise Invalid for a moment that is still to come."""
    if as_of is not None and as_of > timezone.now() + CLOCKS_DIFFER:
        raise Invalid("as_of", _("An input can't be from the future."))


def moment_of(job: JobRow) -> int:
    """Return the latest moment that a row tells, in seconds since 1970: until then it can't have
    been written."""
    if job.end_at is not None:
        return max(job.end_at, job.submit_at)
    if job.start_at is None:
        return job.submit_at
    return max(job.submit_at, job.start_at + job.held_seconds)


def find_ages(run: ImportRun, read: Callable[[ImportRun], Iterable[Parsed]]) -> None:
    """Find out how old an import is, and others of its cluster that are being read meanwhile, where
    that is not known: else what the newer one has just told could be changed by the older one.

    Of two that are being read the one that began later sees the other. An import that is alone
    learns its age on the way, or at its end.
    """
    others = ImportRun.objects.filter(cluster=run.cluster_id, status=ImportRun.Status.RUNNING)
    others = others.exclude(pk=run.pk).select_related("cluster", "evidence")
    if not others.exists():
        return
    for each in (run, *others.filter(as_of=None)):
        if each.as_of is None:
            each.as_of = latest_in(partial(read, each)) or each.created_at
            ImportRun.objects.filter(pk=each.pk, as_of=None).update(as_of=each.as_of)


def latest_in(read: Callable[[], Iterable[Parsed]]) -> datetime | None:
    """Return the latest moment that the rows of an input tell; None if they tell of none."""
    latest = None
    # What is refused is refused again when it is read to be imported.
    with suppress(FileRefused):
        for row in read():
            if row.job is not None and (latest is None or moment_of(row.job) > latest):
                latest = moment_of(row.job)
    return utc_if_told(latest)


_LATEST = """
    SELECT max(greatest(submit, coalesce("end",
               start + (elapsed_seconds + suspended_seconds) * interval '1 second', submit)))
      FROM usage_job WHERE run_id = %s"""


def latest_told(run: ImportRun) -> datetime | None:
    """Return the latest moment that the jobs which a run wrote tell; None if it wrote none.

    For a run that added jobs and changed none: nothing rests on what else it read.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [run.pk])
        found: datetime | None = cursor.fetchone()[0]
    return found
