"""What a month earned that no document asks for yet: unbilled charges, and work that still ran.

An estimate for the ledger, and no charge: work that went on past the month's end counts by the part
of its time that lies before it; what still runs today, by what it comes to so far.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef, Sum
from django.utils import timezone

from accounts.models import Period, Project
from core.intervals import microseconds
from core.money import round_money
from pricing.estimates import Estimate, estimates
from pricing.models import Charge
from receipts.models import LineCharge
from usage.models import Job

ZERO = Decimal(0)
JOBS_AT_ONCE = 2_000


class Key(NamedTuple):
    """What a line of an accrual adds up."""

    project_id: int
    resource: str
    currency: str


@dataclass(frozen=True, slots=True)
class AccrualLine:
    """What one resource of a project comes to, rounded to the currency's exponent: charges that no
    document asked for by then, and work that still ran."""

    project: Project
    resource: str
    currency: str
    unbilled: Decimal
    running: Decimal

    @property
    def total(self) -> Decimal:
        return self.unbilled + self.running


@dataclass(frozen=True, slots=True)
class AccrualSum:
    """An accrual in one currency."""

    currency: str
    unbilled: Decimal
    running: Decimal

    @property
    def total(self) -> Decimal:
        return self.unbilled + self.running


@dataclass(frozen=True, slots=True)
class Accrual:
    """What a month comes to that no document asks for ``at`` its end, or now if it goes on.

    ``jobs`` ran then, and ``unpriced`` of those that still run have no price.
    """

    period: Period
    at: datetime
    lines: tuple[AccrualLine, ...]
    jobs: int
    unpriced: int

    @property
    def sums(self) -> list[AccrualSum]:
        """Return the sums of the lines by currency."""
        found = []
        for currency in sorted({line.currency for line in self.lines}):
            ours = [line for line in self.lines if line.currency == currency]
            unbilled = sum((line.unbilled for line in ours), ZERO)
            running = sum((line.running for line in ours), ZERO)
            found.append(AccrualSum(currency, unbilled, running))
        return found


def accrual(period: Period) -> Accrual:
    """Work out the accrual of a period. Reads only.

    Of a closed period it comes out the same each time, but for jobs that still run.
    """
    at = min(period.ends_at, timezone.now())
    running = _Running(at)
    unbilled = _unbilled(period, at)
    lines = _lines(unbilled, running.amounts)
    return Accrual(period, at, tuple(lines), running.jobs, running.unpriced)


def _unbilled(period: Period, at: datetime) -> Mapping[Key, Decimal]:
    """Charges booked up to a period that were on no document issued by then. Reversals count too:
    what they take back of an issued document is owed to the project until a credit note says so."""
    billed = LineCharge.objects.filter(charge=OuterRef("pk"), line__receipt__issued_at__lt=at)
    charges = Charge.objects.filter(~Exists(billed), period__lte=period.month).order_by()
    rows = charges.values_list("project", "resource", "currency").annotate(sum=Sum("amount"))
    return {Key(*key): amount for *key, amount in rows}


_ENDED_SINCE = """
    SELECT c.project_id, c.resource, c.currency,
           sum(c.amount * round((extract(epoch FROM %(at)s - j.start)
                                 / extract(epoch FROM j."end" - j.start))::numeric, 9))
      FROM pricing_charge c JOIN usage_job j ON j.id = c.job_id
     WHERE c.job_end >= %(at)s AND j.start < %(at)s AND j."end" > j.start
     GROUP BY 1, 2, 3
"""
_JOBS_SINCE = """SELECT count(*) FROM usage_job WHERE "end" >= %(at)s AND start < %(at)s"""


@dataclass(slots=True)
class _Running:
    """Work that ran at a moment: what ended since by its charges, and what still runs."""

    at: datetime
    amounts: dict[Key, Decimal] = field(default_factory=dict)
    jobs: int = 0
    unpriced: int = 0

    def __post_init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_ENDED_SINCE, {"at": self.at})
            self.amounts = {Key(*key): amount for *key, amount in cursor}
            cursor.execute(_JOBS_SINCE, {"at": self.at})
            (self.jobs,) = cursor.fetchone()
        running = Job.objects.filter(end=None, start__lt=self.at).order_by("pk")
        rows = running.iterator(chunk_size=JOBS_AT_ONCE)
        while batch := list(islice(rows, JOBS_AT_ONCE)):
            found = estimates(batch)
            for job in batch:
                self._add(job, found[job.pk])

    def _add(self, job: Job, found: Estimate) -> None:
        self.jobs += 1
        self.unpriced += not found.amounts
        part = _part(job.start, found.seen_at, self.at)
        for item in found.amounts:
            project = getattr(item, "project_id", found.project_id)
            if project is not None:
                key = Key(project, item.resource, item.currency)
                self.amounts[key] = self.amounts.get(key, ZERO) + item.amount * part


def _part(start: datetime | None, seen: datetime, at: datetime) -> Decimal:
    """Return the part of what was seen of a job that lies before a moment."""
    if start is None or seen <= at or seen <= start:
        return Decimal(1)
    before, whole = microseconds(at) - microseconds(start), microseconds(seen) - microseconds(start)
    return Decimal(before) / Decimal(whole)


def _lines(
    unbilled: Mapping[Key, Decimal], running: Mapping[Key, Decimal]
) -> Iterator[AccrualLine]:
    keys = {*unbilled, *running}
    projects = Project.objects.select_related("department").in_bulk(_projects(keys))
    for key in sorted(keys, key=lambda key: (projects[key.project_id].code, *key[1:])):
        line = AccrualLine(
            projects[key.project_id],
            key.resource,
            key.currency,
            round_money(unbilled.get(key, ZERO), key.currency),
            round_money(running.get(key, ZERO), key.currency),
        )
        if line.unbilled or line.running:
            yield line


def _projects(keys: Iterable[Key]) -> set[int]:
    return {key.project_id for key in keys}
