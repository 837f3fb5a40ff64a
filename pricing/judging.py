"""What a job comes to: who pays, which lists count, and what of it is priced, or why nothing is."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import BigIntegerField, Func, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.models import Project, User
from accounts.selectors import Bearer, SplitBook, TierBook
from core.bulk import any_of
from core.intervals import microseconds
from core.money import CHARGE_DECIMALS
from pricing import engine
from pricing.engine import Amount, NoRate, PricedRate, Prices, Usage, measure, shares
from pricing.models import RatingReason, RatingStatus
from pricing.resources import FIGURES, RESOURCES
from pricing.tariffs import Layers, TariffBook
from usage.exemptions import exempted
from usage.models import Job
from usage.selectors import ProjectBook

TOO_MUCH = Decimal(10) ** 17
"""Amounts from here on can't be charged."""
_TOO_MANY_MILLIONTHS = int(TOO_MUCH.scaleb(CHARGE_DECIMALS))


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


class Portion(NamedTuple):
    """What one project pays for of a job: quantities with the rates that price them.

    ``minimum`` is what the part that it bears costs at least, by the list ``terms_from``.
    """

    project_id: int
    share_id: int | None
    measured: tuple[engine.Measured, ...]
    currency: str
    minimum: Decimal
    terms_from: int


class Verdict(NamedTuple):
    """What a job comes to: its project and amounts, or the reason why there are none.

    Jobs whose stored figures are all that counts, each times one price, have ``amounts``; all
    others have ``portions``, whose amounts may depend on counters.
    """

    project_id: int | None
    amounts: Sequence[Amount] = ()
    reason: str = RatingReason.NONE.value
    portions: Sequence[Portion] = ()

    @property
    def status(self) -> str:
        return _STATUS.get(self.reason, _UNPRICED)

    @property
    def is_charged(self) -> bool:
        return not self.reason


_UNPRICED = RatingStatus.UNPRICED.value
_STATUS = {
    RatingReason.NONE.value: RatingStatus.RATED.value,
    RatingReason.NO_USAGE.value: RatingStatus.EXEMPT.value,
    RatingReason.EXEMPTED.value: RatingStatus.EXEMPT.value,
    RatingReason.STATE.value: RatingStatus.EXEMPT.value,
    RatingReason.FREE.value: RatingStatus.EXEMPT.value,
}
_REASONS: dict[type[Exception], str] = {
    engine.NoRate: RatingReason.NO_RATE.value,
    engine.TooLarge: RatingReason.TOO_LARGE.value,
    engine.Unreadable: RatingReason.UNREADABLE.value,
    engine.InvalidRate: RatingReason.CURRENCIES.value,
}


class Books:
    """The projects, splits, tiers and prices that a batch of jobs is judged by, each looked up
    once. ``special`` are the jobs whose price depends on more than their stored figures; what it
    depends on is read for them alone."""

    def __init__(self, jobs: Sequence[JobFacts], *, lists: TariffBook | None = None) -> None:
        self._projects = ProjectBook(jobs)
        self._tariffs = Tariffs(self._projects.all(), lists)
        self._payers: dict[tuple[int, str, str], Project | None] = {}
        self._exempted = exempted([job.pk for job in jobs])
        self._usage = usage_of([job.pk for job in jobs if self._is_special(job)])

    @property
    def special(self) -> Collection[int]:
        return self._usage.keys()

    def judge(self, job: JobFacts) -> Verdict:
        """Price a job, or say why that can't be done."""
        project = self._payer(job)
        key = None if project is None else project.pk
        used = any(job.figures)
        special = self._usage.get(job.pk)
        if (not used and not (special and special.held)) or job.pk in self._exempted:
            reason = RatingReason.EXEMPTED if used else RatingReason.NO_USAGE
            return Verdict(key, reason=reason.value)
        if project is None:
            return Verdict(None, reason=RatingReason.NO_PROJECT.value)
        if not project.is_active:
            return Verdict(key, reason=RatingReason.PROJECT_INACTIVE.value)
        span = self._tariffs.at(project.pk, job.user_name, job.end)
        if span.reason:
            return Verdict(key, reason=span.reason)
        if special is not None:
            return _judge_special(project.pk, span, special.usage)
        return _judge_plain(project.pk, job.figures, span)

    def order(self, job: JobFacts) -> tuple[int, ...]:
        """Return the place of a special job among those that counters price."""
        special = self._usage[job.pk]
        return job.end, job.cluster_id, special.job_id, special.submit

    def _is_special(self, job: JobFacts) -> bool:
        if self._tariffs.always_plain:
            return False
        project = self._payer(job)
        return project is not None and not (
            self._tariffs.at(project.pk, job.user_name, job.end).is_plain
        )

    def _payer(self, job: JobFacts) -> Project | None:
        key = (job.cluster_id, job.account, "" if job.account else job.user_name)
        try:
            return self._payers[key]
        except KeyError:
            return self._payers.setdefault(key, self._projects.of(job))


