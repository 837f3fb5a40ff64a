"""What a job comes to: who pays, which list counts, and the amounts, or why there are none."""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import BigIntegerField, Func, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.models import Project
from accounts.selectors import TierBook
from pricing.engine import Amount, NoRate, Prices, price
from pricing.models import RatingReason, RatingStatus
from pricing.resources import FIGURES, used
from pricing.selectors import PriceBook
from usage.exemptions import exempted
from usage.models import Job
from usage.selectors import ProjectBook

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class JobFacts(NamedTuple):
    """What of a job its price depends on. ``figures`` are the quantities of ``resources.FIGURES``.

    ``end`` counts microseconds since 1970; ``end_text`` is the same moment as PostgreSQL wrote it.
    """

    pk: int
    cluster_id: int
    account: str
    user_name: str
    end: int
    end_text: str
    revision: int
    estimated: bool
    figures: tuple[int, ...]


class Verdict(NamedTuple):
    """What a job comes to: its project and amounts, or the reason why there are none."""

    project_id: int | None
    amounts: Sequence[Amount] = ()
    reason: str = RatingReason.NONE.value

    @property
    def status(self) -> str:
        return _STATUS.get(self.reason, RatingStatus.UNPRICED.value)


_STATUS = {
    RatingReason.NONE.value: RatingStatus.RATED.value,
    RatingReason.NO_USAGE.value: RatingStatus.EXEMPT.value,
    RatingReason.EXEMPTED.value: RatingStatus.EXEMPT.value,
}


class Books:
    """The projects, tiers and prices that a batch of jobs is judged by, each looked up once."""

    def __init__(self, jobs: Sequence[JobFacts]) -> None:
        self._projects = ProjectBook(jobs)
        self._tariffs = Tariffs(self._projects.all())
        self._payers: dict[tuple[int, str, str], Project | None] = {}
        self._exempted = exempted([job.pk for job in jobs])

    def judge(self, job: JobFacts) -> Verdict:
        """Price a job, or say why that can't be done."""
        project = self._payer(job)
        key = None if project is None else project.pk
        quantities = used(job.figures)
        if not quantities or job.pk in self._exempted:
            reason = RatingReason.EXEMPTED if quantities else RatingReason.NO_USAGE
            return Verdict(key, reason=reason.value)
        if project is None:
            return Verdict(None, reason=RatingReason.NO_PROJECT.value)
        if not project.is_active:
            return Verdict(key, reason=RatingReason.PROJECT_INACTIVE.value)
        prices = self._tariffs.at(project.pk, job.end)
        if isinstance(prices, str):
            return Verdict(key, reason=prices)
        try:
            return Verdict(key, price(quantities, prices))
        except NoRate:
            return Verdict(key, reason=RatingReason.NO_RATE.value)

    def _payer(self, job: JobFacts) -> Project | None:
        key = (job.cluster_id, job.account, "" if job.account else job.user_name)
        try:
            return self._payers[key]
        except KeyError:
            return self._payers.setdefault(key, self._projects.of(job))


class Tariffs:
    """Which list prices a project's jobs, by when they ended.

    Tiers and lists change at few moments; between two of them the answer is always the same, so it
    is found once for each such span.
    """

    def __init__(self, projects: Collection[Project]) -> None:
        keys = [project.pk for project in projects]
        self._tiers = TierBook(keys)
        self._prices = PriceBook()
        self._spans: dict[int, tuple[list[int], list[Prices | str]]] = {}

    def at(self, project_id: int, end: int) -> Prices | str:
        """Return the list for a moment (microseconds since 1970), or the reason for having none."""
        spans = self._spans.get(project_id)
        if spans is None:
            spans = self._spans[project_id] = self._spans_of(project_id)
        starts, found = spans
        place = bisect_right(starts, end)
        return found[place - 1] if place else RatingReason.NO_TIER.value

    def _spans_of(self, project_id: int) -> tuple[list[int], list[Prices | str]]:
        moments = sorted({*self._tiers.moments(project_id), *self._prices.moments()})
        return [microseconds(moment) for moment in moments], [
            self._at(project_id, moment) for moment in moments
        ]

    def _at(self, project_id: int, moment: datetime) -> Prices | str:
        tier = self._tiers.at(project_id, moment)
        if tier is None:
            return RatingReason.NO_TIER.value
        return self._prices.at(tier.tier_id, moment) or RatingReason.NO_LIST.value


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def facts_of(jobs: QuerySet[Job]) -> list[JobFacts]:
    """Read what prices depend on, in the order of the keys. All of the jobs have ended."""
    moment = Func("end", template=_MICROSECONDS, output_field=BigIntegerField())
    rows = jobs.order_by("pk").annotate(moment=moment, said=Cast("end", TextField()))
    found = rows.values_list(
        "pk", "cluster_id", "account", "user_name", "moment", "said", "revision", "estimated",
        *FIGURES,
    )  # fmt: skip
    return [
        JobFacts(pk, cluster, account, user, moment, said, revision, estimated, tuple(figures))
        for pk, cluster, account, user, moment, said, revision, estimated, *figures in found
    ]


# Exact: the epoch is numeric.
_MICROSECONDS = "(extract(epoch from %(expressions)s) * 1000000)::bigint"
