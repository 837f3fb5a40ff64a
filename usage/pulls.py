"""Pulls: which windows a visit is to read, and how far it is. Plans are kept, and so outlive their
worker; the reading itself is the business of ``hpcbilling.pulls``, because it rates too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Invalid
from core.intervals import Interval, days, local_midnight
from core.queue import after_commit
from core.site import is_period
from usage import windows
from usage.coverage import gaps, is_live, window_sources, zone_of
from usage.models import Cluster, Pull, Window

K = Pull.Kind
W = Window.Status
MAX_BACKFILL_DAYS = 40 * 366
ADVANCE_TASK = "hpcbilling.advance_pull"
SAMPLE = 20
"""How many windows, the latest, tell how fast a pull goes."""


def plan_nightly(*, cluster: Cluster, slot: date, actor: Actor) -> Pull:
    """Return the pull of a night, made with its windows unless it is there: what was never read,
    and the last days again."""
    return _once(cluster, K.NIGHTLY, slot, _usual(cluster), actor)


def _usual(cluster: Cluster) -> list[Interval]:
    now = timezone.now()
    return windows.plan(
        now=now,
        zone=zone_of(cluster),
        overlap_days=cluster.overlap_days,
        missing=gaps(cluster, now),
        first=cluster.reads_from,
    )


def plan_rescan(*, cluster: Cluster, slot: date, actor: Actor) -> Pull:
    """Return the weekly look back of a cluster: the days before those that each night reads."""
    zone, now = zone_of(cluster), timezone.now()
    recent = windows.last_days(cluster.overlap_days, now, zone).start
    first = windows.last_days(cluster.rescan_days, now, zone).start
    if cluster.reads_from is not None:
        first = max(first, local_midnight(cluster.reads_from, zone))
    spans = windows.by_day(Interval(first, recent), zone) if first < recent else []
    return _once(cluster, K.RESCAN, slot, spans, actor)


def plan_manual(
    *, cluster: Cluster, actor: Actor, since: date | None = None, until: date | None = None
) -> Pull:
    """Make a pull by hand: of the local days given (``until`` is the last of them), else of what a
    night would read. Raises Invalid for days that are not over or in the wrong order."""
    if since is None and until is None:
        spans = _usual(cluster)
    else:
        spans = windows.by_day(_chosen(cluster, since, until, timezone.now()), zone_of(cluster))
    return _new(cluster, K.MANUAL, spans, actor)


def plan_backfill(*, cluster: Cluster, since: date, until: date | None, actor: Actor) -> Pull:
    """Make a backfill of local days, to be read by several workers. Raises Invalid as above, and
    for a cluster that has no source to be asked for a span of time."""
    if not is_live(cluster):
        raise Invalid(
            "source",
            _("No source of this cluster can be asked for past days: add slurmrestd or sacct."),
        )
    span = _chosen(cluster, since, until, timezone.now())
    return _new(cluster, K.BACKFILL, windows.by_day(span, zone_of(cluster)), actor)


def _chosen(cluster: Cluster, since: date | None, until: date | None, now: datetime) -> Interval:
    zone = zone_of(cluster)
    today = now.astimezone(zone).date()
    last = until or today
    first = since or last
    if first > last:
        raise Invalid("since", _("The first day is after the last one."))
    if not is_period(first, last):
        raise Invalid("since", _("That is too long a time: is the year right?"))
    if first > today:
        raise Invalid("since", _("These days are not over yet."))
    if last - first > timedelta(days=MAX_BACKFILL_DAYS):
        raise Invalid("since", _("That is too long a time: is the year right?"))
    chosen = days(first, min(last, today), zone)
    return Interval(chosen.start, min(chosen.end, now.astimezone(UTC)))


@transaction.atomic
def _once(cluster: Cluster, kind: str, slot: date, spans: Sequence[Interval], actor: Actor) -> Pull:
    pull, created = Pull.objects.get_or_create(cluster=cluster, kind=kind, slot=slot)
    if created:
        _add_windows(pull, spans, actor)
    return pull


@transaction.atomic
def _new(cluster: Cluster, kind: str, spans: Sequence[Interval], actor: Actor) -> Pull:
    slot = timezone.now().astimezone(zone_of(cluster)).date()
    pull = Pull.objects.create(cluster=cluster, kind=kind, slot=slot, requested_by_id=actor.user_id)
    _add_windows(pull, spans, actor)
    return pull


def _askable(cluster: Cluster, spans: Sequence[Interval]) -> Sequence[Interval]:
    """Return the spans that some source may answer: folders have whole days, and only of a cluster
    whose days are expected; else usage comes in files of any kind, and each is read as it comes."""
    if is_live(cluster):
        return spans
    if cluster.reads_from is None or not window_sources(cluster).exists():
        return ()
    zone = zone_of(cluster)
    return [s for s in spans if s.end == local_midnight(s.end.astimezone(zone).date(), zone)]


def _add_windows(pull: Pull, spans: Sequence[Interval], actor: Actor) -> None:
    chosen = _askable(pull.cluster, spans)
    Window.objects.bulk_create(
        [Window(cluster=pull.cluster, pull=pull, start=s.start, end=s.end) for s in chosen],
        batch_size=1000,
    )
    record(
        "pull.planned",
        actor=actor,
        target=pull,
        data={"cluster": pull.cluster.name, "kind": pull.kind, "windows": len(chosen)},
    )


def readers_of(pull: Pull) -> int:
    """Return how many may read a pull's windows at once."""
    return int(settings.BACKFILL_READERS) if pull.kind == Pull.Kind.BACKFILL else 1


def send_readers(pull: Pull) -> None:
    """Ask workers to read a pull, as many as may at once."""
    for _reader in range(readers_of(pull)):
        after_commit(ADVANCE_TASK, pull.pk)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is: windows by what became of them, and how long the rest may take."""

    read: int
    empty: int
    failed: int
    waiting: int
    left: timedelta | None

    @property
    def done(self) -> int:
        """How many windows need no more reading tonight."""
        return self.read + self.empty + self.failed

    @property
    def total(self) -> int:
        """How many windows there are; splitting one makes more."""
        return self.done + self.waiting

    @property
    def percent(self) -> int:
        """Done in percent, 100 only when nothing waits."""
        return self.done * 100 // self.total if self.total else 100


def progress_of(pull: Pull) -> Progress:
    """Return how far a pull is; the time left follows from the windows that were read last."""
    rows = Window.objects.filter(pull=pull)
    counts = rows.aggregate(**{status: Count("pk", filter=Q(status=status)) for status in W.values})
    left = None
    if waiting := counts[W.WAITING]:
        left = _time_left(rows, waiting)
    return Progress(counts[W.READ], counts[W.EMPTY], counts[W.FAILED], waiting, left)


def _time_left(rows: QuerySet[Window], waiting: int) -> timedelta | None:
    asked = rows.exclude(status__in=(W.WAITING, W.SPLIT)).order_by("-asked_at")
    times = [at for at in asked.values_list("asked_at", flat=True)[:SAMPLE] if at]
    if not times:
        return None
    each = (timezone.now() - times[-1]) / len(times)
    return timedelta(seconds=round((each * waiting).total_seconds()))
