"""Reading receipts and what is still to be billed."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import Project
from accounts.selectors import Viewer, projects_managed_by
from core.bulk import any_of
from core.intervals import Interval
from core.money import round_money
from pricing.batches import OnDocuments
from pricing.models import Charge, ChargeKind, OutageItem
from pricing.models.adjustments import RESOURCE as MANUAL
from pricing.selectors import live_charges, texts_of
from receipts.arithmetic import LineItem, Taxation, Totals, in_order, totals_of
from receipts.models import BilledUntil, Line, LineCharge, Receipt
from receipts.taxing import tax_for

ISSUED = tuple(sorted(set(Receipt.Status) - set(Receipt.BEFORE_ISSUE)))
"""States of documents that have a number."""

CREDITABLE = (Receipt.Status.ISSUED, Receipt.Status.PART_PAID, Receipt.Status.PAID)
"""States of receipts that credit notes may correct."""

COUNTED = Case(When(unit_price=None, then=F("rate")), default=None)
"""The rate where a counter prices, which is what its line goes by instead of a price."""

LINE_KEYS = ("currency", "project", "resource", "unit_price", "unit_size", "counted")
"""What charges have in common that are on one line."""

_SUMS = {
    "units": Sum("quantity"),
    "charged": Sum("amount"),
    "jobs": Count("job", distinct=True),
    "charge_ids": ArrayAgg("pk"),
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a receipt over a window would say, before it exists."""

    lines: list[LineItem]
    totals: Totals
    taxation: Taxation
    currency: str
    jobs: int


def unbilled_charges(project_ids: Collection[int] | None = None) -> QuerySet[Charge]:
    """Return charges in force that are on no document, drafts included, of these projects or all.

    Only what was booked after the months that a project is billed for in full is read, so that what
    it costs goes with what is unbilled and not with what was billed in all the years.
    """
    charges = live_charges().filter(~Exists(LineCharge.objects.filter(charge=OuterRef("pk"))))
    return charges.filter(_since_billed(project_ids))


def _since_billed(project_ids: Collection[int] | None) -> Q:
    """Over charges: of these projects (or all), and booked after what is billed in full.

    Written with the keys themselves, because a join to ``BilledUntil`` tells PostgreSQL nothing of
    how little is left, and it would read all charges.
    """
    told = BilledUntil.objects.all()
    if project_ids is not None:
        told = told.filter(any_of("project_id", project_ids))
    months: dict[date, list[int]] = defaultdict(list)
    for project, until in told.values_list("project", "month"):
        months[until].append(project)
    if not months:
        return Q() if project_ids is None else any_of("project_id", project_ids)
    rest = Project.objects.values_list("pk", flat=True) if project_ids is None else project_ids
    others = set(rest).difference(*months.values())
    found = any_of("project_id", others)
    for until, projects in months.items():
        found |= Q(any_of("project_id", projects), period__gt=until)
    return found


def unbilled_in(project: Project, window: Interval, currency: str) -> QuerySet[Charge]:
    """Return a project's unbilled charges of jobs that ended within a window."""
    return unbilled_charges([project.pk]).filter(
        currency=currency,
        job_end__gte=window.start,
        job_end__lt=window.end,
    )


def lines_over(charges: QuerySet[Charge]) -> list[LineItem]:
    """Group charges into the lines of documents, in their order: of each project and currency."""
    counted = charges.order_by().annotate(counted=COUNTED)
    rows = list(counted.values_list(*LINE_KEYS).annotate(**_SUMS, first_end=Min("job_end")))
    texts = texts_of(row[2] for row in rows)
    return in_order(
        LineItem(
            currency, project, resource, price, size, rate, texts.get(resource, ""), units, charged,
            jobs, tuple(ids), first_end=first,
        )
        for currency, project, resource, price, size, rate, units, charged, jobs, ids, first in rows
    )  # fmt: skip


