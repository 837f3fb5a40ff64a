"""Reading receipts and what is still to be billed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Case, Count, F, Max, Min, QuerySet, Sum, When
from django.utils import timezone

from accounts.models import Project
from accounts.selectors import Viewer, projects_managed_by
from core.intervals import Interval
from core.money import round_money
from pricing.models import Charge
from pricing.selectors import live_charges
from receipts.arithmetic import ChargeItem, LineItem, Totals, lines_of, totals_of
from receipts.models import Receipt


@dataclass(frozen=True, slots=True)
class Preview:
    """What a receipt over a window would say, before it exists."""

    lines: list[LineItem]
    totals: Totals
    currency: str
    jobs: int


def unbilled_charges() -> QuerySet[Charge]:
    """Return charges in force that are on no document, drafts included."""
    return live_charges().filter(document_line=None)


def unbilled_in(project: Project, window: Interval, currency: str) -> QuerySet[Charge]:
    """Return a project's unbilled charges of jobs that ended within a window."""
    return unbilled_charges().filter(
        project=project,
        currency=currency,
        job_end__gte=window.start,
        job_end__lt=window.end,
    )


def charge_items(charges: QuerySet[Charge]) -> list[ChargeItem]:
    """Read charges as values for the arithmetic, in a fixed order."""
    rows = charges.order_by("pk").values_list(
        "pk", "job_id", "resource", "unit_price", "unit_size", "quantity", "amount", "rate"
    )
    return [ChargeItem(*row) for row in rows]


def preview(project: Project, window: Interval, currency: str = "") -> Preview:
    """Compute what a receipt over a project and window would say now."""
    currency = currency or settings.SITE_CURRENCY
    items = charge_items(unbilled_in(project, window, currency))
    lines = lines_of(items, currency)
    totals = totals_of((line.amount for line in lines), settings.SITE_TAX_RATE, currency)
    return Preview(lines, totals, currency, len({item.job_id for item in items} - {None}))


def billed_job_ids(job_ids: Collection[int]) -> set[int]:
    """Return which of these jobs have a charge in force on a document, drafts included."""
    on_document = live_charges().filter(job_id__in=job_ids, document_line__isnull=False)
    return set(on_document.values_list("job_id", flat=True))


def receipts_visible_to(user: Viewer) -> QuerySet[Receipt]:
    """Return the receipts of projects that a person acts for."""
    receipts = Receipt.objects.filter(project__in=projects_managed_by(user))
    return receipts.select_related("project")


def projects_billable_by(user: Viewer) -> QuerySet[Project]:
    """Return the projects that a person may make receipts for: own ones; all, for finance staff."""
    if user.has_perm("receipts.issue_receipt"):
        return Project.objects.all()
    return projects_managed_by(user)


def receipts_readable_by(user: Viewer) -> QuerySet[Receipt]:
    """Return all receipts to staff whose role sees them, else what ``receipts_visible_to`` does."""
    if user.has_perm("receipts.view_receipt"):
        return Receipt.objects.select_related("project")
    return receipts_visible_to(user)


def net_by_project(charges: QuerySet[Charge]) -> dict[tuple[int, str], Decimal]:
    """Return what receipts over charges would say before tax, by project and currency.

    Rounded line by line as on a receipt, so that what waits and what is then billed are the same
    to the cent.
    """
    keys = ("project", "currency", "resource", "unit_price", "unit_size", "counted")
    counted = Case(When(unit_price=None, then=F("rate")), default=None)
    rows = charges.order_by().annotate(counted=counted)
    lines = rows.values_list(*keys).annotate(charged=Sum("amount"))
    nets: dict[tuple[int, str], Decimal] = {}
    for project, currency, _resource, _price, _size, _rate, charged in lines:
        net = nets.get((project, currency), Decimal(0))
        nets[project, currency] = net + round_money(charged, currency)
    return nets


def unbilled_amounts(user: Viewer) -> list[tuple[Project, Decimal]]:
    """Return what is still to be billed for each project that a person acts for, largest first."""
    projects = {project.pk: project for project in projects_managed_by(user)}
    open_charges = unbilled_charges().filter(project__in=projects, currency=settings.SITE_CURRENCY)
    rows = [(projects[key], amount) for (key, _), amount in net_by_project(open_charges).items()]
    return sorted(rows, key=lambda row: (-row[1], row[0].code))


def first_unbilled_day(project: Project) -> date | None:
    """Return the local day on which the oldest unbilled job of a project ended, or None."""
    ends = unbilled_charges().filter(project=project, currency=settings.SITE_CURRENCY)
    oldest = ends.order_by("job_end").values_list("job_end", flat=True).first()
    return timezone.localdate(oldest) if oldest else None


def receipt_over(project: Project, window: Interval) -> Receipt | None:
    """Return the newest document in force that touches a window: where its usage is billed."""
    return (
        Receipt.objects.filter(
            project=project, window_start__lt=window.end, window_end__gt=window.start
        )
        .exclude(status=Receipt.Status.VOID)
        .order_by("-pk")
        .first()
    )


def overdue(today: date | None = None) -> QuerySet[Receipt]:
    """Return issued receipts whose due date has passed; this is derived, never stored."""
    day = today or timezone.localdate()
    return Receipt.objects.filter(status=Receipt.Status.ISSUED, due_on__lt=day)


@dataclass(frozen=True, slots=True)
class Unbilled:
    """A project's unbilled charges in one currency: net sum, jobs, and when the jobs ended."""

    project: Project
    currency: str
    amount: Decimal
    jobs: int
    first_end: datetime
    last_end: datetime


def unbilled_sums() -> list[Unbilled]:
    """Return what waits to be billed by project and currency, largest sums first."""
    nets = net_by_project(unbilled_charges())
    groups = unbilled_charges().order_by().values_list("project", "currency")
    rows = groups.annotate(
        jobs=Count("job", distinct=True), first_end=Min("job_end"), last_end=Max("job_end")
    )
    projects = Project.objects.in_bulk({key for key, _ in nets})
    found = [
        Unbilled(projects[key], currency, nets[key, currency], *rest)
        for key, currency, *rest in rows
        if (key, currency) in nets
    ]
    return sorted(found, key=lambda row: (-row.amount, row.project.code, row.currency))


def charges_of(receipt: Receipt) -> QuerySet[Charge]:
    """Return the charges behind a receipt's lines, by line and job end."""
    charges = Charge.objects.filter(document_line__line__receipt=receipt)
    return charges.select_related(
        "job",
        "job__cluster",
        "rate__price_list__tier",
        "price_list__tier",
        "share",
    ).order_by("document_line__line__position", "job_end", "pk")
