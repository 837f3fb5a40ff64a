"""Statements for internal recharge: what a project, or each project of a department, owed at the
beginning of a period, what came to it, and what it owed at the end."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from accounts.models import Department, Project
from core.intervals import month_start, next_month
from core.site import site_days
from insights.ledger import FactKind, Sums, facts, last_moment, sums
from pricing.labels import resource_name
from receipts.models import Line, Receipt
from receipts.selectors import ISSUED

ZERO = Decimal(0)
DOCUMENTS = frozenset({FactKind.RECEIPT, FactKind.OPENING})
CREDITS = frozenset({FactKind.CREDIT_NOTE})


@dataclass(frozen=True, slots=True)
class Span:
    """The days of a statement, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return site_days(self.first, self.last).start

    @property
    def end(self) -> datetime:
        return site_days(self.first, self.last).end


def last_month_of(projects: Collection[int]) -> Span | None:
    """Return the last month in which these projects were billed, credited or paid; None if they
    never were."""
    moment = last_moment(projects)
    if moment is None:
        return None
    first = month_start(timezone.localdate(moment))
    return Span(first, next_month(first) - timedelta(days=1))


def last_month_of_department(department: Department) -> Span | None:
    """Return the same of the projects that a department has now."""
    projects = Project.objects.filter(department=department).values_list("pk", flat=True)
    return last_month_of(list(projects))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a statement, with the balance after it."""

    day: date
    kind: FactKind
    document: Receipt
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """A project's account over a period. opening + documents + credits + payments = closing;
    credits and payments are zero or less. ``entries`` are there where they were asked for."""

    project: Project
    currency: str
    opening: Decimal
    documents: Decimal
    credits: Decimal
    payments: Decimal
    entries: tuple[Entry, ...] = ()

    @property
    def closing(self) -> Decimal:
        return self.opening + self.documents + self.credits + self.payments


@dataclass(frozen=True, slots=True)
class Used:
    """What the lines of a period's documents say a project used of a resource; with tax where its
    prices include it."""

    project: Project
    resource: str
    currency: str
    amount: Decimal

    @property
    def resource_name(self) -> str:
        return resource_name(self.resource)


@dataclass(frozen=True, slots=True)
class Total:
    """The accounts of a department in one currency, added up."""

    currency: str
    opening: Decimal
    documents: Decimal
    credits: Decimal
    payments: Decimal
    closing: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement over a period: accounts by project and currency, and usage by resource."""

    title: str
    span: Span
    accounts: tuple[Account, ...]
    used: tuple[Used, ...]

    @property
    def csv_link(self) -> str:
        """The query of the page that exports it."""
        return f"?first={self.span.first}&last={self.span.last}&as=csv"

    @property
    def pdf_link(self) -> str:
        """The query of the page that prints it."""
        return f"?first={self.span.first}&last={self.span.last}&as=pdf"

    @property
    def totals(self) -> list[Total]:
        """The accounts by currency."""
        names = ("opening", "documents", "credits", "payments", "closing")
        currencies = sorted({account.currency for account in self.accounts})
        return [
            Total(
                currency,
                *(
                    sum((getattr(a, name) for a in self.accounts if a.currency == currency), ZERO)
                    for name in names
                ),
            )
            for currency in currencies
        ]


def project_statement(project: Project, span: Span) -> Statement:
    """Return a project's statement, with every document and payment of the period."""
    entries = _entries([project.pk], span)
    accounts = _accounts({project.pk: project}, span, entries)
    return Statement(str(project), span, accounts, _used([project.pk], span))


def department_statement(department: Department, span: Span) -> Statement:
    """Return a department's statement: the accounts of its projects, and what each used.

    Projects that nothing is to be said of are left out.
    """
    projects = Project.objects.filter(department=department).in_bulk()
    accounts = _accounts(projects, span, {})
    return Statement(str(department), span, accounts, _used(list(projects), span))


Entries = dict[tuple[int, str], list[tuple[datetime, FactKind, int, Decimal]]]


def _entries(projects: Collection[int], span: Span) -> Entries:
    found: Entries = {}
    for fact in facts(span.start, span.end, projects):
        row = (fact.moment, fact.kind, fact.receipt_id, fact.amount)
        found.setdefault((fact.project_id, fact.currency), []).append(row)
    return found


def _accounts(projects: dict[int, Project], span: Span, entries: Entries) -> tuple[Account, ...]:
    before = sums(None, span.start, projects)
    during = sums(span.start, span.end, projects)
    documents = Receipt.objects.in_bulk(
        {receipt for rows in entries.values() for _when, _kind, receipt, _amount in rows}
    )
    keys = sorted(
        {key[:2] for key in (*before, *during)}, key=lambda key: (projects[key[0]].code, key[1])
    )
    made = []
    for project, currency in keys:
        key = (project, currency)
        opening = _of(before, key, frozenset(FactKind))
        rows = entries.get(key, [])
        made.append(
            Account(
                project=projects[project],
                currency=currency,
                opening=opening,
                documents=_of(during, key, DOCUMENTS),
                credits=_of(during, key, CREDITS),
                payments=_of(during, key, frozenset(FactKind) - DOCUMENTS - CREDITS),
                entries=tuple(_running(rows, opening, documents)),
            )
        )
    return tuple(each for each in made if each.opening or each.closing or each.documents)


def _of(found: Sums, key: tuple[int, str], kinds: Collection[FactKind]) -> Decimal:
    return sum((found.get((*key, kind), ZERO) for kind in kinds), ZERO)


def _running(
    rows: list[tuple[datetime, FactKind, int, Decimal]],
    balance: Decimal,
    documents: dict[int, Receipt],
) -> list[Entry]:
    made = []
    for moment, kind, receipt, amount in rows:
        balance += amount
        day = timezone.localdate(moment)
        made.append(Entry(day, kind, documents[receipt], amount, balance))
    return made


def _used(projects: Collection[int], span: Span) -> tuple[Used, ...]:
    """What the lines of the period's documents say, by whose usage it is, less credit notes."""
    lines = Line.objects.filter(
        project__in=projects,
        receipt__status__in=ISSUED,
        receipt__issued_at__gte=span.start,
        receipt__issued_at__lt=span.end,
    )
    rows = lines.order_by().values_list("project", "resource", "receipt__currency")
    found = rows.annotate(sum=Sum("amount")).order_by(
        "project__code", "resource", "receipt__currency"
    )
    names = Project.objects.in_bulk(projects)
    return tuple(
        Used(names[project], resource, currency, amount)
        for project, resource, currency, amount in found
    )
