"""Importing usage: evidence first, then jobs in committed batches that can be resumed."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core import metrics
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import Space, hold_until_commit, lock_rows, session_lock
from core.queue import after_commit
from core.transitions import transition
from usage import evidence as evidence_store
from usage.ages import check_age, latest_told
from usage.intake import Progress, read_batches
from usage.models import Cluster, Evidence, ImportRun, Job, JobRevision
from usage.quarantine import release_if_dismissed
from usage.reasons import FileRefused
from usage.runs import RUN_TASK, STEPS, is_running
from usage.sources.unpacking import Readable

BATCH_ROWS = 10_000
"""Rows committed together. More is hardly faster; what is in memory grows with it, twice: while one
batch is written the next one is made."""

S = ImportRun.Status


def create_cluster(*, name: str, time_zone: str, actor: Actor) -> Cluster:
    """Add a cluster. Raises Invalid for an unknown time zone or a bad name."""
    check_time_zone(time_zone)
    with transaction.atomic():
        cluster = Cluster(name=name, time_zone=time_zone)
        cluster.full_clean()
        cluster.save()
        record(
            "cluster.created",
            actor=actor,
            target=cluster,
            data={"name": name, "time_zone": time_zone},
        )
    return cluster


def check_time_zone(name: str) -> None:
    """Raise Invalid unless the name is a known IANA time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Invalid(
            "time_zone",
            _("“%(name)s” is not a time zone. Use a name such as Asia/Bangkok.") % {"name": name},
        ) from error


def prepare_import(
    *,
    cluster: Cluster,
    stream: Readable,
    origin: str,
    actor: Actor,
    columns: Sequence[str] = (),
    time_zone: str = "",
    confirmed: bool = False,
    as_of: datetime | None = None,
) -> ImportRun:
    """Store the input and return the run that will read it, not yet started.

    ``as_of`` is the moment at which the input was made, if that is known (see ``usage.ages``).
    ``confirmed`` input needs nobody's word: its run counts as running from the start, so that it is
    gone on with if the caller dies. A run that waits for a person's word is left to them.

    Input that this cluster has read already in the same way gives the earlier run back, whatever
    its state: a running one may then be resumed, a finished one has nothing left to do. It is read
    once more only if it is known to be newer (``as_of``) than when it was read, and jobs were
    changed since, or were told otherwise before: what was changed there and then back would stay
    changed here. Raises Conflict for input whose jobs were read in another way, Invalid for an age
    or a zone that can't be.
    """
    zone = time_zone or cluster.time_zone
    check_time_zone(zone)
    check_age(as_of)
    stored = evidence_store.store(stream)
    with transaction.atomic():
        hold_until_commit(Space.CLUSTER_IMPORT, f"prepare {cluster.pk}")
        same = ImportRun.objects.filter(
            cluster=cluster, evidence=stored, columns=list(columns), time_zone=zone
        )
        passed_over = (S.FAILED, S.CANCELLED, *((S.PREPARED,) if confirmed else ()))
        known = same.exclude(status__in=passed_over).order_by("pk").last()
        if known is None:
            _check_not_read_otherwise(stored)
        elif not _reads_again(known, as_of):
            return known
        run = ImportRun.objects.create(
            cluster=cluster,
            evidence=stored,
            origin=origin[:255],
            columns=list(columns),
            time_zone=zone,
            status=S.RUNNING if confirmed else S.PREPARED,
            requested_by_id=actor.user_id,
            retry_of=known,
            as_of=as_of,
        )
        record(
            "import.prepared",
            actor=actor,
            target=run,
            data={
                "cluster": cluster.name,
                "sha256": stored.sha256,
                "origin": run.origin,
                "as_of": as_of.isoformat() if as_of else None,
            },
        )
    return run


def _reads_again(known: ImportRun, as_of: datetime | None) -> bool:
    """Whether input that was read already may change something: see ``prepare_import``."""
    if known.finished_at is None or as_of is None or (known.as_of and as_of <= known.as_of):
        return False
    return known.jobs_older > 0 or _overtaken(known)


def _overtaken(run: ImportRun) -> bool:
    """Whether imports that ended after this one began changed jobs of its cluster that had ended:
    one that was made before it may have waited for a word, or for its worker."""
    later = ImportRun.objects.filter(
        Q(finished_at=None) | Q(finished_at__gt=run.created_at), cluster=run.cluster_id
    ).exclude(pk=run.pk)
    if not later.filter(jobs_changed__gt=0).exists():
        return False
    replaced = JobRevision.objects.filter(job__run__in=later, revision=F("job__revision") - 1)
    return replaced.exclude(values__end=None).exists()


def _check_not_read_otherwise(stored: Evidence, run: ImportRun | None = None) -> None:
    """Raise Conflict if input gave jobs in another reading: for another cluster, with another time
    zone or other columns its jobs would be other jobs, and be billed a second time."""
    if run is not None and run.retry_of_id:
        return  # the same reading once more
    read = ImportRun.objects.filter(evidence=stored, rows_read__gt=F("steps") + F("quarantined"))
    other = read.exclude(pk=run.pk if run else 0).select_related("cluster").first()
    if other is not None:
        raise Conflict(
            "read_otherwise",
            _(
                "The jobs of this file were imported already, by import #%(run)s for cluster "
                "%(cluster)s with time zone %(zone)s. Read differently they would be billed twice."
            )
            % {"run": other.pk, "cluster": other.cluster.name, "zone": other.time_zone},
        )


def _read_otherwise() -> FileRefused:
    return FileRefused(
        "read_otherwise",
        "Another import gave the jobs of this file. Read differently they would be billed twice.",
    )


