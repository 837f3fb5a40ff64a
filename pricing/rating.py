"""Turning jobs into charges, in committed batches, each job once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from accounts.models import Project
from core.actor import Actor
from core.bulk import any_of, in_batches
from core.locks import Space, hold_until_commit, lock_rows
from core.side_by_side import side_by_side
from pricing.batches import Batch, Billed, Outcome, differ
from pricing.judging import Books, facts_of
from pricing.models import JobRating, RatedRun, Recheck
from pricing.selectors import (
    live_charges_of_jobs,
    projects_charged,
    ratings_of,
    rechecked,
    runs_to_rate,
    unrated_jobs,
)
from pricing.tariffs import TariffBook
from usage.models import Job
from usage.selectors import free_among

BATCH_JOBS = 10_000

Advance = Callable[[int], None]
"""Is told after each batch how many jobs were looked at so far."""


def rate_run(
    *, run_id: int, actor: Actor, billed: Billed, looked_at: Advance = lambda jobs: None
) -> Outcome:
    """Rate what is due of the jobs that an import wrote, in constant memory.

    Batches are rated side by side, over ``RATING_CONNECTIONS`` connections; one by one where
    counters price, so that they count in the order of the jobs. Several callers share the work:
    each passes over the jobs that another one has locked just then, and at the end goes through
    what is left once more, waiting. Then the import is marked as rated,
    which the database refuses while one of its jobs is not. An import that is not complete or
    released is left alone.
    """
    outcome, done = Outcome(), 0
    if not runs_to_rate().filter(pk=run_id).exists():
        return outcome
    workers = settings.RATING_CONNECTIONS if TariffBook().all_plain else 1
    for patient in (False, True):
        passed_over = 0
        rate = partial(_rate_batch, actor=actor, billed=billed, patient=patient)
        batches = in_batches(_keys(unrated_jobs(run_id)), BATCH_JOBS)
        for batch in side_by_side(rate, batches, workers):
            outcome.add(batch)
            passed_over += batch.passed_over
            done += batch.looked_at
            looked_at(done)
        if not passed_over:
            break
    try:
        with transaction.atomic():
            RatedRun.objects.bulk_create([RatedRun(run_id=run_id)], ignore_conflicts=True)
    except IntegrityError:
        pass  # something is left after all, and the next round finds it
    return outcome


def rate_jobs(
    *,
    job_ids: Iterable[int],
    actor: Actor,
    billed: Billed,
    anyway: bool = False,
    forced: bool = False,
) -> Outcome:
    """Rate jobs in batches, each batch in a transaction with its audit event.

    Jobs that are held back, still running or rated as they are now are passed over, so calling
    twice, or from two processes at once, charges once; ``anyway`` judges those anew, too, that are
    rated as they are. A job whose charges would now be others gets reversals and replacements,
    booked into the open period. If they are on a document it depends: on a draft they stay, and the
    job waits; on an issued one a credit note takes the reversals, if the job itself says something
    else by now, or ``forced`` by a person; where only prices say so, it waits for that person.
    """
    outcome = Outcome()
    for ids in in_batches(job_ids, BATCH_JOBS):
        outcome.add(_rate_batch(ids, actor=actor, billed=billed, anyway=anyway, forced=forced))
    return outcome


def rate_due(
    *,
    due: QuerySet[JobRating],
    actor: Actor,
    billed: Billed,
    looked_at: Advance = lambda jobs: None,
) -> Outcome:
    """Rate the jobs that waited for a document to go; most documents stay, and then nothing is
    locked or written."""
    outcome, done = Outcome(), 0
    for ids in in_batches(_keys(due), BATCH_JOBS):
        still = billed(ids).fixed(_changed(ids), forced=False)
        free = [pk for pk in ids if pk not in still]
        outcome.add(rate_jobs(job_ids=free, actor=actor, billed=billed))
        outcome.waiting += len(still)
        done += len(ids)
        looked_at(done)
    return outcome


def _changed(job_ids: Iterable[int]) -> set[int]:
    """Return the jobs that say something else by now than when they were rated."""
    ratings = JobRating.objects.filter(any_of("pk", job_ids))
    other = ratings.exclude(job_revision=F("job__revision"))
    return set(other.values_list("pk", flat=True))


def rate_rechecked(
    *, actor: Actor, billed: Billed, looked_at: Advance = lambda jobs: None
) -> Outcome:
    """Judge anew what a change of prices, tiers or payers touches, and rate what comes out
    otherwise.

    A batch that began before the change may still judge by what was; it is waited for, so that its
    jobs are looked at, too. Only then is the change ticked off.
    """
    changes = list(Recheck.objects.order_by("pk"))
    if changes:
        with transaction.atomic():
            hold_until_commit(Space.PRICE_LISTS, "lists")
    outcome, done = Outcome(), 0
    for touched in rechecked(changes):
        for ids in in_batches(_keys(touched), BATCH_JOBS):
            other = _that_come_out_otherwise(ids)
            outcome.add(rate_jobs(job_ids=other, actor=actor, billed=billed, anyway=True))
            done += len(ids)
            looked_at(done)
    Recheck.objects.filter(pk__in=[change.pk for change in changes]).delete()
    return outcome


def look_again() -> None:
    """Have every job without a price judged anew at the next round, although nothing was noticed
    that could price it: for a person who wants to see that."""
    Recheck.objects.create()


def _keys(rows: "QuerySet[Job] | QuerySet[JobRating]") -> Iterator[int]:
    """Yield primary keys in order; the server keeps them, also from one transaction to the next."""
    keys = rows.order_by("pk").values_list("pk", flat=True)
    return keys.iterator(chunk_size=BATCH_JOBS)


def _that_come_out_otherwise(job_ids: Sequence[int]) -> list[int]:
    """Return the jobs that judging finds other than they are rated, without locking any."""
    jobs = facts_of(free_among(job_ids))
    books, ratings = Books(jobs), ratings_of(job_ids)
    charged = live_charges_of_jobs(job_ids)
    found = []
    for job in jobs:
        verdict, rating = books.judge(job), ratings[job.pk]
        same = (rating.status, rating.reason, rating.project_id) == (
            verdict.status, verdict.reason, verdict.project_id,
        )  # fmt: skip
        if not same or differ(job, verdict, charged.get(job.pk, ())):
            found.append(job.pk)
    return found


def _rate_batch(
    job_ids: Sequence[int],
    *,
    actor: Actor,
    billed: Billed,
    anyway: bool = False,
    forced: bool = False,
    patient: bool = True,
) -> Outcome:
    """Rate some jobs, and once more if the database refuses what came of it: who pays may have
    changed since that was read, and then it comes out otherwise now."""
    batch = partial(
        _once, job_ids, actor=actor, billed=billed, anyway=anyway, forced=forced, patient=patient
    )
    try:
        return batch()
    except IntegrityError:
        return batch()


@transaction.atomic
def _once(
    job_ids: Sequence[int],
    *,
    actor: Actor,
    billed: Billed,
    anyway: bool,
    forced: bool,
    patient: bool,
) -> Outcome:
    """Rate some jobs. The locks: the lists (so that none is published meanwhile), the projects that
    carry charges of these jobs (re-rating competes with drafting for them), the jobs, the counters.
    """
    hold_until_commit(Space.PRICE_LISTS, "lists", shared=True)
    charged = JobRating.objects.filter(any_of("pk", job_ids), generation__gt=0)
    projects = projects_charged(charged)
    if projects:
        lock_rows(Project.objects.all(), *projects)
    chosen = free_among(job_ids)
    jobs = facts_of(chosen.select_for_update(no_key=True, skip_locked=not patient))
    batch = Batch(jobs, billed=billed, locked_projects=projects, forced=forced)
    outcome = batch.write(anyway=anyway, actor=actor)
    outcome.looked_at, outcome.passed_over = len(jobs), len(job_ids) - len(jobs)
    return outcome
