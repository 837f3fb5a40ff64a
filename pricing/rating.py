"""Turning jobs into charges, in committed batches, each job once."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts.models import Project
from audit.services import record
from core.actor import Actor
from core.bulk import AnyOf, copy_lines, in_batches
from core.locks import Space, hold_until_commit, lock_rows
from pricing.judging import Books, JobFacts, Verdict, facts_of, microseconds
from pricing.lines import CHARGE_COLUMNS, RATING_COLUMNS, ChargeLines, rating_line
from pricing.models import Charge, JobRating, RatedRun, RatingReason, RatingStatus, Recheck
from pricing.selectors import (
    live_charges_of_jobs,
    ratings_of,
    rechecked,
    runs_to_rate,
    unrated_jobs,
)
from usage.models import Job
from usage.selectors import free_jobs

BATCH_JOBS = 10_000

Billed = Callable[[Collection[int]], set[int]]
"""Given job ids, tells which of them have charges in force on a document."""

Advance = Callable[[int], None]
"""Is told after each batch how many jobs were looked at so far."""


@dataclass(slots=True)
class Outcome:
    """What rating did: jobs by result, charges made, their sum by currency.

    ``passed_over`` counts jobs that someone else had locked, or that needed nothing any more.
    """

    rated: int = 0
    exempt: int = 0
    unpriced: int = 0
    waiting: int = 0
    charges: int = 0
    passed_over: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Add the figures of a further batch."""
        for name in ("rated", "exempt", "unpriced", "waiting", "charges", "passed_over"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for currency, amount in other.amounts.items():
            self.amounts[currency] = self.amounts.get(currency, Decimal(0)) + amount

    def tally(self, status: str) -> None:
        """Count one job."""
        setattr(self, status, getattr(self, status) + 1)


def rate_run(
    *, run_id: int, actor: Actor, billed: Billed, looked_at: Advance = lambda jobs: None
) -> Outcome:
    """Rate what is due of the jobs that an import wrote, in constant memory.

    Several callers share the work: each passes over the jobs that another one has locked just then,
    and at the end goes through what is left once more, waiting. Then the import is marked as rated,
    which the database refuses while one of its jobs is not. An import that is not complete or
    released is left alone.
    """
    outcome, done = Outcome(), 0
    if not runs_to_rate().filter(pk=run_id).exists():
        return outcome
    for patient in (False, True):
        passed_over = 0
        for ids in in_batches(_keys(unrated_jobs(run_id)), BATCH_JOBS):
            batch = _rate_batch(ids, actor=actor, billed=billed, patient=patient)
            outcome.add(batch)
            passed_over += batch.passed_over
            done += len(ids) - batch.passed_over
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
    *, job_ids: Iterable[int], actor: Actor, billed: Billed, anyway: bool = False
) -> Outcome:
    """Rate jobs in batches, each batch in a transaction with its audit event.

    Jobs that are held back, still running or rated as they are now are passed over, so calling
    twice, or from two processes at once, charges once; ``anyway`` judges those anew, too, that are
    rated as they are. A job whose charges would now be others gets reversals and replacements,
    unless it is billed: then it waits (a document is corrected by a credit note only).
    """
    outcome = Outcome()
    for ids in in_batches(job_ids, BATCH_JOBS):
        outcome.add(_rate_batch(ids, actor=actor, billed=billed, anyway=anyway))
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
        still = billed(ids)
        free = [pk for pk in ids if pk not in still]
        outcome.add(rate_jobs(job_ids=free, actor=actor, billed=billed))
        outcome.waiting += len(still)
        done += len(ids)
        looked_at(done)
    return outcome


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
    jobs = facts_of(free_jobs().filter(AnyOf("pk", job_ids)))
    books, ratings = Books(jobs), ratings_of(job_ids)
    charged = live_charges_of_jobs(job_ids)
    found = []
    for job in jobs:
        verdict, rating = books.judge(job), ratings[job.pk]
        same = (rating.status, rating.reason, rating.project_id) == (
            verdict.status, verdict.reason, verdict.project_id,
        )  # fmt: skip
        if not same or _differ(job, verdict, charged.get(job.pk, ())):
            found.append(job.pk)
    return found


