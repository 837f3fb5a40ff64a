"""Flows that span apps: usage becomes charges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.actor import Actor
from core.errors import DomainError
from core.locks import Space, session_lock
from pricing.rating import BATCH_JOBS, Outcome, rate_jobs
from pricing.selectors import jobs_to_rate
from receipts.selectors import billed_job_ids
from usage.evidence import Readable
from usage.models import Cluster, ImportRun, Pull
from usage.services import Progress, prepare_import, release_import, run_import

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """An import run at its end, and what rating made of its jobs."""

    run: ImportRun
    rating: Outcome
    repeated: bool


def rate_pending(
    *, actor: Actor, cluster: Cluster | None = None, rated: Advance = lambda jobs: None
) -> Outcome:
    """Rate every job that is due, of one cluster or all, in the order of rating.

    ``rated`` is told after each committed batch how many jobs were looked at so far.
    """
    due = jobs_to_rate() if cluster is None else jobs_to_rate().filter(cluster=cluster)
    ids = list(due.values_list("pk", flat=True))
    outcome = Outcome()
    for start in range(0, len(ids), BATCH_JOBS):
        batch = ids[start : start + BATCH_JOBS]
        outcome.add(rate_jobs(job_ids=batch, actor=actor, billed=billed_job_ids))
        rated(start + len(batch))
    return outcome


def rate_selected(*, job_ids: Sequence[int], actor: Actor) -> Outcome:
    """Rate these jobs, as far as they are due."""
    return rate_jobs(job_ids=job_ids, actor=actor, billed=billed_job_ids)


def import_usage(
    *,
    cluster: Cluster,
    stream: Readable,
    origin: str,
    actor: Actor,
    columns: Sequence[str] = (),
    time_zone: str = "",
    progress: Progress = lambda run: None,
    rated: Advance = lambda jobs: None,
) -> Imported:
    """Store input, read it, and rate what it brought.

    The same input twice changes nothing (``repeated`` is true then); input whose reading broke off
    is read on. An incomplete file is imported but its jobs wait to be rated (see ImportRun).
    """
    run = prepare_import(
        cluster=cluster,
        stream=stream,
        origin=origin,
        actor=actor,
        columns=columns,
        time_zone=time_zone,
    )
    return finish_import(run_id=run.pk, actor=actor, progress=progress, rated=rated)


def finish_import(
    *,
    run_id: int,
    actor: Actor,
    progress: Progress = lambda run: None,
    rated: Advance = lambda jobs: None,
) -> Imported:
    """Run a prepared or broken-off import to its end and rate its jobs."""
    before = ImportRun.objects.only("finished_at").get(pk=run_id).finished_at
    run = run_import(run_id=run_id, actor=actor, progress=progress)
    outcome = rate_pending(actor=actor, cluster=run.cluster, rated=rated)
    return Imported(run, outcome, before is not None)


def release_and_rate(*, run_id: int, actor: Actor, reason: str) -> Outcome:
    """Release an incomplete import on a person's word and rate its jobs."""
    run = release_import(run_id=run_id, actor=actor, reason=reason)
    return rate_pending(actor=actor, cluster=run.cluster)


def resume_imports(*, actor: Actor) -> int:
    """Go on with imports whose worker died. Returns how many were brought to their end."""
    runs = ImportRun.objects.filter(status=ImportRun.Status.RUNNING).order_by("pk")
    ended = 0
    for run_id in list(runs.values_list("pk", flat=True)):
        try:
            finish_import(run_id=run_id, actor=actor)
        except DomainError:
            continue  # its worker is alive
        ended += 1
    return ended


def resume_pulls(*, actor: Actor) -> int:
    """Go on with tonight's pulls whose worker died. Returns how many were brought to their end."""
    broken_off = Pull.objects.filter(slot=timezone.localdate(), finished_at=None)
    clusters = list(broken_off.values_list("cluster_id", flat=True))
    return sum(pull_cluster(cluster_id=pk, actor=actor) is not None for pk in clusters)


def pull_cluster(*, cluster_id: int, actor: Actor) -> Pull | None:
    """Import what lies in a cluster's drop folder, once per night however often it is called.

    One caller at a time has the cluster; a night whose worker died before it finished is taken up
    again. Returns None if the night is done, or being done by someone else.
    """
    with session_lock(Space.PULL, cluster_id) as held:
        return _pull(Cluster.objects.get(pk=cluster_id), actor=actor) if held else None


def _pull(cluster: Cluster, *, actor: Actor) -> Pull | None:
    pull, _created = Pull.objects.get_or_create(cluster=cluster, slot=timezone.localdate())
    if pull.finished_at is not None or not cluster.is_enabled:
        return None
    errors, files = [], dropped_files(cluster)
    for path in files:
        try:
            with path.open("rb") as stream:
                run = import_usage(
                    cluster=cluster, stream=stream, origin=path.name, actor=actor
                ).run
        except DomainError as error:
            errors.append(f"{path.name}: {error}")
            continue
        if run.error:
            errors.append(f"{path.name}: {run.error}")
    with transaction.atomic():
        Pull.objects.filter(pk=pull.pk, finished_at=None).update(
            finished_at=timezone.now(), files=len(files), error="\n".join(errors)
        )
    pull.refresh_from_db()
    return pull


def dropped_files(cluster: Cluster) -> list[Path]:
    """Return the files in a cluster's drop folder by name; hidden and unfinished ones are left."""
    if not cluster.drop_folder:
        return []
    folder = Path(settings.DROP_FOLDER_ROOT) / cluster.drop_folder
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and path.suffix not in (".part", ".tmp")
    )
