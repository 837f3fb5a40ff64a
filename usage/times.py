"""Times and durations as Slurm prints them, in whole seconds. Pure.

Times are counted since 1970, as Slurm itself counts them: a datetime takes longer to make, and to
reckon with, than all else that is done with a row's times.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from zoneinfo import ZoneInfo

from usage.reasons import Reason, RowError

UNSET = frozenset({"", "Unknown", "None", "N/A"})
MAX_SECONDS = 2**31
FUTURE_TOLERANCE = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
# Slurm did not exist before; a time this early is an unset field (epoch 0) in some time zone.
_FLOOR = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
_EPOCH_DIGITS = 11
_ISO_LENGTH = 19
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_OFFSET = re.compile(r"Z|[+-][0-9]{2}:?[0-9]{2}", re.ASCII)
_DURATION = re.compile(
    r"(?:([0-9]{1,6})-(?=[01][0-9]:|2[0-3]:))?([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])", re.ASCII
)


def utc(count: int) -> datetime:
    """Return the moment so many seconds after 1970."""
    return datetime.fromtimestamp(count, UTC)


def utc_if_told(count: int | None) -> datetime | None:
    """Return the same, None of None: not yet, or not told."""
    return None if count is None else utc(count)


class AmbiguousTime(Exception):
    """A local time that happened twice, on the night when the clocks went back."""


Moments = tuple[int, int | None, int | None]
"""When a job was submitted, began (None: not yet) and ended (None: not yet), since 1970."""


@lru_cache(maxsize=65536)
def seconds(text: str) -> int:
    """Whole seconds from ``4001``, ``01:06:41`` or ``38-01:02:03``. Raises ValueError."""
    if text.isascii() and text.isdigit() and len(text) <= _EPOCH_DIGITS:
        value = int(text)
    elif match := _DURATION.fullmatch(text[:32]):
        days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        value = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    else:
        raise ValueError(f"not a duration: {text[:40]!r}")
    if value >= MAX_SECONDS:
        raise ValueError(f"absurdly long: {text[:40]!r}")
    return value


class Clock:
    """Reads the times of one source: its time zone, and what is the future.

    With ``knows_zone`` false a time is only read if it is an epoch or carries its offset.

    Not a value: it caches offsets by local hour, since asking the time zone for each row is slow.
    """

    __slots__ = ("_knows_zone", "_limit", "_offsets", "_utc", "_zone")

    def __init__(self, zone: ZoneInfo, now: datetime, *, knows_zone: bool = True) -> None:
        self._zone = zone
        self._knows_zone = knows_zone
        self._utc = knows_zone and zone.key in ("UTC", "Etc/UTC")
        self._limit = _since_1970(now + FUTURE_TOLERANCE)
        self._offsets: dict[str, timedelta | None] = {}

    def moments(self, submit: str, start: str, end: str, span: int) -> Moments:
        """Read a job's times. ``span``: elapsed plus suspended seconds. Raises RowError.

        In an hour that the clocks repeat, the reading is chosen under which Submit ≤ Start and
        End − Start = ``span``, if there is exactly one.
        """
        if end == "0":  # JSON's way to say that it has not ended
            end = ""
        try:
            times = (self._seconds(submit), self._seconds(start), self._seconds(end))
        except AmbiguousTime:
            times = self._disentangle(submit, start, end, span)
        submitted, began, ended = times
        if submitted is None:
            raise RowError(Reason.TIME, f"no submit time: {submit[:40]!r}")
        earliest = submitted if began is None or submitted < began else began
        if earliest < _FLOOR or (ended is not None and ended < _FLOOR):
            raise RowError(Reason.EPOCH_ZERO, "a time before Slurm existed")
        if ended is not None and ended > self._limit:
            told = f"{utc(ended):%Y-%m-%d %H:%M:%S} UTC"
            raise RowError(Reason.FUTURE_END, f"it ends in the future: {told}")
        if submitted > self._limit or (began is not None and began > self._limit):
            raise RowError(Reason.FUTURE_TIME, "it was submitted or began in the future")
        return submitted, began, ended

    def instant(self, text: str) -> datetime | None:
        """The UTC time, None when unset. Raises RowError; AmbiguousTime in a repeated hour."""
        return utc_if_told(self._seconds(text))

    def _seconds(self, text: str) -> int | None:
        if text.isdigit() and text.isascii() and len(text) <= _EPOCH_DIGITS:
            return int(text)
        # Slicing every third character sees all five separators at once.
        if self._utc and len(text) == _ISO_LENGTH and text[4::3] == "--T::":
            try:
                return _since_1970(datetime.fromisoformat(text + "+00:00"))
            except ValueError:
                raise RowError(Reason.TIME, f"not a time: {text!r}") from None
        if text in UNSET:
            return None
        return _since_1970(self._other(text))

    def _candidates(self, text: str) -> list[int | None]:
        """Every time that the text can mean: one, or two in a repeated hour."""
        try:
            return [self._seconds(text)]
        except AmbiguousTime:
            naive = datetime.fromisoformat(text)
            both = (naive.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
            return [_since_1970(time) for time in both]

    def _disentangle(self, submit: str, start: str, end: str, span: int) -> Moments:
        found = [
            (submitted, began, ended)
            for submitted, began, ended in product(
                self._candidates(submit), self._candidates(start), self._candidates(end)
            )
            if submitted is not None and _fits(submitted, began, ended, span)
        ]
        if len(found) != 1:
            # A guess could move the job to another hour, or give it another identity.
            raise RowError(
                Reason.AMBIGUOUS_TIME,
                f"the clocks went back: {len(found)} readings of {submit}, {start}, {end} fit",
            )
        return found[0]

    def _other(self, text: str) -> datetime:
        head, tail = text[:_ISO_LENGTH], text[_ISO_LENGTH:]
        if _ISO.fullmatch(head) is None or (tail and _OFFSET.fullmatch(tail) is None):
            raise RowError(Reason.TIME, f"not a time: {text[:40]!r}")
        try:
            time = datetime.fromisoformat(text)
            return time.astimezone(UTC) if tail else self._local(time, head)
        except RowError:
            raise
        except (ValueError, OverflowError):
            raise RowError(Reason.TIME, f"not a time: {text[:40]!r}") from None

    def _local(self, naive: datetime, text: str) -> datetime:
        if not self._knows_zone:
            raise RowError(Reason.TIME_ZONE, f"{text} has no zone")
        hour = text[:13]
        if hour not in self._offsets:
            if len(self._offsets) > 100_000:
                self._offsets.clear()
            self._offsets[hour] = self._steady_offset(naive)
        offset = self._offsets[hour]
        if offset is not None:
            return (naive - offset).replace(tzinfo=UTC)
        return self._unsteady(naive, text)

    def _steady_offset(self, naive: datetime) -> timedelta | None:
        """The offset of the whole local hour, None when the clocks change within it."""
        edges = (naive.replace(minute=0, second=0), naive.replace(minute=59, second=59))
        offsets = {
            edge.replace(tzinfo=self._zone, fold=fold).utcoffset()
            for edge in edges
            for fold in (0, 1)
        }
        return offsets.pop() if len(offsets) == 1 else None

    def _unsteady(self, naive: datetime, text: str) -> datetime:
        first = naive.replace(tzinfo=self._zone, fold=0)
        second = naive.replace(tzinfo=self._zone, fold=1)
        before, after = first.utcoffset(), second.utcoffset()
        if before == after:
            return first.astimezone(UTC)
        if before is not None and after is not None and before < after:
            raise RowError(
                Reason.NONEXISTENT_TIME, f"the clocks skipped {text} in {self._zone.key}"
            )
        raise AmbiguousTime


def _fits(submit: int, start: int | None, end: int | None, span: int) -> bool:
    if start is None:
        return end is None or submit <= end
    return submit <= start and (end is None or end - start == span)


def _since_1970(time: datetime) -> int:
    return (time - _EPOCH) // _SECOND