@transaction.atomic
def _rate_batch(
    job_ids: Sequence[int],
    *,
    actor: Actor,
    billed: Billed,
    anyway: bool = False,
    patient: bool = True,
) -> Outcome:
    """Rate some jobs. The locks: the lists (so that none is published meanwhile), the projects that
    carry charges of these jobs (re-rating competes with drafting for them), the jobs."""
    hold_until_commit(Space.PRICE_LISTS, "lists", shared=True)
    charged = JobRating.objects.filter(AnyOf("pk", job_ids), generation__gt=0)
    projects = set(charged.order_by().values_list("project_id", flat=True).distinct())
    if projects:
        lock_rows(Project.objects.all(), *projects)
    chosen = free_jobs().filter(AnyOf("pk", job_ids))
    jobs = facts_of(chosen.select_for_update(no_key=True, skip_locked=not patient))
    batch = _Batch(jobs, billed=billed, locked_projects=projects)
    outcome = batch.write(anyway=anyway, actor=actor)
    outcome.passed_over = len(job_ids) - len(jobs)
    return outcome


class _Batch:
    """Locked jobs, with what is known of them, on their way to charges and ratings."""

    def __init__(
        self, jobs: Sequence[JobFacts], *, billed: Billed, locked_projects: Collection[int | None]
    ) -> None:
        self._jobs = jobs
        self._billed = billed
        self._locked_projects = locked_projects
        self._books = Books(jobs)
        self._earlier = ratings_of(job.pk for job in jobs)
        self._now = timezone.now()
        self._lines = ChargeLines()
        self._new: list[str] = []
        self._changed: list[JobRating] = []
        self.outcome = Outcome()

    def write(self, *, anyway: bool, actor: Actor) -> Outcome:
        """Judge the jobs and write what comes of it, with its audit event."""
        due = [
            (job, rating)
            for job in self._jobs
            if (rating := self._earlier.get(job.pk)) and (anyway or _is_due(job, rating))
        ]
        replacements = list(self._replacements(due)) if due else []
        copy_lines("pricing_charge", CHARGE_COLUMNS, chain(replacements, self._first_charges()))
        copy_lines("pricing_jobrating", RATING_COLUMNS, self._new)
        JobRating.objects.bulk_create(
            self._changed,
            update_conflicts=True,
            unique_fields=["job"],
            update_fields=[name for name in RATING_COLUMNS if name != "job_id"],
        )
        _record(self._lines, self.outcome, actor=actor)
        return self.outcome

    def _first_charges(self) -> Iterator[str]:
        """Yield the charges of jobs that had no rating; their ratings gather on the way."""
        judge, charge, since = self._books.judge, self._lines.charge, self._now.isoformat()
        for job in self._jobs:
            if job.pk not in self._earlier:
                verdict = judge(job)
                generation = 1 if verdict.amounts else 0
                self._new.append(rating_line(job, verdict, generation, since))
                self.outcome.tally(verdict.status)
                if generation:
                    yield charge(job, verdict, generation)

    def _replacements(self, due: Sequence[tuple[JobFacts, JobRating]]) -> Iterator[str]:
        """Yield reversals and new charges of jobs that were rated before, where they differ."""
        verdicts = {job.pk: self._books.judge(job) for job, _ in due}
        charged = live_charges_of_jobs(verdicts)
        other = {
            job.pk for job, _ in due if _differ(job, verdicts[job.pk], charged.get(job.pk, ()))
        }
        fixed = self._fixed({pk: rows for pk, rows in charged.items() if pk in other})
        for job, rating in due:
            verdict = verdicts[job.pk]
            if job.pk in fixed:
                self._wait(rating)
                continue
            generation = rating.generation + bool(job.pk in other and verdict.amounts)
            self._rewrite(rating, job, verdict, generation)
            if job.pk in other:
                yield from map(self._lines.reversal, charged.get(job.pk, ()))
                if verdict.amounts:
                    yield self._lines.charge(job, verdict, generation)

    def _fixed(self, charged: dict[int, list[Charge]]) -> set[int]:
        """Return the jobs whose charges must stay for now: they are on a document, or belong to a
        project that they had not yet when the projects were locked."""
        if not charged:
            return set()
        return self._billed(charged) | {
            pk
            for pk, rows in charged.items()
            if any(row.project_id not in self._locked_projects for row in rows)
        }

    def _wait(self, rating: JobRating) -> None:
        self.outcome.waiting += 1
        if not rating.due:
            rating.due = True
            self._changed.append(rating)

    def _rewrite(self, rating: JobRating, job: JobFacts, verdict: Verdict, generation: int) -> None:
        """Say what became of the job now; what is unpriced as before costs nothing."""
        new = JobRating(
            job_id=job.pk,
            status=verdict.status,
            reason=verdict.reason,
            project_id=verdict.project_id,
            job_revision=job.revision,
            generation=generation,
            since=rating.since if rating.reason == verdict.reason else self._now,
        )
        if any(getattr(new, name) != getattr(rating, name) for name in RATING_COLUMNS):
            self._changed.append(new)
            self.outcome.tally(new.status)
        elif new.reason:
            self.outcome.tally(new.status)


