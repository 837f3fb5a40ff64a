"""One accounting row to one normalised job, or to the reason why not. Pure.

The rules, each observed on a running Slurm:

* A job attempt is (cluster, raw job id, submit). Steps repeat their allocation and are never
  billed.
* Quantities are AllocTRES × time held. ReqTRES is read only when the source has no AllocTRES at
  all, and the row is then marked as estimated.
* ElapsedRaw leaves suspended time out. CPUs are given back while suspended; memory, GPUs and
  nodes stay held, so they count elapsed + suspended. A source without a Suspended column is
  trusted on Elapsed.
* A resized job leaves a RESIZING record and a new one, which in old versions keeps the first
  Start; it is counted from Submit on, so that the two don't overlap.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from usage.reasons import Reason, RowError
from usage.times import UNSET, AmbiguousTime, Clock, Moments, seconds
from usage.tres import InvalidTres, Reading, Tres, parse_req_mem, read_tres

__all__ = [
    "FIELD_COLUMNS",
    "Fields",
    "JobRow",
    "Reason",
    "RowError",
    "normalise",
    "normalise_fields",
]

MAX_NAME = 255
MAX_JOB_ID = 2**32
MAX_QUANTITY = 2**63
_STEP = re.compile(r"[0-9]{1,10}(?:_[0-9]+|_\[[^\]]*\]|\+[0-9]+)?\.[A-Za-z0-9_+]{1,40}", re.ASCII)
_ARRAY_OR_HET = re.compile(r"[0-9]{1,10}(?:_|\+).*", re.ASCII)
_STATE = re.compile(r"[A-Z][A-Z_]{1,31}", re.ASCII)
_UNPLACED = frozenset({"", "None assigned", "None", "(null)"})
_NOT_SUSPENDED = frozenset({None, "", "00:00:00"})
_NOTHING = read_tres("")
_OPTIONAL = ("partition", "qos", "suspended", "node_list", "name")


class Fields(NamedTuple):
    """The texts that a row is made of, in the order of FIELD_COLUMNS. None: the source has no
    such column.
    """

    job_id_raw: str | None
    job_id: str | None
    submit: str
    start: str
    end: str
    state: str
    elapsed_raw: str | None
    elapsed: str | None
    suspended: str | None
    alloc_tres: str | None
    req_tres: str | None
    req_mem: str | None
    user: str
    account: str
    partition: str | None
    qos: str | None
    node_list: str | None
    name: str | None


FIELD_COLUMNS = (
    "JobIDRaw", "JobID", "Submit", "Start", "End", "State", "ElapsedRaw", "Elapsed", "Suspended",
    "AllocTRES", "ReqTRES", "ReqMem", "User", "Account", "Partition", "QOS", "NodeList", "JobName",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job attempt. Times are aware UTC, durations whole seconds.

    ``started`` is false for a job that was never placed on nodes: all its quantities are zero.
    ``start`` of a resized job is clipped to ``submit``. ``flags`` name what was odd but harmless.
    ``absent`` names optional fields that the source doesn't have; their values here mean nothing,
    and a comparison with an earlier revision goes through ``filled``. ``fingerprint`` covers
    identity and all that a price can depend on, and nothing else: not the name, the nodes' names,
    display id, flags, or energy.
    """

    job_id: int
    submit: datetime
    display_id: str
    user: str
    account: str
    partition: str
    qos: str
    state: str
    name: str
    start: datetime | None
    end: datetime | None
    elapsed_seconds: int
    suspended_seconds: int
    nodes: int
    node_list: str
    tres: Tres
    estimated: bool
    started: bool
    flags: tuple[str, ...]
    absent: tuple[str, ...]
    tres_canonical: str
    fingerprint: str

    @property
    def held_seconds(self) -> int:
        """How long memory, GPUs and nodes were held: suspension doesn't free them."""
        return self.elapsed_seconds + self.suspended_seconds

    @property
    def cpu_seconds(self) -> int:
        return self.tres.cpus * self.elapsed_seconds

    @property
    def gpu_seconds(self) -> int:
        return self.tres.gpus * self.held_seconds

    @property
    def mem_mib_seconds(self) -> int:
        """MiB × seconds, rounded down: less than one MiB-second is lost, and only below 1 MiB."""
        return self.tres.mem_kib * self.held_seconds // 1024

    @property
    def node_seconds(self) -> int:
        return self.tres.nodes * self.held_seconds

    @property
    def gpu_type_seconds(self) -> tuple[tuple[str, int], ...]:
        held = self.held_seconds
        return tuple((kind, count * held) for kind, count in self.tres.gpu_types)

    def filled(self, *, partition: str, qos: str, suspended_seconds: int) -> "JobRow":
        """This row with what its source doesn't expose taken from an earlier revision.

        An absent field is not a changed one: compare the result's fingerprint, not this one's.
        """
        row = replace(
            self,
            partition=partition if "partition" in self.absent else self.partition,
            qos=qos if "qos" in self.absent else self.qos,
            suspended_seconds=(
                suspended_seconds if "suspended" in self.absent else self.suspended_seconds
            ),
        )
        return replace(row, fingerprint=_fingerprint_of(row))