def confirm_import(*, run_id: int, actor: Actor) -> None:
    """Let the worker run a prepared import. Raises Conflict if it is not waiting for that, or if
    the jobs of its input were read in another way meanwhile."""
    with transaction.atomic():
        (run,) = lock_rows(ImportRun.objects.all(), run_id)
        if run.status != S.PREPARED:
            raise Conflict("stale_status", _("This import is not waiting for confirmation."))
        _check_not_read_otherwise(run.evidence, run)
        record("import.confirmed", actor=actor, target=run, data={"origin": run.origin})
        after_commit(RUN_TASK, run.pk)


def cancel_import(*, run_id: int, actor: Actor) -> None:
    """Give up a prepared run; its evidence stays."""
    with transaction.atomic():
        transition(
            ImportRun.objects.all(),
            table=STEPS,
            pk=run_id,
            before=S.PREPARED,
            after=S.CANCELLED,
            finished_at=timezone.now(),
        )
        record("import.cancelled", actor=actor, target=ImportRun(pk=run_id))


def run_import(*, run_id: int, actor: Actor, progress: Progress = lambda run: None) -> ImportRun:
    """Read a run's evidence to its end, from wherever it stands, and return the finished run.

    Commits batch by batch. A second caller for the same run is refused (Conflict) while the first
    one lives. A run that is finished already is returned as it is. Input that can't be read at all
    ends the run as FAILED with the reason in
    ``error_code`` and ``error``.
    """
    with session_lock(Space.IMPORT_RUN, run_id) as held:
        if not held:
            raise is_running()
        run = ImportRun.objects.select_related("cluster", "evidence").get(pk=run_id)
        if run.status == S.PREPARED:
            _check_not_read_otherwise(run.evidence, run)
            transition(
                ImportRun.objects.all(), table=STEPS, pk=run.pk, before=S.PREPARED, after=S.RUNNING
            )
            run.status = S.RUNNING
        if run.status == S.RUNNING:
            _read_to_end(run, actor=actor, progress=progress)
        return run


def _read_to_end(run: ImportRun, *, actor: Actor, progress: Progress) -> None:
    try:
        with ExitStack() as stack:
            reader = read_batches(run, stack, actor=actor, progress=progress, batch_rows=BATCH_ROWS)
    except FileRefused as refusal:
        _give_up(run, refusal, actor=actor)
        return
    except IntegrityError as error:
        # Another reading of the same input, begun at the same moment, gave its jobs first.
        if "import_run_evidence_gives_jobs_once" not in str(error):
            raise
        _give_up(run, _read_otherwise(), actor=actor)
        return
    run.truncated = reader.truncated
    whole = not (run.quarantined or run.truncated)
    _finish(run, S.COMPLETE if whole else S.INCOMPLETE, actor=actor)


def _give_up(run: ImportRun, refusal: FileRefused, *, actor: Actor) -> None:
    """What was read before the input became unreadable stays, held back like a cut-off file's."""
    run.truncated = run.rows_read > 0
    status = S.INCOMPLETE if run.truncated else S.FAILED
    _finish(run, status, actor=actor, refusal=refusal)


def _finish(run: ImportRun, status: S, *, actor: Actor, refusal: FileRefused | None = None) -> None:
    """End a run; the jobs of a complete one are free for rating from this commit on."""
    run.finished_at = timezone.now()
    run.refresh_from_db(fields=["as_of"])  # another import may have found it out: ages.find_ages
    if run.as_of is None and (run.jobs_new or run.jobs_changed):
        run.as_of = latest_told(run) or run.created_at
    if refusal is not None:
        run.error_code, run.error = refusal.code, str(refusal)
    with transaction.atomic():
        transition(
            ImportRun.objects.all(),
            table=STEPS,
            pk=run.pk,
            before=S.RUNNING,
            after=status,
            finished_at=run.finished_at,
            as_of=run.as_of,
            error=run.error,
            error_code=run.error_code,
            truncated=run.truncated,
        )
        record("import.finished", actor=actor, target=run, data=summary(run) | {"status": status})
        run.status = status
        release_if_dismissed(run)
    metrics.IMPORT_RUNS.labels(status=S(run.status).value).inc()


def summary(run: ImportRun) -> dict[str, Any]:
    """Return a run's counts: rows, jobs (new, changed, unchanged), steps and quarantined."""
    return {
        "rows_read": run.rows_read,
        "jobs": run.jobs,
        "jobs_new": run.jobs_new,
        "jobs_changed": run.jobs_changed,
        "jobs_unchanged": run.jobs_unchanged,
        "jobs_older": run.jobs_older,
        "steps": run.steps,
        "quarantined": run.quarantined,
        "truncated": run.truncated,
        "as_of": run.as_of.isoformat() if run.as_of else None,
        "error": run.error,
    }


def release_import(*, run_id: int, actor: Actor, reason: str) -> ImportRun:
    """Let the jobs of an incomplete run be rated, on a named person's word.

    Raises Invalid without a person or a reason, Conflict unless the run is incomplete.
    """
    reason = reason.strip()[:200]
    if actor.user_id is None or not reason:
        raise Invalid(
            "release_reason", _("Releasing an incomplete import needs a name and a reason.")
        )
    with transaction.atomic():
        (run,) = lock_rows(ImportRun.objects.all(), run_id)
        now = timezone.now()
        transition(
            ImportRun.objects.all(),
            table=STEPS,
            pk=run_id,
            before=S.INCOMPLETE,
            after=S.RELEASED,
            released_at=now,
            released_by_id=actor.user_id,
            release_reason=reason,
        )
        jobs = Job.objects.filter(run_id=run_id).count()
        record("import.released", actor=actor, target=run, data={"reason": reason, "jobs": jobs})
    run.refresh_from_db()
    return run
