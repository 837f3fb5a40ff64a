"""Reading what was used and what it costs, for one person's eyes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import TruncDay, TruncMonth
from django.utils import timezone

from accounts.models import Membership, Project
from accounts.selectors import Viewer, projects_borne_by, projects_managed_by, projects_of
from core.intervals import Interval
from core.money import total
from core.site import site_zone
from insights.buckets import Bucket, bucket, condition
from insights.filters import SORTS, UsageFilter
from pricing.estimates import Estimate, estimates
from pricing.models import Charge, JobRating
from pricing.selectors import (
    charges_visible_to,
    jobs_visible_to,
    live_charges,
    may_see_charges,
)
from receipts.models import Receipt
from receipts.selectors import (
    net_by_project,
    open_receipts,
    receipts_visible_to,
    unbilled_charges,
)
from usage.models import Job
from usage.selectors import ProjectBook, on_accounts_of

T = TypeVar("T")
_OF_CHARGES = ("rate__price_list__tier", "price_list__tier")
CSV_BATCH = 1000
"""Jobs read at a time for an export."""

TOLD = (Bucket.UNPRICED, Bucket.EXEMPT)
"""Buckets whose jobs have a reason for that."""

MEASURES = {"cpu": "cpu_seconds", "gpu": "gpu_seconds", "mem": "mem_mib_seconds"}


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as its people see it: who pays, where it stands, what it costs.

    ``reason`` is the code of why there is no price. ``estimate`` is what a running job comes to so
    far. ``receipt`` is the document that its charges
    are on; None for who may not see that document.
    """

    job: Job
    project: Project | None
    bucket: Bucket
    reason: str
    charges: tuple[Charge, ...]
    receipt: Receipt | None
    estimate: Estimate | None = None

    @property
    def amount(self) -> Decimal | None:
        """The cost at six decimals, or None where there is no price."""
        return total(charge.amount for charge in self.charges) if self.charges else None

    @property
    def currency(self) -> str:
        return self.charges[0].currency if self.charges else ""

    @property
    def reason_text(self) -> str:
        """Why there is no price, in the page's language."""
        return str(JobRating.Reason(self.reason).label) if self.reason else ""


@dataclass(slots=True)
class Totals:
    """Sums over all jobs that a filter finds; quantities in base units, amounts by currency."""

    jobs: int = 0
    cpu_seconds: int = 0
    gpu_seconds: int = 0
    mem_mib_seconds: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)


def find_jobs(viewer: Viewer, asked: UsageFilter) -> QuerySet[Job]:
    """Return the jobs that a person may see and asked for, in the order asked for.

    A period means jobs that ended in it. Jobs that run have no end; they belong to a period that
    now lies in.
    """
    window = asked.window
    ended = Q(end__gte=window.start, end__lt=window.end)
    span = ended | Q(end=None) if timezone.now() in window else ended
    jobs = jobs_visible_to(viewer).filter(span)
    if asked.project:
        account = on_accounts_of(Project.objects.filter(pk=asked.project.pk))
        paid = Charge.objects.filter(job=OuterRef("pk"), project=asked.project)
        borne = projects_borne_by([asked.project.pk])
        jobs = jobs.filter(
            Q(rating__project=asked.project)
            | Q(account, rating=None)
            | Q(Exists(paid), rating__project__in=borne)
        )
    if asked.cluster:
        jobs = jobs.filter(cluster=asked.cluster)
    if asked.user:
        jobs = jobs.filter(user_name=asked.user)
    if asked.state:
        jobs = jobs.filter(state=asked.state)
    if asked.status:
        jobs = jobs.filter(condition(asked.status, viewer))
    return _ordered(jobs, asked.sort, viewer)


def _ordered(jobs: QuerySet[Job], sort: str, viewer: Viewer) -> QuerySet[Job]:
    name, backwards = sort.removeprefix("-"), sort.startswith("-")
    if name == "amount":
        seen = live_charges().filter(may_see_charges(viewer), job=OuterRef("pk"))
        sums = seen.order_by().values("job")
        jobs = jobs.annotate(amount=Subquery(sums.annotate(s=Sum("amount")).values("s")))
    # What has no end yet is newer than all that ended; nothing else is larger than something.
    nulls = {"nulls_first": True} if backwards and name == "end" else {"nulls_last": True}
    order = [
        F(column).desc(**nulls) if backwards else F(column).asc(**nulls) for column in SORTS[name]
    ]
    return jobs.order_by(*order, "-pk" if backwards else "pk")


