"""Turning jobs into charges, in committed batches, each job once."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Project
from accounts.selectors import TierBook
from audit.services import record
from core.actor import Actor
from core.bulk import insert_many
from core.canonical import sha256_of
from core.locks import Space, hold_until_commit, lock_rows
from pricing.engine import Amount, NoRate, price
from pricing.models import Charge, JobRating, RatingReason, RatingStatus
from pricing.resources import quantities
from pricing.selectors import PriceBook, live_charges_of_jobs
from usage.models import Job
from usage.selectors import IS_FREE, ProjectBook

BATCH_JOBS = 1000

# What of a job no price depends on is not read: most of it is text.
_NOT_PRICED = ("tres", "flags", "node_list", "name")

Billed = Callable[[Collection[int]], set[int]]
"""Given job ids, tells which of them have charges in force on a document."""


@dataclass(slots=True)
class Outcome:
    """What rating did: jobs by result, charges made, their sum by currency."""

    rated: int = 0
    exempt: int = 0
    unpriced: int = 0
    waiting: int = 0
    charges: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Add the figures of a further batch."""
        for name in ("rated", "exempt", "unpriced", "waiting", "charges"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for currency, amount in other.amounts.items():
            self.amounts[currency] = self.amounts.get(currency, Decimal(0)) + amount


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a job comes to: its project and amounts, or the reason why there are none."""

    project: Project | None
    amounts: Sequence[Amount] = ()
    reason: str = RatingReason.NONE

    @property
    def status(self) -> RatingStatus:
        if not self.reason:
            return RatingStatus.RATED
        no_usage = self.reason == RatingReason.NO_USAGE
        return RatingStatus.EXEMPT if no_usage else RatingStatus.UNPRICED


class Books:
    """The projects, tiers and prices that a batch of jobs is judged by."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._projects = ProjectBook(jobs)
        self._tiers = TierBook(project.pk for project in self._projects.all())
        self._prices = PriceBook()

    def judge(self, job: Job, end: datetime) -> Verdict:
        """Price a job that ended at ``end``, or say why that can't be done."""
        used = quantities(job)
        project = self._projects.of(job)
        if not used:
            return Verdict(project, reason=RatingReason.NO_USAGE)
        if project is None:
            return Verdict(None, reason=RatingReason.NO_PROJECT)
        if not project.is_active:
            return Verdict(project, reason=RatingReason.PROJECT_INACTIVE)
        return self._price(project, used, end)

    def _price(self, project: Project, used: Mapping[str, int], end: datetime) -> Verdict:
        tier = self._tiers.at(project.pk, end)
        if tier is None:
            return Verdict(project, reason=RatingReason.NO_TIER)
        prices = self._prices.at(tier.tier_id, end)
        if prices is None:
            return Verdict(project, reason=RatingReason.NO_LIST)
        try:
            return Verdict(project, price(used, prices))
        except NoRate:
            return Verdict(project, reason=RatingReason.NO_RATE)


def rate_jobs(*, job_ids: Iterable[int], actor: Actor, billed: Billed) -> Outcome:
    """Rate jobs in batches, each batch in a transaction with its audit event.

    Jobs that are held back, still running or rated as they are now are passed over, so calling
    twice, or from two processes at once, charges once. A job that changed since it was charged gets
    reversals and replacements, unless it is billed: then it waits (a document is corrected by a
    credit note only).
    """
    outcome, ids = Outcome(), list(job_ids)
    for start in range(0, len(ids), BATCH_JOBS):
        outcome.add(_rate_batch(ids[start : start + BATCH_JOBS], actor=actor, billed=billed))
    return outcome


@transaction.atomic
def _rate_batch(job_ids: Sequence[int], *, actor: Actor, billed: Billed) -> Outcome:
    hold_until_commit(Space.PRICE_LISTS, "lists", shared=True)
    locked_projects = _lock_projects_charged(job_ids)
    ended = Job.objects.filter(IS_FREE, end__isnull=False).defer(*_NOT_PRICED)
    jobs = {job.pk: job for job in lock_rows(ended, *job_ids)}
    ratings = JobRating.objects.in_bulk(list(jobs))
    due = [jobs[pk] for pk in job_ids if pk in jobs and _is_due(jobs[pk], ratings.get(pk))]
    charged = live_charges_of_jobs(job.pk for job in due)
    unlocked = {
        pk for pk, rows in charged.items() if {row.project_id for row in rows} - locked_projects
    }
    fixed = billed(charged) | unlocked
    work = [job for job in due if job.pk not in fixed]
    outcome = _write(work, ratings, charged, actor=actor)
    outcome.waiting = len(due) - len(work)
    return outcome


def _lock_projects_charged(job_ids: Sequence[int]) -> set[int]:
    """Lock the projects that already carry charges of these jobs: re-rating competes with drafting
    for them. Most batches have none."""
    charges = Charge.objects.filter(job_id__in=job_ids, reverses=None, reversal=None)
    projects = set(charges.values_list("project_id", flat=True))
    if projects:
        lock_rows(Project.objects.all(), *projects)
    return projects


def _is_due(job: Job, rating: JobRating | None) -> bool:
    return (
        rating is None
        or rating.status == RatingStatus.UNPRICED
        or rating.job_revision != job.revision
    )


def _write(
    jobs: Sequence[Job],
    ratings: dict[int, JobRating],
    charged: dict[int, list[Charge]],
    *,
    actor: Actor,
) -> Outcome:
    books, now, outcome = Books(jobs), timezone.now(), Outcome()
    charges: list[Charge] = []
    rows: list[JobRating] = []
    for job in jobs:
        if job.end is None:
            continue
        verdict, earlier = books.judge(job, job.end), ratings.get(job.pk)
        charges += [reversal_of(charge) for charge in charged.get(job.pk, ())]
        generation = (earlier.generation if earlier else 0) + bool(verdict.amounts)
        project_id = verdict.project.pk if verdict.project else None
        if project_id is not None:
            charges += [
                _charge(job, job.end, project_id, item, generation) for item in verdict.amounts
            ]
        same = earlier is not None and earlier.reason == verdict.reason
        rows.append(
            JobRating(
                job_id=job.pk,
                status=verdict.status,
                reason=verdict.reason,
                project_id=project_id,
                job_revision=job.revision,
                generation=generation,
                since=earlier.since if same and earlier else now,
            )
        )
        _tally(outcome, verdict.status)
    insert_many(charges)
    _write_ratings(rows, ratings)
    _record(charges, outcome, actor=actor)
    return outcome


def _write_ratings(rows: Sequence[JobRating], earlier: dict[int, JobRating]) -> None:
    """Write what became of the jobs; a job that is unpriced as before costs nothing."""
    insert_many([row for row in rows if row.job_id not in earlier])
    JobRating.objects.bulk_create(
        [row for row in rows if row.job_id in earlier and _says(row) != _says(earlier[row.job_id])],
        update_conflicts=True,
        unique_fields=["job"],
        update_fields=["status", "reason", "project", "job_revision", "generation", "since"],
    )


def _says(rating: JobRating) -> tuple[object, ...]:
    return (
        rating.status,
        rating.reason,
        rating.project_id,
        rating.job_revision,
        rating.generation,
    )


def _tally(outcome: Outcome, status: RatingStatus) -> None:
    setattr(outcome, status.value, getattr(outcome, status.value) + 1)


def _charge(job: Job, end: datetime, project_id: int, amount: Amount, generation: int) -> Charge:
    return Charge(
        job_id=job.pk,
        project_id=project_id,
        resource=amount.resource,
        generation=generation,
        rate_id=amount.rate.rate_id,
        job_end=end,
        quantity=amount.quantity,
        unit_size=amount.unit_size,
        unit_price=amount.rate.unit_price,
        amount=amount.amount,
        currency=amount.currency,
        estimated=job.estimated,
    )


def reversal_of(charge: Charge) -> Charge:
    """Return the charge that negates another one exactly."""
    return Charge(
        job_id=charge.job_id,
        project_id=charge.project_id,
        resource=charge.resource,
        generation=charge.generation,
        rate_id=charge.rate_id,
        job_end=charge.job_end,
        quantity=-charge.quantity,
        unit_size=charge.unit_size,
        unit_price=charge.unit_price,
        amount=-charge.amount,
        currency=charge.currency,
        estimated=charge.estimated,
        reverses=charge,
    )


def _record(charges: Sequence[Charge], outcome: Outcome, *, actor: Actor) -> None:
    """Write one audit event for the batch: how many charges, their sums, a digest of them all."""
    outcome.charges = len(charges)
    for charge in charges:
        outcome.amounts[charge.currency] = (
            outcome.amounts.get(charge.currency, Decimal(0)) + charge.amount
        )
    if charges:
        record(
            "charges.made",
            actor=actor,
            data={
                "charges": len(charges),
                "amounts": outcome.amounts,
                "digest": digest_of(charges),
            },
        )


def digest_of(charges: Iterable[Charge]) -> str:
    """Return the SHA-256 over what the charges say, in their order."""
    return sha256_of(
        [
            [
                c.job_id,
                c.project_id,
                c.resource,
                c.generation,
                c.quantity,
                c.unit_price,
                c.amount,
                c.currency,
                c.rate_id,
                c.reverses_id is not None,
            ]
            for c in charges
        ]
    )


def reverse_and_replace(*, charges: Sequence[Charge], actor: Actor) -> None:
    """Reverse charges of a document that became void and charge the same usage anew.

    Within the caller's transaction. The replacement has the next generation and the same rate.
    A job that changed meanwhile gets none: it is due, and rated as it is now.
    """
    job_ids = {charge.job_id for charge in charges}
    lock_rows(Job.objects.all(), *job_ids)
    ratings = JobRating.objects.filter(job__in=job_ids, job_revision=F("job__revision"))
    ratings.update(generation=F("generation") + 1)
    generations = dict(ratings.order_by().values_list("job", "generation"))
    made = [reversal_of(charge) for charge in charges]
    made += [
        _replacement(charge, generations[charge.job_id])
        for charge in charges
        if charge.job_id in generations
    ]
    insert_many(made)
    _record(made, Outcome(), actor=actor)


def _replacement(charge: Charge, generation: int) -> Charge:
    new = reversal_of(charge)
    new.quantity, new.amount = charge.quantity, charge.amount
    new.generation, new.reverses = generation, None
    return new
