"""What of a month nobody can explain yet: it stands against closing the month.

Looked at is the time from the last closed period's end to the month's own end: what a person let
pass when an earlier month was closed is not told again, but what arrived of it since.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext_lazy

from accounts.models import Period, SplitShare
from accounts.periods import last_closed
from core import formatting
from core.intervals import Interval
from insights.journal import missing_accounts
from pricing.models import JobRating, Recheck
from pricing.selectors import live_charges, unrated_jobs
from usage import windows
from usage.coverage import covered, expected
from usage.models import Cluster, Job, QuarantinedRow, Reconciliation, Window
from usage.quarantine_states import open_rows
from usage.reconciliations import comparable_clusters, latest_by_period
from usage.selectors import IS_FREE, IS_HELD

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
Outcome = Reconciliation.Outcome


class Code(StrEnum):
    """What stands against closing a month."""

    UNREAD = "unread"
    QUARANTINED = "quarantined"
    HELD = "held"
    UNRATED = "unrated"
    RECHECK = "recheck"
    UNPRICED = "unpriced"
    DUE = "due"
    SHARES = "shares"
    UNCOMPARED = "uncompared"
    DIFFERS = "differs"
    FAILED = "failed"
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands against closing a month: how often, on which cluster, and the page of
    the console that mends it."""

    code: Code
    count: int
    url: str
    cluster: str = ""

    @property
    def text(self) -> str:
        """One sentence or two that say what it is and what to do."""
        return told(self.as_data())

    def as_data(self) -> dict[str, Any]:
        """Return what the period keeps of it when it is closed all the same."""
        found = {"code": self.code.value, "count": self.count}
        return found | ({"cluster": self.cluster} if self.cluster else {})


def unexplained(period: Period) -> list[Finding]:
    """Return what stands against closing a period, in the order in which usage becomes charges;
    empty if nothing does. Reads only."""
    span = _Span.of(period)
    return [finding for look in _LOOKS for finding in look(span) if finding.count]


def told(finding: Mapping[str, Any]) -> str:
    """Return the sentences of a finding as it was kept, in the current language."""
    count = int(finding["count"])
    values = {"shown": formatting.number(count), "cluster": finding.get("cluster", "")}
    return str(_TEXTS[Code(finding["code"])] % ({"count": count} | values))