class Span(NamedTuple):
    """The time that counts, after clipping."""

    start: datetime | None
    elapsed: int
    suspended: int
    flags: tuple[str, ...]


def normalise(
    row: Mapping[str, str], *, zone: ZoneInfo, now: datetime, has_alloc_tres: bool
) -> JobRow | None:
    """Normalise a row given by canonical column names; None for a step. Raises RowError.

    ``zone`` reads times that carry no offset; ``now`` decides what is the future.
    ``has_alloc_tres`` says whether the *source* has that column, so that an empty cell is never
    taken for its absence.
    """
    for column, text in row.items():
        if "\0" in text:
            raise RowError(Reason.NUL, f"a NUL in {column}")
        if "\x1f" in text:
            raise RowError(Reason.CONTROL_CHARACTER, f"a unit separator in {column}")
    for column in ("Submit", "Start", "End", "State", "User", "Account"):
        if column not in row:
            raise RowError(Reason.MISSING, f"no {column}")
    fields = Fields._make(row.get(column) for column in FIELD_COLUMNS)
    if not has_alloc_tres:
        fields = fields._replace(alloc_tres=None)
    elif fields.alloc_tres is None:
        fields = fields._replace(alloc_tres="")
    return normalise_fields(fields, Clock(zone, now), absent_fields(fields))


def absent_fields(fields: Fields) -> tuple[str, ...]:
    """Which optional fields a source doesn't have; the same for each of its rows."""
    return tuple(name for name in _OPTIONAL if getattr(fields, name) is None)


def normalise_fields(fields: Fields, clock: Clock, absent: tuple[str, ...]) -> JobRow | None:
    """As normalise, for a reader that made Fields itself and has excluded NUL and unit
    separators.
    """
    job_id = _job_id(fields)
    if job_id is None:
        return None
    state = _state(fields.state)
    user, account, partition, qos = _names(fields)
    elapsed = _elapsed(fields)
    suspended = _suspended(fields.suspended)
    moments = _moments(fields, clock, elapsed + suspended)
    node_list = fields.node_list or ""
    placed = _placed(fields, moments, elapsed)
    reading, estimated = _reading(fields, placed)
    span = _span(moments, state, elapsed, suspended, fields.suspended is not None)
    tres = reading.tres
    if placed:
        _check_gpus(fields, tres, span.elapsed)
    if tres.mem_kib * (span.elapsed + span.suspended) >= MAX_QUANTITY:
        raise RowError(Reason.TRES, "memory × time does not fit")
    return JobRow(
        job_id, moments.submit, (fields.job_id or str(job_id))[:MAX_NAME], user, account, partition,
        qos, state, fields.name or "", span.start, moments.end, span.elapsed, span.suspended,
        tres.nodes, node_list, tres, estimated, placed, reading.flags + span.flags, absent,
        reading.canonical,
        _fingerprint(
            f"{job_id}\x1f{moments.submit}\x1f{user}\x1f{account}\x1f{partition}\x1f{qos}\x1f{state}"
            f"\x1f{span.start}\x1f{moments.end}\x1f{span.elapsed}\x1f{span.suspended}"
            f"\x1f{reading.canonical}\x1f{estimated:d}{placed:d}"
        ),
    )  # fmt: skip


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _fingerprint_of(row: JobRow) -> str:
    return _fingerprint(
        f"{row.job_id}\x1f{row.submit}\x1f{row.user}\x1f{row.account}\x1f{row.partition}\x1f{row.qos}"
        f"\x1f{row.state}\x1f{row.start}\x1f{row.end}\x1f{row.elapsed_seconds}"
        f"\x1f{row.suspended_seconds}\x1f{row.tres_canonical}\x1f{row.estimated:d}{row.started:d}"
    )


def _job_id(fields: Fields) -> int | None:
    """The raw job id; None for a step.

    Without JobIDRaw, tasks of an array (``23_4``) and parts of a het job (``28+1``) have no
    number of their own, and share their Submit: they would fall together into one job, so they
    are refused.
    """
    text = fields.job_id_raw if fields.job_id_raw is not None else fields.job_id or ""
    if text.isdigit() and text.isascii() and len(text) <= 10 and 0 < int(text) < MAX_JOB_ID:
        if fields.job_id is not None and "." in fields.job_id:
            raise RowError(Reason.JOB_ID, f"{fields.job_id[:40]!r} is a step, {text} is not")
        return int(text)
    if _STEP.fullmatch(text):
        return None
    if fields.job_id_raw is None and _ARRAY_OR_HET.fullmatch(text):
        raise RowError(
            Reason.ARRAY_WITHOUT_RAW_ID, f"{text[:40]!r} needs the column JobIDRaw to be told apart"
        )
    raise RowError(Reason.JOB_ID, f"not a job id: {text[:40]!r}")


@lru_cache(maxsize=1024)
def _state(text: str) -> str:
    """The first word: ``CANCELLED by 1002`` is CANCELLED."""
    word = text[:64].split(" ", 1)[0].upper()
    if _STATE.fullmatch(word) is None:
        raise RowError(Reason.STATE, f"not a job state: {text[:40]!r}")
    return word