def lines_crediting(receipt: Receipt) -> list[LineItem]:
    """Group what no credit note has yet by the lines of a receipt: reversals of its charges, and
    of credits by hand that earlier notes gave on the same lines."""
    of = "reverses__document_line__line"
    waiting = uncredited_reversals().filter(
        Q(**{f"{of}__receipt": receipt}) | Q(**{f"{of}__receipt__corrects": receipt})
    )
    rows = waiting.order_by().annotate(taken=Coalesce(f"{of}__corrects", of))
    found = {line: sums for line, *sums in rows.values_list("taken").annotate(**_SUMS)}
    lines = Line.objects.filter(pk__in=found).annotate(
        credited=Coalesce(Sum("credited_by__charged"), Decimal(0))
    )
    return in_order(_crediting(line, found[line.pk], receipt.currency) for line in lines)


def _crediting(line: Line, sums: Sequence[Any], currency: str) -> LineItem:
    units, charged, jobs, charge_ids = sums
    return LineItem(
        currency, line.project_id, line.resource, line.unit_price, line.unit_size, line.rate_id,
        line.text, units, charged, jobs, tuple(charge_ids), line.pk,
        line.credited,  # type: ignore[attr-defined]  # annotated
    )  # fmt: skip


def with_credited(receipts: QuerySet[Receipt]) -> QuerySet[Receipt]:
    """Return documents with ``credited``, what their notes gave back (above zero, tax included),
    and ``payable``, what they ask for after that; a note asks for nothing."""
    notes = Receipt.objects.filter(corrects=OuterRef("pk"), status__in=ISSUED)
    sums = notes.order_by().values("corrects").annotate(sum=-Sum("total")).values("sum")
    credited = Coalesce(Subquery(sums), Decimal(0))
    of_note = Q(kind=Receipt.Kind.CREDIT_NOTE)
    payable = Case(When(of_note, then=Decimal(0)), default=F("total") - F("credited"))
    receipts = receipts.select_related("project", "corrects").annotate(credited=credited)
    return receipts.annotate(payable=payable)


def credited_of(receipt: Receipt) -> Decimal:
    """Return what the notes of a receipt come to, less than zero, tax included."""
    notes = Receipt.objects.filter(corrects=receipt).exclude(status__in=Receipt.BEFORE_ISSUE)
    return notes.aggregate(sum=Sum("total"))["sum"] or Decimal(0)


def uncredited_reversals() -> QuerySet[Charge]:
    """Return reversals of charges on issued documents that no credit note has taken yet."""
    return Charge.objects.filter(
        reverses__document_line__line__receipt__status__in=ISSUED, document_line=None
    )


def preview(project: Project, window: Interval, currency: str = "") -> Preview:
    """Compute what a receipt over a project and window would say now."""
    currency = currency or settings.SITE_CURRENCY
    charges = unbilled_in(project, window, currency)
    lines = lines_over(charges)
    taxed = tax_for(project, timezone.localdate())
    totals = totals_of((line.amount for line in lines), taxed.taxation, currency)
    jobs = charges.order_by().aggregate(jobs=Count("job", distinct=True))["jobs"]
    return Preview(lines, totals, taxed.taxation, currency, jobs)


def on_documents(job_ids: Collection[int]) -> OnDocuments:
    """Return which of these jobs have a charge in force on a document, and whether a credit note
    may take it: not from drafts, nor from what is written off, nor where an outage gave a part of
    it back already, which would then be given twice."""
    rows = live_charges().filter(any_of("job_id", job_ids), document_line__isnull=False)
    status = "document_line__line__receipt__status"
    found = set(rows.order_by().values_list("job_id", status).distinct())
    held = {job for job, state in found if state not in CREDITABLE and job is not None}
    held |= _given_back_in_part(job_ids)
    return OnDocuments(held, {job for job, _ in found if job is not None} - held)


