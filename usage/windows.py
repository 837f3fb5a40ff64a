"""Which spans of time are to be asked for (pure): local days, unions, gaps, halves, due nights."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from core.intervals import Interval, local_midnight

DAY = timedelta(days=1)
SMALLEST = timedelta(minutes=10)
"""A window is not split into halves that are shorter than this."""


def by_day(span: Interval, zone: ZoneInfo) -> list[Interval]:
    """Cut a span at the midnights of a zone. A day there may have 23, 24 or 25 hours, or begin at
    one o'clock; the pieces always join without gap or overlap."""
    day = span.start.astimezone(zone).date()
    cuts = [span.start]
    while True:
        day += DAY
        midnight = local_midnight(day, zone)
        if midnight >= span.end:
            break
        if midnight > cuts[-1]:
            cuts.append(midnight)
    cuts.append(span.end)
    return [Interval(start, end) for start, end in pairwise(cuts)]


def union(spans: Iterable[Interval]) -> list[Interval]:
    """Join spans that touch or overlap; returns disjoint ones in order of time."""
    joined: list[Interval] = []
    for span in sorted(spans, key=lambda each: each.start):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def within(spans: Iterable[Interval], frame: Interval) -> list[Interval]:
    """Return what of some spans lies inside a frame, in the order given."""
    cut = ((max(s.start, frame.start), min(s.end, frame.end)) for s in spans)
    return [Interval(start, end) for start, end in cut if start < end]


def gaps(frame: Interval, covered: Iterable[Interval]) -> list[Interval]:
    """Return the parts of a frame that no span covers, in order of time."""
    found, reached = [], frame.start
    for span in union(within(covered, frame)):
        if span.start > reached:
            found.append(Interval(reached, span.start))
        reached = span.end
    if reached < frame.end:
        found.append(Interval(reached, frame.end))
    return found


def length(spans: Iterable[Interval]) -> timedelta:
    """Return how much time some spans cover together."""
    return sum((span.end - span.start for span in union(spans)), timedelta())


def whole_days(spans: Iterable[Interval]) -> int:
    """Return the time that some spans cover as days, rounded up; 0 only for nothing."""
    return -(-length(spans) // DAY)


def halves(span: Interval) -> tuple[Interval, Interval] | None:
    """Cut a span in the middle, at a whole minute; None if the halves would be too short to be
    worth another question."""
    middle = span.start + (span.end - span.start) / 2
    middle = middle.replace(second=0, microsecond=0)
    if min(middle - span.start, span.end - middle) < SMALLEST:
        return None
    return Interval(span.start, middle), Interval(middle, span.end)


def due_at(slot: date, pull_at: time, zone: ZoneInfo) -> datetime:
    """Return the moment at which a day's pull is due on a cluster's own clock. A time that the
    clock leaves out on that day counts as if it had not."""
    return datetime.combine(slot, pull_at.replace(tzinfo=None), tzinfo=zone).astimezone(UTC)


def last_slot(now: datetime, pull_at: time, zone: ZoneInfo) -> date:
    """Return the latest local day whose pull was due by now."""
    today = now.astimezone(zone).date()
    return today if due_at(today, pull_at, zone) <= now else today - DAY


def last_days(count: int, now: datetime, zone: ZoneInfo) -> Interval:
    """Return the last whole local days and what has passed of today."""
    first = now.astimezone(zone).date() - count * DAY
    return Interval(local_midnight(first, zone), now)


def plan(
    *,
    now: datetime,
    zone: ZoneInfo,
    overlap_days: int,
    missing: Sequence[Interval],
    first: date | None = None,
) -> list[Interval]:
    """Return the windows of a night, oldest first: what was never read, and the last days again,
    because Slurm's records arrive and change for days after a job's end.

    A day with a gap is asked for whole: the answer is not larger than any other day's. Nothing is
    asked for before the ``first`` day, if there is one.
    """
    recent = last_days(overlap_days, now, zone)
    if first is not None and (begin := local_midnight(first, zone)) > recent.start:
        if begin >= now:
            return []
        recent = Interval(begin, now)
    older = [
        _whole_day(piece, zone, recent.start)
        for span in gaps_before(missing, recent.start)
        for piece in by_day(span, zone)
    ]
    return [piece for span in [*union(older), recent] for piece in by_day(span, zone)]


def gaps_before(missing: Iterable[Interval], moment: datetime) -> list[Interval]:
    """Return what of some spans lies before a moment."""
    return [Interval(span.start, min(span.end, moment)) for span in missing if span.start < moment]


def _whole_day(piece: Interval, zone: ZoneInfo, latest: datetime) -> Interval:
    day = piece.start.astimezone(zone).date()
    start, end = local_midnight(day, zone), local_midnight(day + DAY, zone)
    return Interval(min(start, piece.start), max(piece.end, min(end, latest)))
