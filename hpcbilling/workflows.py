"""Flows that span apps: usage becomes charges."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError

from core.actor import Actor
from core.errors import DomainError
from pricing.batches import Outcome
from pricing.rating import rate_due, rate_jobs, rate_rechecked, rate_run
from pricing.selectors import due_ratings, runs_to_rate
from receipts.selectors import on_documents
from receipts.services.corrections import settle_corrections
from usage.intake import Progress
from usage.models import Cluster, ImportRun
from usage.services import prepare_import, release_import, run_import
from usage.sources.unpacking import Readable

log = logging.getLogger(__name__)

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
    """Rate every job that is due, of one cluster or all.

    ``rated`` is told after each batch how many jobs were looked at so far. Jobs without a price are
    looked at again when something changed that could give them one (or other jobs another). What
    that corrects of issued receipts gets its documents, from the threshold on.
    """
    outcome, count = Outcome(), _Counter(rated)
    due, runs = due_ratings(), runs_to_rate()
    if cluster is not None:
        due, runs = due.filter(job__cluster=cluster), runs.filter(cluster=cluster)
    outcome.add(rate_due(due=due, actor=actor, billed=on_documents, looked_at=count.step()))
    outcome.add(rate_rechecked(actor=actor, billed=on_documents, looked_at=count.step()))
    for run_id in list(runs.values_list("pk", flat=True)):
        outcome.add(
            rate_run(run_id=run_id, actor=actor, billed=on_documents, looked_at=count.step())
        )
    settle_corrections(actor=actor)
    return outcome


class _Counter:
    """Adds up the counts of several steps."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._done = 0

    def step(self) -> Advance:
        """Return what is told the count of one step."""
        before = self._done

        def advance(done: int) -> None:
            self._done = before + done
            self._advance(self._done)

        return advance


def rate_selected(*, job_ids: Sequence[int], actor: Actor) -> Outcome:
    """Rate these jobs, as far as they are due."""
    outcome = rate_jobs(job_ids=job_ids, actor=actor, billed=on_documents)
    settle_corrections(actor=actor)
    return outcome


def import_usage(
    *,
    cluster: Cluster,
    stream: Readable,
    origin: str,
    actor: Actor,
    columns: Sequence[str] = (),
    time_zone: str = "",
    as_of: datetime | None = None,
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
        confirmed=True,
        as_of=as_of,
    )
    return finish_import(run_id=run.pk, actor=actor)


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
    outcome = rate_run(run_id=run.pk, actor=actor, billed=on_documents, looked_at=rated)
    settle_corrections(actor=actor)
    return Imported(run, outcome, before is not None)


def release_and_rate(*, run_id: int, actor: Actor, reason: str) -> Outcome:
    """Release an incomplete import on a person's word and rate its jobs."""
    run = release_import(run_id=run_id, actor=actor, reason=reason)
    outcome = rate_run(run_id=run.pk, actor=actor, billed=on_documents)
    settle_corrections(actor=actor)
    return outcome


def resume_imports(*, actor: Actor) -> int:
    """Go on with imports whose worker died. Returns how many were brought to their end.

    One that can't go on is logged and tried again the next time; the others go on.
    """
    runs = ImportRun.objects.filter(status=ImportRun.Status.RUNNING).order_by("pk")
    ended = 0
    for run_id in list(runs.values_list("pk", flat=True)):
        try:
            finish_import(run_id=run_id, actor=actor)
        except DomainError:
            continue  # its worker is alive
        except DatabaseError:
            log.exception("import %s can't go on", run_id)
            continue
        ended += 1
    return ended