def rows_of(jobs: Sequence[Job], viewer: Viewer) -> list[JobRow]:
    """Return jobs with their project, bucket and charges; the number of queries is fixed."""
    charges: dict[int, list[Charge]] = {}
    documents: dict[int, int] = {}
    seen = live_charges(charges_visible_to(viewer).select_related(*_OF_CHARGES))
    found = seen.filter(job_id__in=[job.pk for job in jobs])
    for charge in found.annotate(receipt=F("document_line__line__receipt")).order_by("resource"):
        if charge.job_id is None:
            continue
        charges.setdefault(charge.job_id, []).append(charge)
        if charge.receipt is not None:
            documents[charge.job_id] = charge.receipt
    receipts = Receipt.objects.defer("parties").in_bulk(set(documents.values()))
    managed = set(projects_managed_by(viewer).values_list("pk", flat=True))
    stand = Job.objects.filter(pk__in=[job.pk for job in jobs]).annotate(bucket=bucket(viewer))
    buckets = dict(stand.order_by().values_list("pk", "bucket"))
    unrated = [job for job in jobs if _rating(job) is None]
    book = ProjectBook(unrated) if unrated else None
    so_far = estimates(jobs)
    rows = []
    for job in jobs:
        rating, receipt = _rating(job), receipts.get(documents.get(job.pk, 0))
        rows.append(
            JobRow(
                job=job,
                project=rating.project if rating else book.of(job) if book else None,
                bucket=Bucket(buckets[job.pk]),
                reason=rating.reason if rating and buckets[job.pk] in TOLD else "",
                charges=tuple(charges.get(job.pk, ())),
                receipt=receipt if receipt and receipt.project_id in managed else None,
                estimate=so_far.get(job.pk),
            )
        )
    return rows


def _rating(job: Job) -> JobRating | None:
    return getattr(job, "rating", None)


def stream_rows(jobs: QuerySet[Job], viewer: Viewer) -> Iterator[JobRow]:
    """Yield rows of any number of jobs, a batch in memory at a time."""
    source = jobs.iterator(chunk_size=CSV_BATCH)
    while batch := list(islice(source, CSV_BATCH)):
        yield from rows_of(batch, viewer)


def totals_of(jobs: QuerySet[Job], viewer: Viewer) -> Totals:
    """Sum up what a filter finds; of the charges those that a person may see."""
    plain = jobs.order_by().select_related(None)
    sums = plain.aggregate(jobs=Count("pk"), **{name: Sum(name) for name in MEASURES.values()})
    cpu, gpu, mem = (int(sums[name] or 0) for name in MEASURES.values())
    totals = Totals(sums["jobs"], cpu, gpu, mem)
    seen = live_charges().filter(may_see_charges(viewer))
    charged = seen.filter(job__in=plain.values("pk")).order_by()
    amounts = dict(charged.values_list("currency").annotate(sum=Sum("amount")))
    totals.amounts = amounts or {settings.SITE_CURRENCY: Decimal(0)}
    return totals


def cost_by(
    jobs: QuerySet[Job], *keys: str, monthly: bool, viewer: Viewer
) -> list[tuple[Any, ...]]:
    """Return (day, key…, amount) of the charges in force of jobs that a person may see, in the
    site's currency.

    Keys are of a charge: ``project__code``, ``resource``, ``job__user_name``.
    """
    charges = live_charges().filter(
        may_see_charges(viewer),
        job__in=jobs.order_by().select_related(None).values("pk"),
        currency=settings.SITE_CURRENCY,
    )
    trunc = _trunc("job_end", monthly=monthly)
    rows = charges.order_by().annotate(at=trunc).values_list("at", *keys)
    return [(_day(row[0]), *row[1:]) for row in rows.annotate(sum=Sum("amount"))]


