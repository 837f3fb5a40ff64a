"""Why a job costs what it costs, or nothing: every step from the accounting row to the amount."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.db.models import QuerySet

from accounts.models import Project, ProjectTier
from accounts.selectors import TierBook
from core.money import total
from pricing.models import Charge, JobRating, PriceList, Rate, RatingReason
from pricing.resources import RESOURCES, quantities
from pricing.selectors import live_charges
from usage import stages
from usage.exemptions import exemption_of
from usage.models import AccountMapping, Job
from usage.selectors import ProjectBook
from usage.stages import Stage
from usage.tres import Tres, parse_tres

MAX_LISTS = 8
"""How many lists are told of besides the one that counts, the nearest first."""


class PaidBy(StrEnum):
    """Why a project pays for a job."""

    MAPPING = "mapping"
    ACCOUNT = "account"
    OWNER = "owner"
    STORED = "stored"


class ListVerdict(StrEnum):
    """Why a published list of the tier counts, or does not."""

    COUNTS = "counts"
    BEGINS_LATER = "begins_later"
    OLDER = "older"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the accounting row stands: line of an import's input, which has a digest."""

    import_id: int
    origin: str
    line: int
    sha256: str
    revision: int


@dataclass(frozen=True, slots=True)
class TierStep:
    """The tier of the project at the job's end, and since and until when it has it."""

    code: str
    name: str
    starts_at: datetime
    ends_at: datetime | None
    override_reason: str


@dataclass(frozen=True, slots=True)
class ListStep:
    """A published list of the tier, and whether it counts for the job's end."""

    price_list: int
    name: str
    effective_at: datetime
    revision: int
    currency: str
    published_at: datetime | None
    verdict: ListVerdict


@dataclass(frozen=True, slots=True)
class Quantity:
    """Seconds × what was held, in the base units that are priced.

    ``count`` is of CPUs, GPUs or MiB; ``seconds`` of elapsed time, for GPUs and memory with the
    time that the job was suspended.
    """

    count: Decimal
    seconds: int
    quantity: int


@dataclass(frozen=True, slots=True)
class ChargeStep:
    """A charge: quantity ÷ unit size × unit price, rounded half up at six decimals.

    ``unrounded`` is the amount before that, cut off after twelve decimals; ``is_exact`` tells that
    nothing had to be rounded. ``made_of`` is None where the row as it is now gives another
    quantity: the charge is of an earlier revision of it.
    """

    charge: int
    resource: str
    quantity: int
    made_of: Quantity | None
    unit_size: int
    unit_price: Decimal | None
    unrounded: Decimal
    is_exact: bool
    amount: Decimal
    currency: str
    price_list: int
    price_list_name: str
    project: str
    generation: int
    created_at: datetime
    reverses: int | None
    reversed_by: int | None

    @property
    def expression(self) -> str:
        """The arithmetic as one types it into a calculator."""
        if self.unit_price is None:
            return str(self.amount)
        return f"{self.quantity} / {self.unit_size} * {self.unit_price.normalize():f}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A job's way to its amount. ``stage`` says where it stands; ``reason`` why without a price.

    ``missing_rates`` are resources that were used and that the list has no price for; ``not_used``
    are those that cost nothing because the job used none. ``exempt_because`` is the reason of the
    cluster's exemption that covers it. ``outdated`` tells that by the tiers and lists of today
    another list counts than the one that was charged by; ``to_correct`` that its charges would be
    others now, and can't be replaced while they are on a document.
    """

    job: Job
    source: Source
    stage: Stage
    reason: str
    project: str
    project_name: str
    paid_by: PaidBy | None
    tier: TierStep | None
    lists: tuple[ListStep, ...]
    charges: tuple[ChargeStep, ...]
    earlier: tuple[ChargeStep, ...]
    not_used: tuple[str, ...]
    missing_rates: tuple[str, ...]
    outdated: bool
    exempt_because: str = ""
    to_correct: bool = False

    @property
    def total(self) -> Decimal:
        """The sum of the charges in force, at six decimals."""
        return total(step.amount for step in self.charges)

    @property
    def currency(self) -> str:
        return self.charges[0].currency if self.charges else ""

    @property
    def reason_text(self) -> str:
        """Why there is no price, in the current language."""
        return str(RatingReason(self.reason).label) if self.reason else ""

    @property
    def counting(self) -> ListStep | None:
        """The list that counts for the job's end."""
        return next((step for step in self.lists if step.verdict is ListVerdict.COUNTS), None)


