"""The thorough way: each job is judged as rating would, by the engine, in constant memory."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date
from decimal import Decimal

from django.db.models import Q, QuerySet

from accounts.selectors import projects_borne_by
from core.bulk import any_of, in_batches
from core.intervals import Interval, microseconds
from pricing.engine import job_minimum, linear_amount
from pricing.judging import Books, JobFacts, Portion, Verdict, facts_of
from pricing.models import JobRating, PriceList, RatingReason, RatingStatus, StatePolicy
from pricing.study.ledger import Aside, months_of
from pricing.study.scope import Scope
from pricing.study.tally import ZERO, Key, Tally
from pricing.tariffs import Listed, TariffBook
from usage.models import Job

BATCH_JOBS = 5_000

Advance = Callable[[int, int], None]
"""Is told how many of how many jobs were looked at so far."""

_BY_THE_LIST = (RatingReason.STATE, RatingReason.FREE)
"""Why a job is exempt under the list that holds, which another list may see otherwise."""


class Rehearsal(TariffBook):
    """The published lists, but for one holder: in its place a list counts at all times."""

    def __init__(self, price_list: PriceList, listed: Listed, window: Interval) -> None:
        super().__init__()
        always = replace(listed, effective_at=window.start, ends_at=None)
        if price_list.tier_id is not None:
            self._tiers[price_list.tier_id] = [always]
        elif price_list.project_id is not None:
            self._projects[price_list.project_id] = [always]
        elif price_list.user_id is not None:
            self._users[price_list.user_id] = [always]


class Stream:
    """Adds to a tally what the jobs of a scope come to under the lists of a book.

    With ``aside``, the ledger has counted what is charged already: then only what has no charges,
    or is set aside, is added.
    """

    def __init__(
        self, tally: Tally, scope: Scope, book: TariffBook, *, aside: Aside | None = None
    ) -> None:
        self._tally = tally
        self._scope = scope
        self._book = book
        self._aside = aside
        self._months = [(microseconds(part.end), first) for first, part in months_of(scope.window)]

    def run(self, advance: Advance) -> None:
        """Judge the jobs, in the order of rating. Writes nothing."""
        jobs = self._jobs()
        total, done = jobs.count(), 0
        keys = jobs.order_by("end", "cluster_id", "job_id", "submit").values_list("pk", flat=True)
        advance(0, total)
        for ids in in_batches(keys.iterator(chunk_size=BATCH_JOBS), BATCH_JOBS):
            self._judge(ids)
            done += len(ids)
            advance(done, total)

    def _jobs(self) -> QuerySet[Job]:
        window = self._scope.window
        jobs = Job.objects.filter(end__gte=window.start, end__lt=window.end)
        jobs = jobs.exclude(rating__reason=RatingReason.EXEMPTED)
        if self._scope.user_name:
            jobs = jobs.filter(user_name=self._scope.user_name)
        jobs = jobs.filter(rating__project__in=_homes(self._scope.projects))
        if self._aside is None:
            return jobs
        uncharged = Q(rating__status=RatingStatus.UNPRICED)
        if _some_list_exempts():  # only then is it worth to look for such jobs, which takes long
            uncharged |= Q(rating__reason__in=_BY_THE_LIST)
        own = Q(rating__project__in=_homes(self._aside.projects)) | Q(
            user_name__in=self._aside.user_names
        )
        return jobs.filter(uncharged | own if self._aside else uncharged)

    def _judge(self, ids: list[int]) -> None:
        jobs = {job.pk: job for job in facts_of(Job.objects.filter(any_of("pk", ids)))}
        books = Books(list(jobs.values()), lists=self._book)
        counted = self._counted(ids)
        for pk in ids:
            verdict = books.judge(jobs[pk])
            self._add(jobs[pk], verdict, counted=pk in counted)

    def _counted(self, ids: Collection[int]) -> frozenset[int]:
        """Return the jobs of which the ledger has counted what is not set aside."""
        if self._aside is None:
            return frozenset()
        rated = JobRating.objects.filter(any_of("pk", ids), status=RatingStatus.RATED)
        return frozenset(rated.values_list("pk", flat=True))

    def _add(self, job: JobFacts, verdict: Verdict, *, counted: bool) -> None:
        if verdict.reason:
            self._tell(job, verdict, counted=counted)
            return
        mine = self._is_mine(job, verdict.project_id, counted=counted)
        stretch = self._scope.find(verdict.project_id, job.end) if mine else None
        if verdict.amounts and stretch is not None:
            for item in verdict.amounts:
                self._add_amount(job, stretch.project_id, item.resource, item.amount)
        for portion in verdict.portions:
            if self._is_mine(job, portion.project_id, counted=counted):
                self._add_portion(job, portion)

    def _tell(self, job: JobFacts, verdict: Verdict, *, counted: bool) -> None:
        if self._scope.find(verdict.project_id, job.end) is None:
            return
        if not self._is_mine(job, verdict.project_id, counted=counted):
            return
        unpriced = verdict.status == RatingStatus.UNPRICED
        (self._tally.unpriced if unpriced else self._tally.exempt)[verdict.reason] += 1

    def _is_mine(self, job: JobFacts, project_id: int | None, *, counted: bool) -> bool:
        if not counted or self._aside is None:
            return True
        return project_id in self._aside.projects or job.user_name in self._aside.user_names

    def _add_portion(self, job: JobFacts, portion: Portion) -> None:
        stretch = self._scope.find(portion.project_id, job.end)
        if stretch is None:
            return
        together = ZERO
        first = self._month(job.end)
        for item in portion.measured:
            key = Key(stretch.project_id, stretch.tier_id, item.resource, first)
            if item.rate.is_linear:
                amount = linear_amount(item.rate, item.quantity)
                self._tally.after[key] += amount
                together += amount
            elif portion.minimum:
                together += self._tally.count(key, item.rate, item.quantity)
            else:
                self._tally.add_quantity(key, item.rate, item.quantity)
        missing = job_minimum(together, minimum=portion.minimum)
        if missing:
            self._add_amount(job, portion.project_id, "minimum", missing)

    def _add_amount(self, job: JobFacts, project_id: int, resource: str, amount: Decimal) -> None:
        stretch = self._scope.find(project_id, job.end)
        if stretch is not None:
            key = Key(project_id, stretch.tier_id, resource, self._month(job.end))
            self._tally.after[key] += amount

    def _month(self, end: int) -> date:
        for limit, first in self._months:
            if end < limit:
                return first
        raise ValueError("a job outside of the window")


def _some_list_exempts() -> bool:
    published = PriceList.objects.filter(status=PriceList.Status.PUBLISHED)
    by_state = StatePolicy.objects.filter(price_list__in=published, percent=0)
    return by_state.exists() or published.exclude(free_resources=[]).exists()


def _homes(projects: Collection[int]) -> set[int]:
    """Return the projects whose jobs some projects may bear costs of, themselves included."""
    return {*projects, *projects_borne_by(projects).values_list("pk", flat=True)}
