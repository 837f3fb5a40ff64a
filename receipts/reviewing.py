"""What a review shows of a run: each document beside what the addressee was billed before."""

from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    DateField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
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
from django.db.models.functions import Coalesce, Greatest, Least, Trunc

from core.intervals import month_start
from core.site import site_zone
from receipts.models import BillingRun, Receipt, RunEntry

E = RunEntry.State
S = Receipt.Status
ZERO = Value(Decimal(0))
LAST_SECOND = ExpressionWrapper(
    F("window_end") - timedelta(seconds=1), output_field=DateTimeField()
)
BILLED_MONTH = Coalesce(
    F("period"), Trunc(LAST_SECOND, "month", output_field=DateField(), tzinfo=site_zone())
)
"""The month that a document is over: that of its run, or that of its last day."""

FILTERS = ("approve", "marked", "problems", "carried", "issued", "all")
"""What of a run a person may look at."""


def entries_of(run: BillingRun) -> QuerySet[RunEntry]:
    """Return a run's entries with what to compare them with, in one query.

    ``last_total`` is what the month before came to, ``median`` that of the three months before (of
    fewer where the first bill is younger; a month without a bill counts as nothing), ``is_first``
    whether there was no bill before, ``is_marked`` whether a person should look: a first bill, or
    one more than half above or below the median. Counted are issued receipts that are not void.
    """
    months = [_before(run, count) for count in (1, 2, 3)]
    earliest = _bills().values("project").annotate(first=Min(BILLED_MONTH)).values("first")
    rows = RunEntry.objects.filter(run=run).annotate(
        first_month=Subquery(earliest),
        month_1=_of(months[0]),
        month_2=_of(months[1]),
        month_3=_of(months[2]),
    )
    one, two, three = F("month_1"), F("month_2"), F("month_3")
    all_three = one + two + three - Greatest(one, two, three) - Least(one, two, three)
    median = Case(
        When(first_month__gte=months[0], then=one),
        When(first_month__gte=months[1], then=(one + two) / 2),
        default=all_three,
    )
    none = Q(first_month=None) | Q(first_month__gte=run.period_id)
    rows = rows.annotate(
        last_total=one,
        median=Case(When(none, then=None), default=median),
        is_first=_flag(none),
    )
    outside = Q(total__gt=F("median") * Decimal("1.5")) | Q(total__lt=F("median") * Decimal("0.5"))
    marked = Q(state=E.DRAFTED) & (Q(is_first=True) | outside)
    rows = rows.annotate(is_marked=_flag(marked))
    return rows.select_related("project", "receipt", "approved_by").order_by("project__code", "pk")


def _bills() -> QuerySet[Receipt]:
    """The bills of an entry's addressee in its currency."""
    ours = Receipt.objects.filter(
        project=OuterRef("project"), currency=OuterRef("currency"), kind=Receipt.Kind.RECEIPT
    )
    return ours.exclude(status__in=(S.DRAFT, S.PENDING, S.VOID)).order_by()


def _of(month: date) -> Coalesce:
    over = _bills().alias(billed_month=BILLED_MONTH).filter(billed_month=month)
    return Coalesce(Subquery(over.values("project").annotate(s=Sum("total")).values("s")), ZERO)


def _before(run: BillingRun, count: int) -> date:
    month = run.period_id
    for _step in range(count):
        month = month_start(month - timedelta(days=1))
    return month


def _flag(condition: Q) -> Case:
    return Case(
        When(condition, then=Value(True)), default=Value(False), output_field=BooleanField()
    )


def shown(entries: QuerySet[RunEntry], which: str) -> QuerySet[RunEntry]:
    """Narrow a review to what a person wants to look at."""
    wanted = {
        "approve": Q(receipt__status=S.PENDING),
        "marked": Q(is_marked=True, receipt__status__in=(S.DRAFT, S.PENDING)),
        "problems": ~Q(problem={})
        | Q(receipt__status=S.DRAFT)
        | Q(state__in=(E.FAILED, E.DISCARDED)),
        "carried": Q(state__in=(E.CARRIED, E.NOTHING)),
        "issued": Q(receipt__isnull=False) & ~Q(receipt__status__in=(S.DRAFT, S.PENDING)),
    }
    return entries.filter(wanted[which]) if which in wanted else entries


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: entries in all, those that wait to be drafted, to be approved, approved and
    on their way, issued; and with a problem."""

    entries: int
    waiting: int
    to_approve: int
    on_their_way: int
    issued: int
    problems: int

    @property
    def drafted_percent(self) -> int:
        """How much of the drafting is done."""
        return 100 if not self.entries else 100 * (self.entries - self.waiting) // self.entries

    @property
    def is_moving(self) -> bool:
        """Whether a worker has something to do."""
        return bool(self.waiting or self.on_their_way)

    @property
    def is_done(self) -> bool:
        """Whether nobody has anything to do any more."""
        return not (self.waiting or self.to_approve or self.on_their_way or self.problems)


def progress_of(run: BillingRun) -> Progress:
    """Return how far a run is, in one query."""
    return Progress(**RunEntry.objects.filter(run=run).aggregate(**_counts()))


def with_progress(runs: QuerySet[BillingRun]) -> QuerySet[Any]:
    """Add to runs what ``progress_in`` reads, in one query for all."""
    counts = _counts("entries__")
    return runs.annotate(**{f"count_{name}": count for name, count in counts.items()})


def progress_in(run: Any) -> Progress:
    """Return how far a run of ``with_progress`` is."""
    return Progress(*(getattr(run, f"count_{field.name}") for field in fields(Progress)))


def _counts(of: str = "") -> dict[str, Count]:
    """What is counted of entries, which are reached by a prefix."""

    def where(**conditions: Any) -> Q:
        return Q(**{f"{of}{name}": value for name, value in conditions.items()})

    pending = where(receipt__status=S.PENDING)
    # A person sent it back, and it is to be handed in again or discarded.
    back = where(receipt__status=S.DRAFT)
    filters = {
        "entries": where(pk__isnull=False),
        "waiting": where(state=E.WAITING),
        "to_approve": pending & where(approved_by=None),
        "on_their_way": pending & where(approved_by__isnull=False),
        "issued": where(receipt__isnull=False) & ~pending & ~back,
        "problems": back | ~where(problem={}) & (pending | where(state=E.FAILED)),
    }
    return {name: Count(f"{of}pk", filter=which) for name, which in filters.items()}


def runs_in_review() -> QuerySet[BillingRun]:
    """Return the runs in which drafts are made, or wait for somebody."""
    pending = RunEntry.objects.filter(run=OuterRef("pk"), receipt__status__in=(S.DRAFT, S.PENDING))
    failed = RunEntry.objects.filter(run=OuterRef("pk"), state=E.FAILED)
    drafting = Q(status=BillingRun.Status.DRAFTING)
    return BillingRun.objects.filter(drafting | Exists(pending) | Exists(failed)).order_by("pk")


def documents_to_approve() -> int:
    """Return how many documents of runs wait for somebody's approval."""
    return RunEntry.objects.filter(receipt__status=S.PENDING, approved_by=None).count()