def _names(fields: Fields) -> tuple[str, str, str, str]:
    names = (fields.user, fields.account, fields.partition or "", fields.qos or "")
    if len(names[0]) + len(names[1]) + len(names[2]) + len(names[3]) > MAX_NAME:
        for name in names:
            if len(name) > MAX_NAME:
                raise RowError(
                    Reason.TOO_LONG, f"longer than {MAX_NAME} characters: {name[:40]!r}…"
                )
    return names


def _elapsed(fields: Fields) -> int:
    text = fields.elapsed_raw or fields.elapsed or ""
    try:
        return seconds(text)
    except ValueError as error:
        raise RowError(Reason.ELAPSED, str(error)) from None


def _suspended(text: str | None) -> int:
    if text in _NOT_SUSPENDED:
        return 0
    try:
        return seconds(text)
    except ValueError as error:
        raise RowError(Reason.SUSPENDED, str(error)) from None


def _moments(fields: Fields, clock: Clock, span: int) -> Moments:
    end_text = "" if fields.end == "0" else fields.end  # JSON's way to say that it has not ended
    try:
        submit = clock.instant(fields.submit)
        start = clock.instant(fields.start)
        end = clock.instant(end_text, Reason.FUTURE_END)
    except AmbiguousTime:
        return clock.disentangle(fields.submit, fields.start, end_text, span)
    if submit is None:
        raise RowError(Reason.TIME, f"no submit time: {fields.submit!r}")
    return Moments(submit, start, end)


def _placed(fields: Fields, moments: Moments, elapsed: int) -> bool:
    """Whether the job ever ran on nodes. Cancelled before start shows Start as None or as End."""
    if moments.start is None:
        if elapsed:
            raise RowError(Reason.ELAPSED_MISMATCH, f"{elapsed} s elapsed without a start")
        return False
    if fields.node_list is None:
        return bool(elapsed or moments.end is None or fields.alloc_tres)
    if fields.node_list not in _UNPLACED:
        return True
    if elapsed:
        raise RowError(Reason.NO_NODES, f"{elapsed} s elapsed on no node")
    return False


def _reading(fields: Fields, placed: bool) -> tuple[Reading, bool]:
    try:
        if fields.alloc_tres is not None:
            if fields.alloc_tres:
                return read_tres(fields.alloc_tres), False
            if placed:
                raise RowError(Reason.NO_ALLOC_TRES, "it started, but nothing is allocated")
            return _NOTHING, False
        if not fields.req_tres and placed:
            raise RowError(Reason.NO_REQ_TRES, "it started, but nothing is requested")
        return _requested(fields), True
    except InvalidTres as error:
        raise RowError(Reason.TRES, str(error)) from None


def _requested(fields: Fields) -> Reading:
    text = fields.req_tres or ""
    reading = read_tres(text)
    if reading.tres.mem_kib or not text or not fields.req_mem or fields.req_mem in UNSET:
        return reading
    tres = reading.tres
    kib = parse_req_mem(fields.req_mem, nodes=max(tres.nodes, 1), cpus=tres.cpus)
    return read_tres(f"{text},mem={kib}K") if "mem=" not in text else reading


def _span(moments: Moments, state: str, elapsed: int, suspended: int, has_suspended: bool) -> Span:
    submit, start, end = moments.submit, moments.start, moments.end
    if start is None:
        return Span(None, 0, 0, ())
    if start < submit or state == "RESIZING":
        return _resized(moments, start, elapsed, suspended)
    if end is None:
        return Span(start, elapsed, suspended, ())
    span = end - start
    length = span.days * 86400 + span.seconds
    if length == elapsed + suspended:
        return Span(start, elapsed, suspended, ())
    if length < 0:
        raise RowError(Reason.END_BEFORE_START, f"it ended {-length} s before it started")
    if not has_suspended and elapsed < length:
        return Span(start, elapsed, 0, ("elapsed_short",))
    raise RowError(
        Reason.ELAPSED_MISMATCH,
        f"elapsed {elapsed} s + suspended {suspended} s, but {length} s between start and end",
    )


def _resized(moments: Moments, begun: datetime, elapsed: int, suspended: int) -> Span:
    """Clip to [max(Start, Submit), End): the time before is in the RESIZING record."""
    start = max(begun, moments.submit)
    if moments.end is None:
        return Span(start, max(0, elapsed - _length(begun, start)), suspended, ("resized",))
    length = _length(start, moments.end)
    if length < 0:
        raise RowError(Reason.END_BEFORE_START, f"it ended {-length} s before it started")
    suspended = min(suspended, length)
    return Span(start, min(elapsed, length - suspended), suspended, ("resized",))


def _length(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(seconds=1)


def _check_gpus(fields: Fields, tres: Tres, elapsed: int) -> None:
    """GPUs asked for and none recorded: some sources lose them. Not to be billed as none."""
    if tres.gpus or not elapsed or fields.alloc_tres is None:
        return
    if fields.req_tres and "gres/gpu" in fields.req_tres:
        raise RowError(Reason.GPU_MISSING, "GPUs were requested, but none is allocated")
