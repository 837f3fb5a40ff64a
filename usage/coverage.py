"""What of a cluster's accounting was read: derived from its windows each time, stored nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate

from core.intervals import Interval, days, local_midnight, month_start, next_month
from usage import windows
from usage.models import Cluster, ImportRun, Job, Pull, Source, Window

GRACE = timedelta(hours=3)
"""How long a night's pull may take, with what it asks again, before someone is told."""
LIVE_KINDS = (Source.Kind.SLURMRESTD, Source.Kind.SACCT)
"""Sources that are Slurm itself: they answer for any span of time, and can give its own totals. A
folder has only the days that somebody put there."""

_WHOLE = (
    Q(status=Window.Status.EMPTY)
    | Q(run__status__in=ImportRun.IN_FORCE)
    | Q(run__retries__status__in=ImportRun.IN_FORCE)
)
"""Answered without a job, or imported whole, if only when its evidence was read again."""


class DayState(StrEnum):
    """What is known of a local day."""

    COMPLETE = "complete"
    EMPTY = "empty"
    PARTIAL = "partial"
    MISSING = "missing"
    LATE = "late"
    EXPECTED = "expected"
    FILES = "files"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Day:
    """A local day of a cluster: what was read of it, how many jobs ended, and the runs behind."""

    day: date
    state: DayState
    jobs: int
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Lateness:
    """When a cluster's last pull was due, and when a nightly one last ended with all read."""

    cluster: Cluster
    due_at: datetime
    done_at: datetime | None
    slot: date

    def is_late(self, now: datetime, grace: timedelta) -> bool:
        """Whether the pull should have ended by now, the time it may take allowed for."""
        done = self.done_at is not None and self.done_at >= self.due_at
        return not done and now >= self.due_at + grace


def zone_of(cluster: Cluster) -> ZoneInfo:
    """Return a cluster's own time zone."""
    return ZoneInfo(cluster.time_zone)


def window_sources(cluster: Cluster) -> QuerySet[Source]:
    """Return the sources of a cluster in the order in which they are asked for a window."""
    return cluster.sources.filter(is_enabled=True).order_by("position")


def is_live(cluster: Cluster) -> bool:
    """Whether a cluster has a source that answers for any span of time, up to this moment."""
    return window_sources(cluster).filter(kind__in=LIVE_KINDS).exists()


def covered(cluster: Cluster, frame: Interval) -> list[Interval]:
    """Return what of a frame was read whole, disjoint and in order of time.

    A window whose import waits for a release doesn't count: what is in quarantine is not known.
    """
    rows = Window.objects.filter(_WHOLE, cluster=cluster, end__gt=frame.start, start__lt=frame.end)
    spans = (Interval(start, end) for start, end in rows.values_list("start", "end"))
    return windows.within(windows.union(spans), frame)


def expected(cluster: Cluster, now: datetime) -> Interval | None:
    """Return the span that should be known by now, or None if a cluster's usage comes in files."""
    if cluster.reads_from is None:
        return None
    start = local_midnight(cluster.reads_from, zone_of(cluster))
    return Interval(start, now) if start < now else None


def gaps(cluster: Cluster, now: datetime) -> list[Interval]:
    """Return what was never read whole between the cluster's first day and now."""
    frame = expected(cluster, now)
    return windows.gaps(frame, covered(cluster, frame)) if frame else []


def settled_gaps(cluster: Cluster, now: datetime) -> list[Interval]:
    """Return the gaps before the last night's pull: those that time alone won't close."""
    end = _last_due(cluster, now)
    frame = expected(cluster, end)
    return windows.gaps(frame, covered(cluster, frame)) if frame else []