def usage_by(jobs: QuerySet[Job], measure: str, *keys: str, monthly: bool) -> list[tuple[Any, ...]]:
    """Return (day, key…, base units) of jobs that ended. Keys are of a job."""
    ended = jobs.order_by().select_related(None).filter(end__isnull=False)
    rows = ended.annotate(at=_trunc("end", monthly=monthly)).values_list("at", *keys)
    return [(_day(row[0]), *row[1:]) for row in rows.annotate(sum=Sum(MEASURES[measure]))]


def _trunc(column: str, *, monthly: bool) -> Any:
    return (TruncMonth if monthly else TruncDay)(column, tzinfo=site_zone())


def _day(moment: datetime) -> Any:
    return moment.date()


@dataclass(frozen=True, slots=True)
class ProjectFigures:
    """A project on a person's front page. ``unbilled`` is None for who does not act for it."""

    project: Project
    is_managed: bool
    month: dict[str, Decimal]
    unbilled: dict[str, Decimal] | None

    @property
    def can_be_billed(self) -> bool:
        """Tell whether the person could make a receipt over something now."""
        return any((self.unbilled or {}).values())


@dataclass(frozen=True, slots=True)
class Overview:
    """A person's front page. Amounts are by currency; what waits is as a receipt would say it."""

    projects: list[ProjectFigures]
    month: dict[str, Decimal]
    unbilled: dict[str, Decimal]
    open_receipts: list[Receipt]
    due: dict[str, Decimal]
    latest: list[JobRow]


def overview_of(viewer: Viewer, month: Interval) -> Overview:
    """Read a person's front page: own usage, and all of the projects that the person acts for."""
    projects = list(projects_of(viewer).order_by("-is_active", "code"))
    managed = set(projects_managed_by(viewer).values_list("pk", flat=True))
    live = live_charges(charges_visible_to(viewer).select_related(None))
    spent = _by_project(live.filter(job_end__gte=month.start, job_end__lt=month.end))
    unbilled: dict[int, dict[str, Decimal]] = {}
    nets = net_by_project(unbilled_charges(managed))
    for (project_id, currency), net in nets.items():
        unbilled.setdefault(project_id, {})[currency] = net
    figures = [
        ProjectFigures(
            project,
            project.pk in managed,
            spent.get(project.pk, {settings.SITE_CURRENCY: Decimal(0)}),
            unbilled.get(project.pk, {settings.SITE_CURRENCY: Decimal(0)})
            if project.pk in managed
            else None,
        )
        for project in projects
    ]
    receipts = receipts_visible_to(viewer) & open_receipts()
    to_be_paid = list(receipts.order_by("due_on", "pk"))
    latest = jobs_visible_to(viewer).filter(end__isnull=False).order_by("-end", "-pk")[:8]
    return Overview(
        projects=figures,
        month=_added(spent.values()),
        unbilled=_added(unbilled.values()),
        open_receipts=to_be_paid,
        due=_added({receipt.currency: receipt.total} for receipt in to_be_paid),
        latest=rows_of(list(latest), viewer),
    )


def _by_project(charges: QuerySet[Charge]) -> dict[int, dict[str, Decimal]]:
    rows = charges.order_by().values_list("project", "currency").annotate(sum=Sum("amount"))
    found: dict[int, dict[str, Decimal]] = {}
    for project_id, currency, amount in rows:
        found.setdefault(project_id, {})[currency] = amount
    return found


def _added(amounts: Iterable[dict[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for by_currency in amounts:
        for currency, amount in by_currency.items():
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    return sums or {settings.SITE_CURRENCY: Decimal(0)}


def projects_overseen_by(viewer: Viewer) -> QuerySet[Project]:
    """Return the projects all of whose costs a person may see: those that the person acts for, and
    all to staff whose role sees charges."""
    if viewer.has_perm("pricing.view_charge"):
        return Project.objects.all()
    return projects_managed_by(viewer)


def people_of(viewer: Viewer) -> list[str]:
    """Return the names of the members of the projects that a person acts for."""
    members = Membership.objects.filter(project__in=projects_managed_by(viewer))
    return list(
        members.order_by("user__username").values_list("user__username", flat=True).distinct()
    )


def newest_data() -> datetime | None:
    """Return the end of the newest job of all clusters: how fresh the figures are."""
    newest: datetime | None = Job.objects.aggregate(newest=Max("end"))["newest"]
    return newest