def _is_due(job: JobFacts, rating: JobRating) -> bool:
    unpriced = rating.status == RatingStatus.UNPRICED
    return rating.due or unpriced or rating.job_revision != job.revision


def _differ(job: JobFacts, verdict: Verdict, charged: Sequence[Charge]) -> bool:
    """Whether a job's charges in force are other than those that it comes to."""
    want = {
        (verdict.project_id, item.resource, item.quantity, item.rate.rate_id, item.amount,
         job.end, job.estimated)
        for item in verdict.amounts
    }  # fmt: skip
    have = {
        (row.project_id, row.resource, row.quantity, row.rate_id, row.amount,
         microseconds(row.job_end), row.estimated)
        for row in charged
    }  # fmt: skip
    return want != have


def _record(lines: ChargeLines, outcome: Outcome, *, actor: Actor) -> None:
    """Write one audit event for the batch: how many charges, their sums, a digest of them all."""
    outcome.charges, outcome.amounts = lines.count, lines.amounts
    if lines.count:
        data = {"charges": lines.count, "amounts": lines.amounts, "digest": lines.digest}
        record("charges.made", actor=actor, data=data)


def reverse_and_replace(*, charges: Sequence[Charge], actor: Actor) -> None:
    """Reverse charges of a document that became void and charge the same usage anew.

    Within the caller's transaction. The replacement has the next generation and the same rate.
    A job that changed meanwhile gets none: it is due, and rated as it is now.
    """
    job_ids = {charge.job_id for charge in charges}
    lock_rows(Job.objects.all(), *job_ids)
    ratings = JobRating.objects.filter(job__in=job_ids).order_by()
    as_it_is = ratings.filter(job_revision=F("job__revision"))
    generations = dict(as_it_is.values_list("job", "generation"))
    lines = ChargeLines()
    made = [lines.reversal(charge) for charge in charges]
    made += [
        lines.replacement(charge, generations[charge.job_id] + 1)
        for charge in charges
        if charge.job_id in generations
    ]
    copy_lines("pricing_charge", CHARGE_COLUMNS, made)
    ratings.filter(job__in=generations).update(generation=F("generation") + 1)
    ratings.exclude(job__in=generations).update(
        status=RatingStatus.UNPRICED, reason=RatingReason.CHANGED, due=True, since=timezone.now()
    )
    _record(lines, Outcome(), actor=actor)
