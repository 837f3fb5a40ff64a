"""Figures of the console's home page: what waits for someone, and how the month goes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from core.intervals import Interval, month, month_start
from core.site import site_zone
from payments.models import InboundEvent
from payments.selectors import mismatches
from pricing.models import Charge, JobRating
from pricing.resources import RESOURCES
from pricing.selectors import jobs_to_rate
from receipts.corrections import jobs_to_correct
from receipts.models import Receipt
from receipts.selectors import overdue
from usage.models import ImportRun, Job
from usage.quarantine_states import open_rows
from usage.selectors import runs_waiting

MOST_ROWS = 1000
"""Beyond so many, a queue's length says nothing more."""

Sums = Mapping[str, Decimal]
"""Amounts by currency."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Jobs without a price for one reason."""

    code: str
    label: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Documents:
    """How many documents wait, and their totals."""

    count: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of the site: usage in base units by resource, and money by currency.

    ``charged`` is of jobs that ended in it, ``issued`` of receipts issued and not void, ``paid`` of
    receipts that became paid in it.
    """

    first: date
    jobs: int
    usage: Mapping[str, int]
    charged: Sums
    issued: Sums
    paid: Sums


def imports_waiting() -> int:
    """Count incomplete imports whose jobs are held back."""
    return runs_waiting().count()


def imports_to_confirm() -> int:
    """Count uploads that nobody has confirmed or cancelled yet."""
    return ImportRun.objects.filter(status=ImportRun.Status.PREPARED).count()


def quarantined_waiting() -> int:
    """Count rows that could not be read and that nobody settled yet, up to ``MOST_ROWS``."""
    return open_rows()[:MOST_ROWS].count()


def unpriced_by_reason() -> list[Reason]:
    """Return the reasons for which jobs have no price, the most frequent first."""
    rows = JobRating.objects.filter(status=JobRating.Status.UNPRICED).values_list("reason")
    counted = rows.annotate(jobs=Count("pk")).order_by("-jobs", "reason")
    return [Reason(code, str(JobRating.Reason(code).label), jobs) for code, jobs in counted]


def jobs_due() -> int:
    """Count ended jobs that rating has not looked at; more than zero for long means no worker.

    Jobs that wait for a document to be corrected wait for people.
    """
    due = jobs_to_rate().exclude(rating__status=JobRating.Status.UNPRICED)
    return due.exclude(pk__in=jobs_to_correct().order_by().values("pk")).count()


def drafts() -> Documents:
    """Return the drafts, and what waits to be approved."""
    return _documents(Receipt.objects.filter(status__in=Receipt.BEFORE_ISSUE))


def overdue_receipts() -> Documents:
    """Return the issued receipts whose due date has passed."""
    return _documents(overdue())


def mismatched_payments() -> QuerySet[InboundEvent]:
    """Return payments that match nothing and wait for a person."""
    return mismatches()


def month_figures(day: date | None = None) -> Month:
    """Return the figures of the month that contains a day (today)."""
    first = month_start(day or timezone.localdate())
    window = month(first, site_zone())
    jobs = Job.objects.filter(end__gte=window.start, end__lt=window.end)
    sums = {item.quantity: Sum(item.quantity) for item in RESOURCES.values()}
    used = jobs.aggregate(jobs=Count("pk"), **sums)
    charges = Charge.objects.filter(job_end__gte=window.start, job_end__lt=window.end).order_by()
    # With credit notes, so that what was void in the same month is nothing.
    issued = _within("issued_at", window)
    return Month(
        first=first,
        jobs=used["jobs"],
        usage={code: used[item.quantity] or 0 for code, item in RESOURCES.items()},
        charged=_sums(charges.values_list("currency").annotate(Sum("amount"))),
        issued=_sums(issued.values_list("currency").annotate(Sum("total"))),
        paid=_sums(_within("paid_at", window).values_list("currency").annotate(Sum("total"))),
    )


def month_before(figures: Month) -> Month:
    """Return the figures of the month before another one."""
    return month_figures(figures.first - timedelta(days=1))


def _within(stamp: str, window: Interval) -> QuerySet[Receipt]:
    between = {f"{stamp}__gte": window.start, f"{stamp}__lt": window.end}
    return Receipt.objects.filter(**between).order_by()


def _documents(receipts: QuerySet[Receipt]) -> Documents:
    rows = receipts.order_by().values_list("currency").annotate(Count("pk"), Sum("total"))
    counted = list(rows)
    return Documents(
        sum(count for _currency, count, _total in counted),
        {currency: total for currency, _count, total in counted},
    )


def _sums(rows: Iterable[tuple[str, Decimal]]) -> Sums:
    return dict(sorted(rows))