def lateness(cluster: Cluster, now: datetime) -> Lateness | None:
    """Return how a cluster's nightly pull stands, or None if none was due yet.

    A cluster without a source is none that is pulled.
    """
    slot = windows.last_slot(now, cluster.pull_at, zone_of(cluster))
    due = windows.due_at(slot, cluster.pull_at, zone_of(cluster))
    pulled = cluster.is_enabled and cluster.sources.filter(is_enabled=True).exists()
    if not pulled or due <= cluster.created_at:
        return None
    whole = Pull.objects.filter(
        cluster=cluster, kind=Pull.Kind.NIGHTLY, finished_at__isnull=False
    ).exclude(windows__status=Window.Status.FAILED)
    last = whole.order_by("-finished_at").values_list("finished_at", flat=True).first()
    return Lateness(cluster, due, last, slot)


def _last_due(cluster: Cluster, now: datetime) -> datetime:
    zone = zone_of(cluster)
    return windows.due_at(windows.last_slot(now, cluster.pull_at, zone), cluster.pull_at, zone)


def calendar(cluster: Cluster, month: date, now: datetime) -> list[Day]:
    """Return the days of a cluster's month, each with its state at this moment."""
    zone = zone_of(cluster)
    first, last = month_start(month), next_month(month) - timedelta(days=1)
    frame = days(first, last, zone)
    read = _windows_of(cluster, frame)
    whole = set(read.filter(_WHOLE).values_list("pk", flat=True))
    ended = _jobs_by_day(cluster, frame, zone)
    standing = _Standing(cluster, now, _last_due(cluster, now), _last_pulled(cluster))
    found = []
    for count in range((last - first).days + 1):
        day = first + timedelta(days=count)
        span = days(day, day, zone)
        touching = tuple(w for w in read if w.start < span.end and w.end > span.start)
        jobs = ended.get(day, 0)
        state = standing.state_of(
            day, span, touching, [w for w in touching if w.pk in whole], jobs=jobs
        )
        found.append(Day(day, state, jobs, touching))
    return found


def _windows_of(cluster: Cluster, frame: Interval) -> QuerySet[Window]:
    rows = Window.objects.filter(cluster=cluster, end__gt=frame.start, start__lt=frame.end)
    rows = rows.exclude(status=Window.Status.SPLIT)
    return rows.select_related("run", "pull").order_by("start", "pk")


def _jobs_by_day(cluster: Cluster, frame: Interval, zone: ZoneInfo) -> dict[date, int]:
    rows = Job.objects.filter(cluster=cluster, end__gte=frame.start, end__lt=frame.end)
    by_day = rows.order_by().annotate(day=TruncDate("end", tzinfo=zone)).values("day")
    return dict(by_day.annotate(jobs=Count("pk")).values_list("day", "jobs"))


def _last_pulled(cluster: Cluster) -> datetime | None:
    ended = Pull.objects.filter(cluster=cluster, finished_at__isnull=False)
    return ended.order_by("-finished_at").values_list("finished_at", flat=True).first()


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a cluster stands at this moment, whatever the day."""

    cluster: Cluster
    now: datetime
    last_due: datetime
    pulled_at: datetime | None

    def state_of(
        self,
        day: date,
        span: Interval,
        touching: Sequence[Window],
        whole: Sequence[Window],
        *,
        jobs: int,
    ) -> DayState:
        """Return a day's state by the windows that touch its span, and those of them that were
        read whole."""
        if not windows.gaps(span, (Interval(window.start, window.end) for window in whole)):
            answered_empty = all(window.status == Window.Status.EMPTY for window in whole)
            return DayState.EMPTY if answered_empty and not jobs else DayState.COMPLETE
        reads_from = self.cluster.reads_from
        if reads_from is None or day < reads_from:
            return DayState.PARTIAL if whole else DayState.FILES if jobs else DayState.NONE
        if span.start >= self.now:
            return DayState.NONE
        if span.end > self.last_due:
            return DayState.EXPECTED
        if whole or any(window.status == Window.Status.READ for window in touching):
            return DayState.PARTIAL
        came = self.pulled_at is not None and self.pulled_at >= span.end
        return DayState.MISSING if came else DayState.LATE
