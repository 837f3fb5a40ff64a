"""What running jobs come to so far: shown, never charged. The engine is the one that charges."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice

from django.db.models import QuerySet
from django.utils import timezone

from core.intervals import microseconds
from core.money import total
from pricing.counting import Priced, what_it_comes_to
from pricing.engine import Amount
from pricing.judging import Books, JobFacts
from pricing.models import RatingReason
from pricing.resources import FIGURES
from usage.models import ImportRun, Job

MOST_JOBS = 5000
"""So many running jobs are summed up; a page that takes longer helps nobody."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a running job would cost, had it ended when it was last seen (``seen_at``), by the tier
    and lists of now, and as the next one that counters price. ``reason`` is the code of why there
    is no price, else empty. ``project_id`` pays for what does not name another one."""

    seen_at: datetime
    amounts: tuple[Amount | Priced, ...]
    reason: str
    project_id: int | None

    @property
    def amount(self) -> Decimal | None:
        """The cost so far at six decimals; None where there is no price."""
        return total(item.amount for item in self.amounts) if self.amounts else None

    @property
    def currency(self) -> str:
        return self.amounts[0].currency if self.amounts else ""

    @property
    def reason_text(self) -> str:
        """Why there is no price, in the current language."""
        return str(RatingReason(self.reason).label) if self.reason else ""


def estimates(jobs: Iterable[Job]) -> dict[int, Estimate]:
    """Return the estimates of those of some jobs that run, by key. Reads, and writes nothing."""
    running = [job for job in jobs if job.end is None and job.start is not None]
    if not running:
        return {}
    now = timezone.now()
    facts = [_facts(job, now) for job in running]
    books = Books(facts)
    verdicts = [books.judge(fact) for fact in facts]
    found = what_it_comes_to([(fact.end, one) for fact, one in zip(facts, verdicts, strict=True)])
    runs = ImportRun.objects.only("created_at").in_bulk({job.run_id for job in running})
    return {
        job.pk: Estimate(
            runs[job.run_id].created_at,
            tuple(verdict.amounts or priced),
            verdict.reason,
            verdict.project_id,
        )
        for job, verdict, priced in zip(running, verdicts, found, strict=True)
    }


def _facts(job: Job, now: datetime) -> JobFacts:
    return JobFacts(
        pk=job.pk,
        cluster_id=job.cluster_id,
        account=job.account,
        user_name=job.user_name,
        end=microseconds(now),
        end_text=now.isoformat(),
        revision=job.revision,
        estimated=job.estimated,
        figures=tuple(getattr(job, name) for name in FIGURES),
    )


@dataclass(frozen=True, slots=True)
class Accrued:
    """What some running jobs come to so far, by currency. ``unpriced`` of them have no price;
    ``more`` tells that there were too many to look at. ``seen_at`` is when the oldest was seen."""

    jobs: int
    amounts: Mapping[str, Decimal]
    unpriced: int
    more: bool
    seen_at: datetime | None


def accrued(jobs: QuerySet[Job]) -> Accrued:
    """Sum up what those of some jobs that run come to so far."""
    rows = jobs.filter(end=None, start__isnull=False).order_by("pk")
    found = list(islice(rows.iterator(), MOST_JOBS + 1))
    return _sum(list(estimates(found[:MOST_JOBS]).values()), more=len(found) > MOST_JOBS)


def _sum(found: Sequence[Estimate], *, more: bool) -> Accrued:
    amounts: dict[str, Decimal] = {}
    for item in found:
        if item.amount is not None:
            amounts[item.currency] = amounts.get(item.currency, Decimal(0)) + item.amount
    return Accrued(
        jobs=len(found),
        amounts=amounts,
        unpriced=sum(item.amount is None for item in found),
        more=more,
        seen_at=min((item.seen_at for item in found), default=None),
    )
