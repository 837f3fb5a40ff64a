"""What jobs would cost before they are submitted: by the engine that charges, and never charged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import NamedTuple

from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from accounts.models import Project, Tier, User
from accounts.selectors import SplitBook, TierBook
from core.errors import Invalid
from core.intervals import month_start
from pricing import engine
from pricing.labels import resource_name
from pricing.models import ChargeKind, Counter, PriceList
from pricing.resources import family_of
from pricing.tariffs import Layers, TariffBook
from pricing.tariffs import tariff as tariff_of
from usage.models import Cluster
from usage.tres import InvalidTres, read_tres

MOST_JOBS = 1_000_000
MOST_STEPS = 50_000
"""So many jobs are looked at one by one, which a minimum per job beside slabs needs."""
STATE = "COMPLETED"
"""The end state that is assumed: jobs are priced as if all goes well."""

_DIGITS = 60
_ALL = Decimal(100)
_LARGEST = 10**17
_NOBODY = 0
"""No cluster has this key, so that rates of particular clusters don't meet it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that is asked about, and how many like it. ``gpus`` and ``licenses`` are counts by
    name; GPUs of no particular type have the empty name. Memory is of the whole job."""

    seconds: int
    cpus: int = 0
    mem_kib: int = 0
    gpus: tuple[tuple[str, int], ...] = ()
    nodes: int = 1
    licenses: tuple[tuple[str, int], ...] = ()
    jobs: int = 1
    partition: str = ""
    qos: str = ""

    @property
    def tres(self) -> str:
        """Canonical TRES text, as if Slurm had given all that is asked for. Raises Invalid."""
        amounts = [("cpu", self.cpus), ("node", self.nodes)]
        amounts.append(("gres/gpu", sum(count for _kind, count in self.gpus)))
        amounts += [(f"gres/gpu:{kind}", count) for kind, count in self.gpus if kind]
        amounts += [(f"license/{name}", count) for name, count in self.licenses]
        texts = [f"{name}={count}" for name, count in amounts if count]
        if self.mem_kib:
            texts.append(f"mem={self.mem_kib}K")
        try:
            return read_tres(",".join(texts)).canonical
        except InvalidTres as error:
            raise Invalid("request", str(error)) from error


class Remark(StrEnum):
    """What an estimate rests on that may come out otherwise."""

    ONE_CLUSTER = "one_cluster"
    NO_CLUSTER = "no_cluster"
    AS_USED = "as_used"
    NOT_KNOWN = "not_known"
    FROM_COUNTER = "from_counter"
    FROM_ZERO = "from_zero"
    CAP = "cap"
    SPLIT = "split"


class Note(NamedTuple):
    """A remark and what it is about: a cluster, a resource or an amount."""

    remark: Remark
    about: str = ""


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """What a resource comes to, all jobs together: quantity in base units and amount at six
    decimals. ``counter_before`` is where the month's counter stands before these jobs, if the rate
    needs one. A minimum has no rate."""

    kind: str
    resource: str
    quantity: int
    rate: engine.Rate | None
    basis: str
    counter_before: int | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class QuotePart:
    """A job that was asked about, with its lines."""

    wanted: Wanted
    lines: tuple[QuoteLine, ...]

    @property
    def total(self) -> Decimal:
        return _sum(line.amount for line in self.lines)


@dataclass(frozen=True, slots=True)
class Quote:
    """What the jobs would cost at a moment. ``lists`` are those that can price them, negotiated
    ones first; ``terms_from`` is the key of the one whose terms count. Nothing is rounded to the
    currency before the total is shown."""

    moment: datetime
    tier: Tier | None
    project: Project | None
    cluster: Cluster | None
    currency: str
    lists: tuple[PriceList, ...]
    terms_from: int
    parts: tuple[QuotePart, ...]
    notes: tuple[Note, ...]

    @property
    def total(self) -> Decimal:
        """The sum at six decimals."""
        return _sum(part.total for part in self.parts)


def _sum(amounts: Iterator[Decimal]) -> Decimal:
    with localcontext(prec=_DIGITS):
        return sum(amounts, Decimal(0))


@dataclass(frozen=True, slots=True)
class Payer:
    """By whose prices: those of a tier, or those of a project with its tier, its negotiated prices
    (and those of a user), and what it has used of the month."""

    tier: Tier | None = None
    project: Project | None = None
    user: User | None = None


def quote(
    jobs: Sequence[Wanted], *, payer: Payer, moment: datetime, cluster: Cluster | None = None
) -> Quote:
    """Price jobs as if they ended at a moment, one after the other.

    Raises Invalid: ``no_tier``, ``no_list`` (none in effect then), ``no_rate`` (with the resource),
    ``state``, ``too_large``, or ``request``.
    """
    layers, tier = _layers(payer, moment)
    chosen = cluster or _only_cluster()
    pricing = _Pricing(layers, payer.project, moment, chosen.pk if chosen else _NOBODY)
    pricing.share_costs()
    parts = tuple(pricing.part(wanted) for wanted in jobs)
    if cluster is None:
        remark = Remark.ONE_CLUSTER if chosen else Remark.NO_CLUSTER
        if chosen is not None or _by_cluster(layers):
            pricing.note(remark, chosen.name if chosen else "")
    rows = PriceList.objects.select_related("tier", "project", "user").in_bulk(
        [one.price_list_id for one in layers.found]
    )
    return Quote(
        moment=moment,
        tier=tier,
        project=payer.project,
        cluster=chosen,
        currency=layers.found[0].currency,
        lists=tuple(rows[one.price_list_id] for one in layers.found),
        terms_from=layers.terms_from.price_list_id if layers.terms_from else 0,
        parts=parts,
        notes=tuple(pricing.notes),
    )


def _layers(payer: Payer, moment: datetime) -> tuple[Layers, Tier | None]:
    tier, project = payer.tier, payer.project
    if project is not None:
        row = TierBook([project.pk]).at(project.pk, moment)
        tier = row.tier if row else None
    layers = TariffBook().layers(
        moment,
        tier_id=tier.pk if tier else None,
        project_id=project.pk if project else None,
        user_id=payer.user.pk if payer.user else None,
    )
    if layers.found:
        return layers, tier
    if tier is None:
        raise Invalid("no_tier", _("The project has no tier on that day."))
    raise Invalid(
        "no_list", _("The tier %(tier)s has no price list on that day.") % {"tier": tier.code}
    )


def _only_cluster() -> Cluster | None:
    found = list(Cluster.objects.order_by("pk")[:2])
    return found[0] if len(found) == 1 else None


def _by_cluster(layers: Layers) -> bool:
    return any(rate.cluster_id is not None for one in layers.found for rate in one.rates)


@dataclass(slots=True)
class _Pricing:
    """Prices jobs by some lists, counters moving on from one job to the next."""

    layers: Layers
    project: Project | None
    moment: datetime
    cluster_id: int
    notes: list[Note] = field(default_factory=list)
    percents: tuple[Decimal, ...] = (_ALL,)
    place: int = 0
    _counters: dict[int, int] = field(default_factory=dict)
    _steps: int = 0

    def __post_init__(self) -> None:
        if self.project is not None:
            month = month_start(localdate(self.moment))
            rows = Counter.objects.filter(project=self.project, month=month)
            self._counters = dict(rows.values_list("rate", "quantity"))

    def share_costs(self) -> None:
        """Price only what the project itself pays, where its costs are split."""
        if self.project is None:
            return
        bearers = SplitBook([self.project]).at(self.project.pk, self.moment)
        own = [n for n, bearer in enumerate(bearers) if bearer.project == self.project]
        self.percents = tuple(bearer.percent for bearer in bearers)
        if not own:  # others pay for all of it
            self.percents, self.place = (_ALL, Decimal(0)), 1
        else:
            self.place = own[0]
        if self.percent != _ALL:
            self.note(Remark.SPLIT, f"{self.percent.normalize():f}")

    @property
    def percent(self) -> Decimal:
        """The part of its jobs that the project pays."""
        return self.percents[self.place]

    def _part(self, item: engine.Measured) -> engine.Measured:
        part = engine.shares(item.quantity, self.percents)[self.place]
        return item._replace(quantity=part)

    def note(self, remark: Remark, about: str = "") -> None:
        found = Note(remark, about)
        if found not in self.notes:
            self.notes.append(found)

    def part(self, wanted: Wanted) -> QuotePart:
        tres = wanted.tres
        try:
            tariff = tariff_of(self.layers, self.cluster_id, wanted.partition, wanted.qos)
            whole = engine.measure(_usage(wanted, tres, self.cluster_id), tariff)
            measured = [part for part in map(self._part, whole) if part.quantity]
        except engine.NoRate as error:
            raise Invalid(
                "no_rate",
                _("The price list has no price for this: %(resource)s.")
                % {"resource": resource_name(error.resource)},
            ) from error
        except engine.ExemptByState as error:
            raise Invalid("state", error.reason) from error
        except (engine.Unpriceable, engine.InvalidRate) as error:
            raise _too_large() from error
        self._remark(tariff, measured)
        before = dict(self._counters)
        with localcontext(prec=_DIGITS):
            lines = [self._line(item, wanted.jobs) for item in measured]
            least = self._minimum(tariff, lines, measured, before, wanted.jobs)
        return QuotePart(wanted, (*lines, *([least] if least else [])))

    def _remark(self, tariff: engine.Tariff, measured: Sequence[engine.Measured]) -> None:
        for item in measured:
            if item.rate.basis is engine.Basis.USED:
                self.note(Remark.AS_USED, item.resource)
            if not item.rate.is_linear:
                known = self.project is not None
                self.note(Remark.FROM_COUNTER if known else Remark.FROM_ZERO, item.resource)
        for code in tariff.rates:
            if family_of(code) in {"billing", "energy"}:
                self.note(Remark.NOT_KNOWN, code)
        if tariff.terms.cap is not None:
            self.note(Remark.CAP, f"{tariff.terms.cap.normalize():f}")

    def _line(self, item: engine.Measured, jobs: int) -> QuoteLine:
        quantity, rate = item.quantity * jobs, item.rate
        before: int | None = None
        if rate.is_linear:
            amount = engine.linear_amount(rate, item.quantity) * jobs
        else:
            before = self._counters.get(rate.rate_id)
            after = (before or 0) + quantity
            amount = engine.cumulative(rate, after) - _so_far(rate, before)
            self._counters[rate.rate_id] = after
            before = before or 0
        if abs(amount) >= _LARGEST or quantity >= 2**63:
            raise _too_large()
        return QuoteLine(
            ChargeKind.USAGE.value, item.resource, quantity, rate, item.basis, before, amount
        )

    def _minimum(
        self,
        tariff: engine.Tariff,
        lines: Sequence[QuoteLine],
        measured: Sequence[engine.Measured],
        counters: dict[int, int],
        jobs: int,
    ) -> QuoteLine | None:
        """Return what the minimum of each job adds, if anything."""
        least = tariff.terms.minimum_per_job
        if not (least and measured):
            return None
        part = engine.job_minimum(Decimal(0), minimum=least, percent=self.percent)
        if all(item.rate.is_linear for item in measured):
            one = _sum(line.amount / jobs for line in lines)
            missing = engine.job_minimum(one, minimum=part) * jobs
        else:
            self._steps += jobs
            if self._steps > MOST_STEPS:
                raise _too_large()
            each = _job_by_job(measured, counters, jobs)
            missing = _sum(engine.job_minimum(amount, minimum=part) for amount in each)
        if not missing:
            return None
        return QuoteLine(ChargeKind.MINIMUM.value, "minimum", 0, None, "", None, missing)


def _usage(wanted: Wanted, tres: str, cluster_id: int) -> engine.Usage:
    return engine.Usage(
        cluster_id=cluster_id,
        partition=wanted.partition,
        qos=wanted.qos,
        state=STATE,
        elapsed_seconds=wanted.seconds,
        suspended_seconds=0,
        tres=tres,
        req_tres=tres,
    )


def _so_far(rate: engine.Rate, counter: int | None) -> Decimal:
    """What a counter came to; one that nothing was charged by yet came to nothing."""
    return Decimal(0) if counter is None else engine.cumulative(rate, counter)


def _job_by_job(
    measured: Sequence[engine.Measured], counters: dict[int, int], jobs: int
) -> Iterator[Decimal]:
    """Yield the amount of each job, as the counters move on."""
    stand: dict[int, int | None] = {m.rate.rate_id: counters.get(m.rate.rate_id) for m in measured}
    for _number in range(jobs):
        amount = Decimal(0)
        for item in measured:
            if item.rate.is_linear:
                amount += engine.linear_amount(item.rate, item.quantity)
                continue
            before = stand[item.rate.rate_id]
            after = stand[item.rate.rate_id] = (before or 0) + item.quantity
            amount += engine.cumulative(item.rate, after) - _so_far(item.rate, before)
        yield amount


def _too_large() -> Invalid:
    return Invalid("too_large", _("That is more than can be priced."))