def _given_back_in_part(job_ids: Collection[int]) -> set[int]:
    """Return the jobs of which a credit note gave back a part by hand, which is in force."""
    items = OutageItem.objects.filter(
        any_of("job_id", job_ids), adjustment__credits_receipt_id__isnull=False
    )
    jobs = defaultdict(set)
    for job, adjustment in items.order_by().values_list("job_id", "adjustment_id"):
        jobs[f"{MANUAL}:{adjustment}"].add(job)
    if not jobs:
        return set()
    notes = live_charges().filter(
        kind=ChargeKind.MANUAL, resource__in=jobs, document_line__line__corrects__isnull=False
    )
    return set().union(*(jobs[code] for code in notes.values_list("resource", flat=True)))


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
    rows = charges.order_by().annotate(counted=COUNTED)
    lines = rows.values_list(*keys).annotate(charged=Sum("amount"))
    nets: dict[tuple[int, str], Decimal] = {}
    for project, currency, _resource, _price, _size, _rate, charged in lines:
        net = nets.get((project, currency), Decimal(0))
        nets[project, currency] = net + round_money(charged, currency)
    return nets


def unbilled_amounts(user: Viewer) -> list[tuple[Project, Decimal]]:
    """Return what is still to be billed for each project that a person acts for, largest first."""
    projects = {project.pk: project for project in projects_managed_by(user)}
    open_charges = unbilled_charges(projects).filter(currency=settings.SITE_CURRENCY)
    rows = [(projects[key], amount) for (key, _), amount in net_by_project(open_charges).items()]
    return sorted(rows, key=lambda row: (-row[1], row[0].code))


def first_unbilled_day(project: Project) -> date | None:
    """Return the local day on which the oldest unbilled job of a project ended, or None."""
    ends = unbilled_charges([project.pk]).filter(currency=settings.SITE_CURRENCY)
    oldest = ends.order_by("job_end").values_list("job_end", flat=True).first()
    return timezone.localdate(oldest) if oldest else None


def receipt_over(project: Project, window: Interval) -> Receipt | None:
    """Return the newest document in force that touches a window: where its usage is billed."""
    return (
        Receipt.objects.filter(
            project=project, window_start__lt=window.end, window_end__gt=window.start
        )
        .exclude(kind=Receipt.Kind.CREDIT_NOTE)
        .exclude(status=Receipt.Status.VOID)
        .order_by("-pk")
        .first()
    )


def overdue(today: date | None = None) -> QuerySet[Receipt]:
    """Return open receipts whose due date has passed; this is derived, never stored."""
    return open_receipts().filter(due_on__lt=today or timezone.localdate())


def open_receipts() -> QuerySet[Receipt]:
    """Return what asks for money: issued, and not settled in whole."""
    return Receipt.objects.filter(status__in=Receipt.OPEN).exclude(kind=Receipt.Kind.CREDIT_NOTE)


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


def charges_in_force(receipt: Receipt) -> QuerySet[Charge]:
    """Return the charges behind a receipt that were not taken back, as ``charges_of`` does."""
    return charges_of(receipt).filter(reversal=None)


def credits_in_force(receipt: Receipt) -> QuerySet[Charge]:
    """Return what credit notes over a receipt gave back by hand, and was not taken back since."""
    rows = live_charges().filter(kind=ChargeKind.MANUAL)
    return rows.filter(document_line__line__receipt__corrects=receipt).order_by("pk")


def credited_before(receipt: Receipt) -> Decimal:
    """Return what the lines of the notes issued before a credit note over the same receipt come to
    (less than zero); zero for whatever is no credit note."""
    if receipt.corrects_id is None:
        return Decimal(0)
    notes = Receipt.objects.filter(corrects=receipt.corrects_id)
    notes = notes.exclude(status__in=Receipt.BEFORE_ISSUE)
    if receipt.sequence is not None:
        notes = notes.filter(pk__lt=receipt.pk)
    return notes.exclude(pk=receipt.pk).aggregate(sum=Sum("lines__amount"))["sum"] or Decimal(0)


def credited_amount(line: Line, charged: Decimal, currency: str) -> Decimal:
    """Return what a line comes to whose charges sum up to ``charged``: rounded once, or together
    with what earlier credit notes say of the line that it corrects."""
    if line.corrects_id is None:
        return round_money(charged, currency)
    earlier = Line.objects.filter(corrects=line.corrects_id, receipt__lt=line.receipt_id)
    before = earlier.aggregate(sum=Sum("charged"))["sum"] or Decimal(0)
    return round_money(before + charged, currency) - round_money(before, currency)
