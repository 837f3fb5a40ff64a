"""Why a job costs what it costs, or nothing: every step from the accounting row to the amount."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import Project, ProjectTier, User
from accounts.selectors import TierBook, Viewer, projects_of
from pricing import engine
from pricing.explain.charges import Context, charge_step, usage_of
from pricing.explain.chosen import list_steps
from pricing.explain.steps import (
    ChargeStep,
    Explanation,
    ListStep,
    ListVerdict,
    NotPriced,
    PaidBy,
    Source,
    TierStep,
)
from pricing.models import Charge, JobRating, RatingReason
from pricing.resources import RESOURCES, quantities
from pricing.selectors import live_charges
from pricing.tariffs import TariffBook, tariff
from usage import stages
from usage.exemptions import exemption_of
from usage.models import AccountMapping, Job
from usage.selectors import ProjectBook
from usage.stages import Stage


def explain_job(
    job_id: int, *, charges: QuerySet[Charge] | None = None, reader: Viewer | None = None
) -> Explanation:
    """Explain a job; ``charges`` are those that the reader may see (all if left out).

    A ``reader`` who only pays a share of it is told the tier and the lists of the project that pays
    it, and none where there is none: those of the job's own project are no business of theirs.
    Reasons that staff gave stay among staff. Without a reader all is told. Raises Job.DoesNotExist.
    """
    jobs = Job.objects.select_related("cluster", "run__evidence", "rating__project")
    job = jobs.annotate(stage=stages.stage()).get(pk=job_id)
    rating: JobRating | None = getattr(job, "rating", None)
    seen = (Charge.objects.all() if charges is None else charges).filter(job=job)
    rows = list(_whole(seen))
    live = set(live_charges().filter(job=job).values_list("pk", flat=True))
    project, paid_by = _payer(job, rating)
    user = User.objects.filter(username=job.user_name).first() if job.user_name else None
    context = Context(job, user.pk if user else None, TariffBook())
    used = quantities(job)
    in_force = [row for row in rows if row.pk in live]
    shown = project if _takes_part(reader, job, project) else _bearer(in_force or rows)
    tier = _tier(shown, job.end)
    lists = _lists(shown, tier, context, job.end)
    prices = _tariff(shown, tier, context, job)
    stage = Stage(getattr(job, "stage"))  # noqa: B009 - annotated
    told = Explanation(
        job=job,
        source=_source(job),
        stage=stage,
        reason=rating.reason if rating and stage in (Stage.UNPRICED, Stage.EXEMPT) else "",
        project=project.code if project else "",
        project_name=project.name if project else "",
        paid_by=paid_by,
        prices_of=shown.code if shown else "",
        tier=_tier_step(tier),
        lists=lists,
        charges=tuple(charge_step(row, context) for row in in_force),
        earlier=tuple(charge_step(row, context) for row in rows if row.pk not in live),
        not_used=tuple(code for code in RESOURCES if code not in used),
        not_priced=tuple(_not_priced(prices, used)) if in_force else (),
        missing_rates=_missing(prices, job) if used else (),
        outdated=_outdated(in_force, lists, shown),
        elsewhere_percent=_elsewhere(live, rows),
        exempt_because=_exempt_because(job, rating, prices),
        to_correct=bool(rating and rating.due and in_force),
    )
    return told if reader is None or reader.is_staff else _without_reasons(told)


def explain_charge(
    charge_id: int, *, charges: QuerySet[Charge] | None = None, reader: Viewer | None = None
) -> tuple[ChargeStep, Explanation | None]:
    """Explain a charge with its job, if it has one, to a reader as ``explain_job`` does.

    Raises Charge.DoesNotExist.
    """
    seen = Charge.objects.all() if charges is None else charges
    row = _whole(seen).get(pk=charge_id)
    if row.job_id is None:
        return charge_step(row, Context(None, None, TariffBook())), None
    told = explain_job(row.job_id, charges=charges, reader=reader)
    step = next(step for step in (*told.charges, *told.earlier) if step.charge == charge_id)
    return step, told


def _takes_part(reader: Viewer | None, job: Job, project: Project | None) -> bool:
    """Whether a reader may know by which prices the job's own project pays."""
    if reader is None or project is None or reader.has_perm("pricing.view_charge"):
        return True
    return job.user_name == reader.get_username() or projects_of(reader).contains(project)