def explain_job(job_id: int, *, charges: QuerySet[Charge] | None = None) -> Explanation:
    """Explain a job; ``charges`` are those that the reader may see (all if left out).

    Raises Job.DoesNotExist.
    """
    jobs = Job.objects.select_related("cluster", "run__evidence", "rating__project")
    job = jobs.annotate(stage=stages.stage()).get(pk=job_id)
    rating: JobRating | None = getattr(job, "rating", None)
    seen = (Charge.objects.all() if charges is None else charges).filter(job=job)
    rows = list(seen.order_by("pk").select_related("project", "rate__price_list__tier", "reversal"))
    live = set(live_charges().filter(job=job).values_list("pk", flat=True))
    project, paid_by = _payer(job, rating)
    tier = _tier(project, job.end)
    lists = _lists(tier.tier_id, job.end) if tier and job.end else ()
    counting = next((step for step in lists if step.verdict is ListVerdict.COUNTS), None)
    used = quantities(job)
    in_force = [row for row in rows if row.pk in live]
    stage = Stage(getattr(job, "stage"))  # noqa: B009 - annotated
    return Explanation(
        job=job,
        source=_source(job),
        stage=stage,
        reason=rating.reason if rating and stage in (Stage.UNPRICED, Stage.EXEMPT) else "",
        project=project.code if project else "",
        project_name=project.name if project else "",
        paid_by=paid_by,
        tier=_tier_step(tier),
        lists=tuple(lists),
        charges=tuple(_charge_step(row, job) for row in in_force),
        earlier=tuple(_charge_step(row, job) for row in rows if row.pk not in live),
        not_used=tuple(code for code in RESOURCES if code not in used),
        missing_rates=_missing(counting, used),
        outdated=any(
            counting is None or row.prices_from.pk != counting.price_list for row in in_force
        ),
        exempt_because=_exempt_because(job, rating),
        to_correct=bool(rating and rating.due and in_force),
    )


def _exempt_because(job: Job, rating: JobRating | None) -> str:
    if rating is None or rating.reason != RatingReason.EXEMPTED:
        return ""
    found = exemption_of(job)
    return found.reason if found else ""


def explain_charge(
    charge_id: int, *, charges: QuerySet[Charge] | None = None
) -> tuple[ChargeStep, Explanation]:
    """Explain a charge with its job. Raises Charge.DoesNotExist."""
    seen = Charge.objects.all() if charges is None else charges
    job_id = seen.values_list("job_id", flat=True).get(pk=charge_id)
    told = explain_job(job_id, charges=charges)
    step = next(step for step in (*told.charges, *told.earlier) if step.charge == charge_id)
    return step, told


def _payer(job: Job, rating: JobRating | None) -> tuple[Project | None, PaidBy | None]:
    """Return who pays by the settings of today, or by the rating that was made."""
    found = ProjectBook([job]).of(job)
    stored = rating.project if rating else None
    if stored is not None and stored != found:
        return stored, PaidBy.STORED
    if found is None:
        return None, None
    if not job.account:
        return found, PaidBy.OWNER
    mapped = AccountMapping.objects.filter(cluster=job.cluster, account=job.account).exists()
    return found, PaidBy.MAPPING if mapped else PaidBy.ACCOUNT


def _tier(project: Project | None, end: datetime | None) -> ProjectTier | None:
    if project is None or end is None:
        return None
    return TierBook([project.pk]).at(project.pk, end)