_TEXTS = {
    Code.UNREAD: ngettext_lazy(
        "%(cluster)s: %(shown)s day was not read whole. Read it again in the cluster's calendar.",
        "%(cluster)s: %(shown)s days were not read whole. Read them again in the cluster's "
        "calendar.",
        "count",
    ),
    Code.QUARANTINED: ngettext_lazy(
        "%(shown)s row could not be read. Try it again, or dismiss it with a reason.",
        "%(shown)s rows could not be read. Try them again, or dismiss them with a reason.",
        "count",
    ),
    Code.HELD: ngettext_lazy(
        "%(shown)s job is held back with its import. Look at what is missing, then release it.",
        "%(shown)s jobs are held back with their imports. Look at what is missing, then release "
        "them.",
        "count",
    ),
    Code.UNRATED: ngettext_lazy(
        "%(shown)s job was not rated yet. Wait a moment; if it stays so, no worker is running.",
        "%(shown)s jobs were not rated yet. Wait a moment; if they stay so, no worker is running.",
        "count",
    ),
    Code.RECHECK: ngettext_lazy(
        "%(shown)s change of prices, tiers or payers waits for rating to look at the jobs again. "
        "Wait a moment.",
        "%(shown)s changes of prices, tiers or payers wait for rating to look at the jobs again. "
        "Wait a moment.",
        "count",
    ),
    Code.UNPRICED: ngettext_lazy(
        "%(shown)s job has no price. Give it a project, a tier or a price, or exempt it.",
        "%(shown)s jobs have no price. Give them a project, a tier or a price, or exempt them.",
        "count",
    ),
    Code.DUE: ngettext_lazy(
        "%(shown)s job changed after it was billed. Correct its document.",
        "%(shown)s jobs changed after they were billed. Correct their documents.",
        "count",
    ),
    Code.SHARES: ngettext_lazy(
        "Of %(shown)s job a share is not charged. Correct the document that the others are on.",
        "Of %(shown)s jobs a share is not charged. Correct the documents that the others are on.",
        "count",
    ),
    Code.UNCOMPARED: ngettext_lazy(
        "%(cluster)s was not compared with Slurm's own totals to the end of the month. Compare it "
        "now.",
        "%(cluster)s was not compared with Slurm's own totals to the end of the month. Compare it "
        "now.",
        "count",
    ),
    Code.DIFFERS: ngettext_lazy(
        "%(cluster)s: %(shown)s difference to Slurm's own totals has no known cause. Have the "
        "operator look.",
        "%(cluster)s: %(shown)s differences to Slurm's own totals have no known cause. Have the "
        "operator look.",
        "count",
    ),
    Code.FAILED: ngettext_lazy(
        "%(cluster)s: Slurm's own totals could not be read. Mend the connection, then compare "
        "again.",
        "%(cluster)s: Slurm's own totals could not be read. Mend the connection, then compare "
        "again.",
        "count",
    ),
    Code.UNMAPPED: ngettext_lazy(
        "%(shown)s kind of entry has no ledger account. Add one now: a closed month takes none, "
        "and its journal could never be exported.",
        "%(shown)s kinds of entries have no ledger account. Add them now: a closed month takes "
        "none, and its journal could never be exported.",
        "count",
    ),
}


@dataclass(frozen=True, slots=True)
class _Span:
    """The period, and from when on it is looked at; ``closed_at`` is of the period before."""

    period: Period
    since: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, period: Period) -> "_Span":
        last = last_closed()
        if last is None or last.month >= period.month:
            return cls(period, _BEGINNING, None)
        return cls(period, last.ends_at, last.closed_at)

    @property
    def until(self) -> datetime:
        return self.period.ends_at

    def ended(self, prefix: str = "") -> Q:
        """Over jobs: those that ended in it."""
        return Q(**{f"{prefix}end__gte": self.since, f"{prefix}end__lt": self.until})


def _unread(span: _Span) -> Iterator[Finding]:
    """Days that were not read whole, of clusters of which each day is expected."""
    now = min(timezone.now(), span.until)
    for cluster in Cluster.objects.filter(is_enabled=True, reads_from__isnull=False):
        frame = expected(cluster, now)
        if frame is None or frame.end <= span.since:
            continue
        frame = Interval(max(frame.start, span.since), frame.end)
        days = windows.whole_days(windows.gaps(frame, covered(cluster, frame)))
        url = reverse("admin:usage_cluster_calendar", args=(cluster.pk,))
        month = f"?month={span.period.month:%Y-%m}"
        yield Finding(Code.UNREAD, days, url + month, cluster.name)


def _quarantined(span: _Span) -> Iterator[Finding]:
    """Rows that could not be read: of imports that read a window of the period, and of files that
    came since it began unless all jobs in them are of another time."""
    reads = Window.objects.filter(run=OuterRef("run"), start__lt=span.until, end__gt=span.since)
    others = Job.objects.filter(run=OuterRef("run"), end__isnull=False)
    of_time = Exists(others.filter(span.ended())) | ~Exists(others)
    by_file = Q(of_time, run__windows=None, run__created_at__gte=span.period.starts_at)
    rows: QuerySet[QuarantinedRow] = open_rows().filter(Q(Exists(reads)) | by_file)
    yield Finding(Code.QUARANTINED, rows.count(), _page("usage_quarantinedrow", "state=open"))


