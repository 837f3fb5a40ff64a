"""One batch of locked jobs on its way to charges and ratings."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from django.utils import timezone

from accounts.periods import PeriodBook
from audit.services import record
from core.actor import Actor
from core.bulk import copy_lines, make_room
from core.intervals import microseconds
from core.money import total
from pricing.counting import Counters
from pricing.engine import TooLarge
from pricing.judging import Books, JobFacts, Verdict
from pricing.lines import (
    CHARGE_COLUMNS,
    RATING_COLUMNS,
    WIDE_COLUMNS,
    ChargeLines,
    rating_line,
)
from pricing.models import Charge, ChargeKind, JobRating, RatingReason, RatingStatus
from pricing.selectors import live_charges_of_jobs, ratings_of


class OnDocuments(NamedTuple):
    """Jobs that have charges in force on documents.

    ``held`` are those of which a charge is on one that can't be corrected by a credit note: a draft
    (which reserves its charges), or one that gave a part of them back already. ``issued`` are all
    others: taking a charge back is what a credit note carries then.
    """

    held: AbstractSet[int]
    issued: AbstractSet[int]

    def fixed(self, changed: Collection[int], *, forced: bool) -> set[int]:
        """Return the jobs whose charges stay for now. What the cluster says otherwise by now is
        corrected at once (``changed``); what only prices say otherwise is a person's decision
        (``forced``)."""
        return set(self.held) | (set() if forced else set(self.issued).difference(changed))


Billed = Callable[[Collection[int]], OnDocuments]
"""Given job ids, tells which of them are on documents, and on which kind."""


@dataclass(slots=True)
class Outcome:
    """What rating did: jobs by result, charges made, their sum by currency.

    ``passed_over`` counts jobs that someone else had locked, or that needed nothing any more,
    ``looked_at`` all others.
    """

    rated: int = 0
    exempt: int = 0
    unpriced: int = 0
    waiting: int = 0
    charges: int = 0
    passed_over: int = 0
    looked_at: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Add the figures of a further batch."""
        for name in (
            "rated",
            "exempt",
            "unpriced",
            "waiting",
            "charges",
            "passed_over",
            "looked_at",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for currency, amount in other.amounts.items():
            self.amounts[currency] = self.amounts.get(currency, Decimal(0)) + amount

    def tally(self, status: str, jobs: int = 1) -> None:
        """Count jobs by what became of them."""
        setattr(self, status, getattr(self, status) + jobs)


class Batch:
    """Locked jobs, with what is known of them.

    What is rated for the first time by plain prices goes straight into the database, line by line.
    All else is made before that, in one statement: what is reversed, what counters then lack, and
    new charges in the order in which counters price them.
    """

    def __init__(
        self,
        jobs: Sequence[JobFacts],
        *,
        billed: Billed,
        locked_projects: Collection[int],
        forced: bool = False,
    ) -> None:
        self._jobs = jobs
        self._billed = billed
        self._forced = forced
        self._locked_projects = locked_projects
        self._books = Books(jobs)
        self._earlier = ratings_of(job.pk for job in jobs)
        self._now = timezone.now()
        self._periods = PeriodBook(job.end for job in jobs)
        self._lines = ChargeLines(self._periods)
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
        make_room()
        special = self._books.special
        if due or special:
            first = [job for job in self._jobs if job.pk in special and job.pk not in self._earlier]
            copy_lines("pricing_charge", WIDE_COLUMNS, list(self._in_order(due, first)))
        copy_lines("pricing_charge", CHARGE_COLUMNS, self._first_charges())
        copy_lines("pricing_jobrating", RATING_COLUMNS, self._new)
        JobRating.objects.bulk_create(
            self._changed,
            update_conflicts=True,
            unique_fields=["job"],
            update_fields=[name for name in RATING_COLUMNS if name != "job_id"],
        )
        record_charges(self._lines, self.outcome, actor=actor)
        return self.outcome

    def _first_charges(self) -> Iterator[str]:
        """Yield the charges by plain prices of jobs that had no rating; their ratings gather on the
        way."""
        judge, charge, since = self._books.judge, self._lines.charge, self._now.isoformat()
        special, statuses = self._books.special, Counter[str]()
        for job in self._jobs:
            if job.pk not in self._earlier and job.pk not in special:
                verdict = judge(job)
                generation = 1 if verdict.amounts else 0
                self._new.append(rating_line(job, verdict, generation, since))
                statuses[verdict.status] += 1
                if generation:
                    yield charge(job, verdict, generation)
        for status, jobs in statuses.items():
            self.outcome.tally(status, jobs)

    def _in_order(
        self, due: Sequence[tuple[JobFacts, JobRating]], first: Sequence[JobFacts]
    ) -> Iterator[str]:
        """Yield reversals and new charges of jobs that were rated before, where they differ, and
        the charges of jobs that are rated for the first time."""
        verdicts = {job.pk: self._books.judge(job) for job in chain((job for job, _ in due), first)}
        charged = live_charges_of_jobs(job.pk for job, _ in due)
        other = {job.pk for job, _ in due if differ(job, verdicts[job.pk], charged.get(job.pk, ()))}
        changed = {job.pk for job, rating in due if rating.job_revision != job.revision}
        fixed = self._fixed({pk: rows for pk, rows in charged.items() if pk in other}, changed)
        away = [row for pk in sorted(other - fixed) for row in charged.get(pk, ())]
        self._periods.cover(microseconds(row.job_end) for row in away)
        made = [job for job, _ in due if job.pk in other - fixed] + list(first)
        counters = Counters.of(((job.end, verdicts[job.pk]) for job in made), away)
        yield from (self._lines.reversal(row, counters.reverse(row)) for row in away)
        yield from map(self._lines.jobless, counters.adjustments())
        for job in sorted(made, key=self._place):
            rating = self._earlier.get(job.pk)
            generation = (rating.generation if rating else 0) + 1
            verdict, text = self._charges(job, verdicts[job.pk], generation, counters)
            verdicts[job.pk] = verdict
            yield text
        for job, rating in due:
            if job.pk in fixed:
                self._wait(rating)
            else:
                self._rewrite(rating, job, verdicts[job.pk], anew=job.pk in other)
        since = self._now.isoformat()
        for job in first:
            verdict = verdicts[job.pk]
            self._new.append(rating_line(job, verdict, int(verdict.is_charged), since))
            self.outcome.tally(verdict.status)

    def _place(self, job: JobFacts) -> tuple[int, ...]:
        """The order of counters; jobs that need none come first, in any order."""
        return self._books.order(job) if job.pk in self._books.special else ()

    def _charges(
        self, job: JobFacts, verdict: Verdict, generation: int, counters: Counters
    ) -> tuple[Verdict, str]:
        """Return the lines of a job's charges, and what it comes to if they are too large."""
        if not verdict.portions:
            return verdict, self._lines.plain(job, verdict, generation)
        try:
            charges = counters.price(job.end, verdict.portions)
        except TooLarge:
            return Verdict(verdict.project_id, reason=RatingReason.TOO_LARGE.value), ""
        return verdict, self._lines.priced(job, charges, generation)

    def _fixed(self, charged: dict[int, list[Charge]], changed: Collection[int]) -> set[int]:
        """Return the jobs whose charges must stay for now: documents hold them, or they belong to a
        project that they had not yet when the projects were locked."""
        if not charged:
            return set()
        return self._billed(charged).fixed(changed, forced=self._forced) | {
            pk
            for pk, rows in charged.items()
            if any(row.project_id not in self._locked_projects for row in rows)
        }

    def _wait(self, rating: JobRating) -> None:
        self.outcome.waiting += 1
        if not rating.due:
            rating.due = True
            self._changed.append(rating)

    def _rewrite(self, rating: JobRating, job: JobFacts, verdict: Verdict, *, anew: bool) -> None:
        """Say what became of the job now; what is unpriced as before costs nothing."""
        new = JobRating(
            job_id=job.pk,
            status=verdict.status,
            reason=verdict.reason,
            project_id=verdict.project_id,
            job_revision=job.revision,
            generation=rating.generation + (anew and verdict.is_charged),
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


def differ(job: JobFacts, verdict: Verdict, charged: Sequence[Charge]) -> bool:
    """Whether a job's charges in force are other than those that it comes to.

    Amounts need not be compared: of a published rate they follow from the quantity, or from where
    its counter stood.
    """
    usage = [row for row in charged if row.kind == ChargeKind.USAGE]
    have = {
        (row.project_id, row.share_id, row.resource, row.quantity, row.rate_id, row.basis,
         microseconds(row.job_end), row.estimated)
        for row in usage
    }  # fmt: skip
    want = {
        (verdict.project_id, None, item.resource, item.quantity, item.rate.rate_id, "", job.end,
         job.estimated)
        for item in verdict.amounts
    } | {
        (portion.project_id, portion.share_id, item.resource, item.quantity, item.rate.rate_id,
         item.basis, job.end, job.estimated)
        for portion in verdict.portions
        for item in portion.measured
    }  # fmt: skip
    if want != have:
        return True
    minima = {}
    for portion in verdict.portions:
        paid = total(row.amount for row in usage if row.project_id == portion.project_id)
        if portion.minimum and portion.minimum > paid:
            minima[portion.project_id] = (portion.minimum - paid, portion.terms_from)
    return minima != {
        row.project_id: (row.amount, row.price_list_id)
        for row in charged
        if row.kind == ChargeKind.MINIMUM
    }


def record_charges(lines: ChargeLines, outcome: Outcome, *, actor: Actor) -> None:
    """Write one audit event for the batch: how many charges, their sums, a digest of them all."""
    outcome.charges, outcome.amounts = lines.count, lines.amounts
    if lines.count:
        data = {"charges": lines.count, "amounts": lines.amounts, "digest": lines.digest}
        record("charges.made", actor=actor, data=data)