class Borne(NamedTuple):
    """A project that pays in a span of time, and the lists that price what it pays for."""

    bearer: Bearer
    layers: Layers


_NOTHING: engine.Tariff = engine.Tariff([], engine.Terms(), cluster_id=0, partition="", qos="")


@dataclass(slots=True)
class Span:
    """What holds for a project's (and user's) jobs from one moment to the next: who pays by which
    lists, or why there is no price. ``prices`` is set where nothing else counts (``is_plain``)."""

    reason: str = ""
    borne: tuple[Borne, ...] = ()
    tariff: Callable[[Layers, int, str, str], engine.Tariff] = field(default=lambda *_: _NOTHING)
    prices: Prices | None = None

    @property
    def is_plain(self) -> bool:
        return self.prices is not None or bool(self.reason)


def _judge_plain(project_id: int, figures: Sequence[int], span: Span) -> Verdict:
    if span.prices is None:
        raise ValueError("a job that is not special has plain prices")
    try:
        amounts = span.prices.of(figures)
    except NoRate:
        return Verdict(project_id, reason=RatingReason.NO_RATE.value)
    for item in amounts:
        if item.millionths >= _TOO_MANY_MILLIONTHS:
            return Verdict(project_id, reason=RatingReason.TOO_LARGE.value)
    return Verdict(project_id, amounts)


def _judge_special(project_id: int, span: Span, usage: Usage) -> Verdict:
    """Measure a job for each project that pays for a part of it, by its own lists."""
    percents = [one.bearer.percent for one in span.borne]
    portions, by_state = [], 0
    for place, (bearer, layers) in enumerate(span.borne):
        try:
            tariff = span.tariff(layers, usage.cluster_id, usage.partition, usage.qos)
            measured = measure(usage, tariff)
        except engine.ExemptByState:
            by_state += 1
            continue
        except (engine.Unpriceable, engine.InvalidRate) as refusal:
            return Verdict(project_id, reason=_REASONS[type(refusal)])
        parts = tuple(
            item._replace(quantity=part)
            for item in measured
            if (part := shares(item.quantity, percents)[place])
        )
        terms_from = layers.terms_from
        if parts and terms_from is not None:
            minimum = engine.job_minimum(
                Decimal(0), minimum=tariff.terms.minimum_per_job, percent=bearer.percent
            )
            portions.append(
                Portion(
                    bearer.project.pk,
                    bearer.share_id,
                    parts,
                    tariff.currency,
                    minimum,
                    terms_from.price_list_id,
                )
            )
    if portions:
        return Verdict(project_id, portions=portions)
    reason = RatingReason.STATE if by_state else RatingReason.FREE
    return Verdict(project_id, reason=reason.value)