def _tier_step(row: ProjectTier | None) -> TierStep | None:
    if row is None:
        return None
    reason = row.reason if row.override else ""
    return TierStep(row.tier.code, row.tier.name, row.starts_at, row.ends_at, reason)


def _lists(tier_id: int, end: datetime) -> tuple[ListStep, ...]:
    """Return the list that counts for a moment and the others nearest to it, by beginning."""
    rows = list(
        PriceList.objects.filter(status=PriceList.Status.PUBLISHED, tier=tier_id)
        .order_by("effective_at", "revision")
        .select_related("tier")
    )
    begun = [row for row in rows if row.effective_at <= end]
    winner = begun[-1] if begun else None
    near = sorted(rows, key=lambda row: abs(row.effective_at - end))[:MAX_LISTS]
    shown = [row for row in rows if row in near or row == winner]
    return tuple(_list_step(row, winner, end) for row in shown)


def _list_step(row: PriceList, winner: PriceList | None, end: datetime) -> ListStep:
    if row == winner:
        verdict = ListVerdict.COUNTS
    elif row.effective_at > end:
        verdict = ListVerdict.BEGINS_LATER
    elif winner is not None and row.effective_at == winner.effective_at:
        verdict = ListVerdict.REPLACED
    else:
        verdict = ListVerdict.OLDER
    return ListStep(
        row.pk, str(row), row.effective_at, row.revision, row.currency, row.published_at, verdict
    )


def _missing(counting: ListStep | None, used: Iterable[str]) -> tuple[str, ...]:
    if counting is None:
        return ()
    priced = Rate.objects.filter(price_list=counting.price_list)
    return tuple(sorted(set(used) - set(priced.values_list("resource", flat=True))))


def _source(job: Job) -> Source:
    return Source(job.run_id, job.run.origin, job.line, job.run.evidence.sha256, job.revision)


def _charge_step(row: Charge, job: Job) -> ChargeStep:
    made_of = _quantity(job, row.resource)
    same = made_of is not None and made_of.quantity == abs(row.quantity)
    cut, is_exact = _unrounded(row)
    reversal: Charge | None = getattr(row, "reversal", None)
    return ChargeStep(
        charge=row.pk,
        resource=row.resource,
        quantity=row.quantity,
        made_of=made_of if same else None,
        unit_size=row.unit_size,
        unit_price=row.unit_price,
        unrounded=cut,
        is_exact=is_exact,
        amount=row.amount,
        currency=row.currency,
        price_list=row.prices_from.pk,
        price_list_name=str(row.prices_from),
        project=row.project.code,
        generation=row.generation,
        created_at=row.created_at,
        reverses=row.reverses_id,
        reversed_by=reversal.pk if reversal else None,
    )


def _quantity(job: Job, resource: str) -> Quantity | None:
    """Return what the row as it is now makes of a resource, or None if that is not the product."""
    held = job.elapsed_seconds + job.suspended_seconds
    tres: Tres = parse_tres(job.tres)
    made = {
        "cpu": Quantity(Decimal(tres.cpus), job.elapsed_seconds, job.cpu_seconds),
        "gpu": Quantity(Decimal(tres.gpus), held, job.gpu_seconds),
        "mem": Quantity(Decimal(tres.mem_kib) / 1024, held, job.mem_mib_seconds),
    }.get(resource)
    if made is None or int(made.count * made.seconds) != made.quantity:
        return None
    return made


def _unrounded(row: Charge) -> tuple[Decimal, bool]:
    """Return quantity × unit price ÷ unit size cut off after twelve decimals, and whether that, at
    six decimals, is the whole of it."""
    if row.unit_price is None:
        return row.amount, True
    numerator, denominator = row.unit_price.as_integer_ratio()
    denominator *= row.unit_size
    sign = -1 if row.quantity < 0 else 1
    whole, _rest = divmod(abs(row.quantity) * numerator * 10**12, denominator)
    six, rest = divmod(abs(row.quantity) * numerator * 10**6, denominator)
    shown = Decimal(sign * six).scaleb(-6) if not rest else Decimal(f"{sign * whole}e-12")
    return shown, not rest