def _held(span: _Span) -> Iterator[Finding]:
    jobs = Job.objects.filter(IS_HELD, span.ended())
    yield Finding(Code.HELD, jobs.count(), _page("usage_importrun", "status__exact=incomplete"))


def _unrated(span: _Span) -> Iterator[Finding]:
    jobs = unrated_jobs().filter(IS_FREE, end__lt=span.until)
    yield Finding(Code.UNRATED, jobs.count(), _page("usage_job", "bucket=pending"))
    changes = Recheck.objects.filter(Q(starts_at=None) | Q(starts_at__lt=span.until))
    yield Finding(Code.RECHECK, changes.count(), _page("usage_job", "bucket=pending"))


def _unpriced(span: _Span) -> Iterator[Finding]:
    when = span.ended("job__")
    if span.closed_at is not None:
        when |= Q(job__end__lt=span.since, since__gt=span.closed_at)
    ratings = JobRating.objects.filter(when, status=JobRating.Status.UNPRICED, due=False)
    yield Finding(Code.UNPRICED, ratings.count(), _page("pricing_jobrating"))


def _due(span: _Span) -> Iterator[Finding]:
    """Jobs that changed and whose charges are on a document; of some a share has no charge."""
    due = JobRating.objects.filter(span.ended("job__"), due=True)
    charges = live_charges().filter(job=OuterRef("pk"))
    sibling = SplitShare.objects.filter(split=OuterRef("share__split"))
    charged = live_charges().filter(job=OuterRef(OuterRef("job")), share=OuterRef("pk"))
    lacking = charges.filter(Exists(sibling.filter(~Exists(charged))), share__isnull=False)
    shares = due.filter(Exists(lacking)).count()
    corrections = reverse("admin:receipts_receipt_corrections")
    yield Finding(Code.DUE, due.count() - shares, corrections)
    yield Finding(Code.SHARES, shares, corrections)


def _compared(span: _Span) -> Iterator[Finding]:
    """Clusters that Slurm can give totals of, and that were not compared with them to the end of
    the month, or are unlike them."""
    period = span.period
    rows = latest_by_period().filter(start=period.starts_at, end=period.ends_at)
    latest = {row.cluster_id: row for row in rows}
    for cluster in comparable_clusters().order_by("name"):
        result = latest.get(cluster.pk)
        whole = result is not None and result.until == result.end
        if result is not None and result.outcome == Outcome.UNEXPLAINED:
            url = reverse("admin:usage_reconciliation_change", args=(result.pk,))
            yield Finding(Code.DIFFERS, result.unexplained, url, cluster.name)
        elif result is not None and result.outcome == Outcome.FAILED:
            url = reverse("admin:usage_reconciliation_change", args=(result.pk,))
            yield Finding(Code.FAILED, 1, url, cluster.name)
        elif not whole and _has_usage(cluster, period):
            url = reverse("admin:usage_reconciliation_compare")
            yield Finding(Code.UNCOMPARED, 1, url, cluster.name)


def _has_usage(cluster: Cluster, period: Period) -> bool:
    """Whether something of a month is, or should be, known of a cluster."""
    if cluster.reads_from is not None:
        frame = expected(cluster, min(timezone.now(), period.ends_at))
        return frame is not None and frame.end > period.starts_at
    ended = {"end__gte": period.starts_at, "end__lt": period.ends_at}
    return Job.objects.filter(cluster=cluster, **ended).exists()


def _unmapped(span: _Span) -> Iterator[Finding]:
    """Roles of the journal, told apart as accounts are, that have no account on a day of it."""
    month = span.period.month
    kinds = {(one.role, one.detail) for one in missing_accounts(month)}
    url = reverse("admin:insights_journalexport_journal")
    yield Finding(Code.UNMAPPED, len(kinds), f"{url}?month={month:%Y-%m}")


_LOOKS = (_unread, _quarantined, _held, _unrated, _unpriced, _due, _compared, _unmapped)


def _page(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + (f"?{query}" if query else "")