class Tariffs:
    """Who pays for a project's jobs, and by which lists, by when they ended.

    Splits, tiers and lists change at few moments; between two of them the answer is always the
    same, so it is found once for each such span. ``always_plain`` tells that no published list says
    more than one price for CPUs, memory and GPUs each, and that no costs are split.
    """

    def __init__(self, projects: Collection[Project], lists: TariffBook | None = None) -> None:
        self._splits = SplitBook(projects)
        self._tiers = TierBook(project.pk for project in self._splits.bearers())
        self._lists = TariffBook() if lists is None else lists
        users = User.objects.filter(pk__in=self._lists.user_ids) if self._lists.user_ids else ()
        self._users = {user.get_username(): user.pk for user in users}
        self._spans: dict[tuple[int, str], tuple[list[int], list[Span]]] = {}
        self.always_plain = not self._splits and self._lists.all_plain

    def at(self, project_id: int, user_name: str, end: int) -> Span:
        """Return what holds at a moment (microseconds since 1970)."""
        key = project_id, user_name if user_name in self._users else ""
        spans = self._spans.get(key)
        if spans is None:
            spans = self._spans[key] = self._spans_of(*key)
        starts, found = spans
        place = bisect_right(starts, end)
        return found[place - 1] if place else _BEFORE_ALL

    def _spans_of(self, project_id: int, user_name: str) -> tuple[list[int], list[Span]]:
        moments = self._lists.moments() | self._splits.moments(project_id)
        bearers = {each.pk for each in self._splits.bearers()} if self._splits else {project_id}
        for bearer_id in bearers:
            moments |= self._tiers.moments(bearer_id)
        ordered = sorted(moments)
        found = [self._span(project_id, self._users.get(user_name), at) for at in ordered]
        return [microseconds(at) for at in ordered], found

    def _span(self, project_id: int, user_id: int | None, moment: datetime) -> Span:
        borne = []
        for bearer in self._splits.at(project_id, moment):
            if not bearer.project.is_active:
                return Span(RatingReason.PROJECT_INACTIVE.value)
            tier = self._tiers.at(bearer.project.pk, moment)
            layers = self._lists.layers(
                moment,
                tier_id=None if tier is None else tier.tier_id,
                project_id=bearer.project.pk,
                user_id=user_id,
            )
            if not layers.found:
                reason = RatingReason.NO_TIER if tier is None else RatingReason.NO_LIST
                return Span(reason.value)
            borne.append(Borne(bearer, layers))
        whole = len(borne) == 1 and borne[0].bearer.project.pk == project_id
        prices = _plain_prices(borne[0].layers) if whole else None
        return Span(borne=tuple(borne), tariff=self._lists.tariff, prices=prices)


_BEFORE_ALL = Span(RatingReason.NO_TIER.value)


def _plain_prices(layers: Layers) -> Prices | None:
    """Return the prices of lists that are plain for all jobs alike, else None."""
    counting = layers.terms_from
    if counting is None or not all(one.is_plain for one in layers.found):
        return None
    if len({one.currency for one in layers.found}) > 1:
        return None
    rates: dict[str, PricedRate] = {}
    for listed in layers.found:
        for rate in listed.rates:
            if rate.resource in RESOURCES and rate.unit_price is not None:
                priced = PricedRate(rate.rate_id, rate.unit_price, rate.unit_size)
                rates.setdefault(rate.resource, priced)
    return Prices(counting.currency, rates)


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


class _Special(NamedTuple):
    """What more of a job its price may depend on; ``job_id`` and ``submit`` put it in order."""

    job_id: int
    submit: int
    usage: Usage

    @property
    def held(self) -> int:
        return self.usage.elapsed_seconds + self.usage.suspended_seconds


def usage_of(job_ids: Sequence[int]) -> dict[int, _Special]:
    """Read what the prices of special jobs depend on."""
    if not job_ids:
        return {}
    moment = Func("submit", template=_MICROSECONDS, output_field=BigIntegerField())
    rows = Job.objects.filter(any_of("pk", job_ids)).order_by().annotate(submitted=moment)
    found = rows.values_list("pk", "job_id", "submitted", *Usage._fields)
    return {pk: _Special(job_id, at, Usage(*rest)) for pk, job_id, at, *rest in found}