def _bearer(rows: Iterable[Charge]) -> Project | None:
    """Return the project that pays the first of the charges which the reader sees."""
    return next((row.project for row in rows), None)


def _without_reasons(told: Explanation) -> Explanation:
    tier = told.tier and replace(told.tier, override_reason="")
    return replace(told, tier=tier, exempt_because="")


def _whole(charges: QuerySet[Charge]) -> QuerySet[Charge]:
    """Return charges with all that their explanation looks at."""
    return charges.order_by("pk").select_related(
        "project", "rate__price_list__tier", "rate__price_list__project",
        "rate__price_list__user", "price_list__tier", "price_list__project", "price_list__user",
        "reversal", "share__split",
    )  # fmt: skip


def _lists(
    project: Project | None, tier: ProjectTier | None, context: Context, end: datetime | None
) -> tuple[ListStep, ...]:
    if project is None or end is None:
        return ()
    tier_id = tier.tier_id if tier else None
    return list_steps(end, tier_id=tier_id, project_id=project.pk, user_id=context.user_id)


def _tariff(
    project: Project | None, tier: ProjectTier | None, context: Context, job: Job
) -> engine.Tariff | None:
    """Return what prices the job where its costs are not split."""
    if project is None or job.end is None:
        return None
    tier_id = tier.tier_id if tier else None
    layers = context.book.layers(
        job.end, tier_id=tier_id, project_id=project.pk, user_id=context.user_id
    )
    try:
        return tariff(layers, job.cluster_id, job.partition, job.qos) if layers.found else None
    except engine.InvalidRate:
        return None


def _not_priced(prices: engine.Tariff | None, used: Iterable[str]) -> Iterable[NotPriced]:
    if prices is None:
        return
    for code in used:
        covering = [one for one in prices.equivalents if code in one.covered]
        if covering:
            yield NotPriced(code, covering[0].resource)
        elif code in prices.free and prices.rate_for(code) is None:
            yield NotPriced(code, "")


def _missing(prices: engine.Tariff | None, job: Job) -> tuple[str, ...]:
    if prices is None:
        return ()
    usage = usage_of(job)
    try:
        items = prices.items(usage.tres, usage.req_tres)
    except engine.Unreadable:
        return ()
    return tuple(sorted(item.resource for item in items if item.rate is None and item.times))


def _outdated(
    in_force: Iterable[Charge], lists: Iterable[ListStep], project: Project | None
) -> bool:
    """Whether by today's lists others count than those that the project was charged by."""
    counting = {step.price_list for step in lists if step.verdict is ListVerdict.COUNTS}
    return any(
        row.prices_from.pk not in counting
        for row in in_force
        if project is not None and row.project_id == project.pk
    )


def _elsewhere(live: set[int], rows: Iterable[Charge]) -> Decimal | None:
    """Return the part of the job that is charged to projects which the reader doesn't see."""
    hidden = live - {row.pk for row in rows}
    shares = Charge.objects.filter(pk__in=hidden, share__isnull=False).order_by()
    percents = dict(shares.values_list("share", "share__percent"))
    return sum(percents.values(), Decimal(0)) if percents else None


def _exempt_because(job: Job, rating: JobRating | None, prices: engine.Tariff | None) -> str:
    if rating is None:
        return ""
    if rating.reason == RatingReason.STATE and prices is not None:
        policy = prices.terms.states.get(job.state)
        return policy.reason if policy else ""
    if rating.reason != RatingReason.EXEMPTED:
        return ""
    found = exemption_of(job)
    return found.reason if found else ""


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


def _source(job: Job) -> Source:
    return Source(job.run_id, job.run.origin, job.line, job.run.evidence.sha256, job.revision)
