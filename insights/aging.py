"""Aging: what projects owe on a day, by how long it has been due."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    DecimalField,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from accounts.models import Department, Project
from core.intervals import local_midnight
from core.site import site_zone
from insights import ledger
from payments.models import Allocation, Withholding
from receipts.models import Receipt, WriteOff

NOT_DUE, TO_30, TO_60, TO_90, OVER_90 = BUCKETS = (
    "not_due", "to_30", "to_60", "to_90", "over_90",
)  # fmt: skip
CREDIT = "credit"
ZERO = Decimal(0)

SETTLING: tuple[tuple[Callable[[], QuerySet[Any]], str], ...] = (
    (Allocation.objects.all, "created_at"),
    (Withholding.objects.all, "recorded_at"),
    (lambda: WriteOff.objects.filter(status=WriteOff.Status.APPROVED), "approved_at"),
)
"""What settles a receipt, with the moment from which it does."""


@dataclass(slots=True)
class Owed:
    """What someone owes in a currency: by age, and what is to their credit (zero or more)."""

    currency: str
    amounts: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(BUCKETS, ZERO))
    credit: Decimal = ZERO
    documents: int = 0
    oldest: date | None = None

    @property
    def total(self) -> Decimal:
        """What is owed in all, whatever is to their credit."""
        return sum(self.amounts.values(), ZERO)

    @property
    def balance(self) -> Decimal:
        """What is owed less what is to their credit."""
        return self.total - self.credit

    @property
    def in_order(self) -> list[Decimal]:
        """The amounts from what is not due yet to the oldest."""
        return [self.amounts[bucket] for bucket in BUCKETS]

    def add(self, other: "Owed") -> None:
        """Add what another one owes."""
        for bucket, amount in other.amounts.items():
            self.amounts[bucket] += amount
        self.credit += other.credit
        self.documents += other.documents
        self.oldest = min(filter(None, (self.oldest, other.oldest)), default=None)


@dataclass(frozen=True, slots=True)
class ProjectOwes:
    """What a project owes."""

    project: Project
    owed: Owed


@dataclass(frozen=True, slots=True)
class DepartmentOwes:
    """What the projects of a department owe, in one currency; without a department, the others."""

    department: Department | None
    owed: Owed
    projects: list[ProjectOwes]


@dataclass(frozen=True, slots=True)
class Aging:
    """The report of a day: by department and project, and in all by currency."""

    as_of: date
    departments: list[DepartmentOwes]
    totals: list[Owed]

    @property
    def csv_link(self) -> str:
        """The query of the page that exports this report."""
        return f"?as_of={self.as_of}&csv=1"


def end_of(day: date) -> datetime:
    """Return the moment at which a day of the site is over."""
    return local_midnight(day + timedelta(days=1), site_zone())


def outstanding(as_of: date) -> QuerySet[Any]:
    """Return the receipts that were open at the end of a day, with ``left`` to be paid and the
    ``bucket`` of their age. Where credit notes came after payment ``left`` is below zero."""
    until = end_of(as_of)
    notes = Receipt.objects.filter(corrects=OuterRef("pk"), issued_at__lt=until)
    left = F("total") + _summed(notes, "corrects", "total")
    for found, moment in SETTLING:
        rows = found().filter(receipt=OuterRef("pk"), **{f"{moment}__lt": until})
        left = left - _summed(rows, "receipt", "amount")
    # One of elsewhere counts from when it was brought: before, this site knew nothing of it.
    here = Q(kind="receipt", issued_at__lt=until) | Q(kind="opening", created_at__lt=until)
    issued = Receipt.objects.filter(here).exclude(status__in=Receipt.BEFORE_ISSUE)
    return issued.annotate(left=left, bucket=_bucket(as_of)).exclude(left=0)


def _summed(rows: QuerySet[Any], key: str, amount: str) -> Coalesce:
    sums = rows.order_by().values(key).annotate(sum=Sum(amount)).values("sum")
    return Coalesce(Subquery(sums), ZERO, output_field=DecimalField())


def _bucket(as_of: date) -> Case:
    steps = ((NOT_DUE, 0), (TO_30, 30), (TO_60, 60), (TO_90, 90))
    return Case(
        *(
            When(Q(due_on__gte=as_of - timedelta(days=days)), then=Value(bucket))
            for bucket, days in steps
        ),
        default=Value(OVER_90),
        output_field=CharField(),
    )


def aging(as_of: date) -> Aging:
    """Return what every project owed at the end of a day, and what was to its credit."""
    owed = _owed(as_of)
    projects = Project.objects.select_related("department").in_bulk({key for key, _ in owed})
    groups: dict[tuple[str, int, str], DepartmentOwes] = {}
    totals: dict[str, Owed] = {}
    for (key, currency), each in sorted(
        owed.items(), key=lambda item: (item[0][1], projects[item[0][0]].code)
    ):
        project = projects[key]
        department = project.department
        place = (currency, department.pk if department else 0)
        name = (department.code if department else "\uffff", *place)
        found = groups.setdefault(
            (name[0], place[1], currency), DepartmentOwes(department, Owed(currency), [])
        )
        found.projects.append(ProjectOwes(project, each))
        found.owed.add(each)
        totals.setdefault(currency, Owed(currency)).add(each)
    in_order = [groups[key] for key in sorted(groups, key=lambda key: (key[2], key[0], key[1]))]
    return Aging(as_of, in_order, [totals[currency] for currency in sorted(totals)])


def _owed(as_of: date) -> dict[tuple[int, str], Owed]:
    found: dict[tuple[int, str], Owed] = {}

    def of(project: int, currency: str) -> Owed:
        return found.setdefault((project, currency), Owed(currency))

    rows = outstanding(as_of).order_by().filter(left__gt=0)
    grouped = rows.values_list("project", "currency", "bucket").annotate(
        Sum("left"), Count("pk"), Min("due_on")
    )
    for project, currency, bucket, left, documents, oldest in grouped:
        owes = of(project, currency)
        owes.amounts[bucket] += left
        owes.documents += documents
        owes.oldest = min(filter(None, (owes.oldest, oldest)), default=None)
    for project, currency, credit in _credits(as_of):
        of(project, currency).credit += credit
    return {key: owes for key, owes in found.items() if owes.total or owes.credit}


def _credits(as_of: date) -> Iterator[tuple[int, str, Decimal]]:
    """What was paid and settles nothing, and what was credited after it was paid."""
    until = end_of(as_of)
    kinds = {ledger.FactKind.PAYMENT, ledger.FactKind.REFUND, ledger.FactKind.BOUNCED}
    for (project, currency, kind), amount in ledger.sums(None, until).items():
        if kind in kinds:
            yield project, currency, -amount
    used = Allocation.objects.filter(created_at__lt=until).order_by()
    keys = ("payment__receipt__project", "payment__currency")
    for project, currency, amount in used.values_list(*keys).annotate(sum=Sum("amount")):
        yield project, currency, -amount
    over = outstanding(as_of).order_by().filter(left__lt=0)
    for project, currency, left in over.values_list("project", "currency").annotate(Sum("left")):
        yield project, currency, -left


def csv_rows(report: Aging) -> Iterable[list[Any]]:
    """Return the report as rows: one for each project and currency."""
    for group in report.departments:
        for row in group.projects:
            owed = row.owed
            yield [
                report.as_of,
                group.department.code if group.department else "",
                row.project.code,
                row.project.name,
                owed.currency,
                *owed.in_order,
                owed.total,
                owed.credit,
                owed.balance,
                owed.documents,
                owed.oldest or "",
            ]


CSV_HEADER = (
    "as_of", "department", "project", "name", "currency", "not_due", "days_1_30", "days_31_60",
    "days_61_90", "days_over_90", "total", "credit", "balance", "documents", "oldest_due",
)  # fmt: skip
