"""One accounting row to one normalised job, or to the reason why not. Pure.

The rules, each observed on a running Slurm:

* A job attempt is (cluster, raw job id, submit). Steps repeat their allocation and are never
  billed.
* Quantities are AllocTRES × time held. ReqTRES is read only when the source has no AllocTRES at
  all, and the row is then marked as estimated.
* ElapsedRaw leaves suspended time out. CPUs are given back while suspended; memory, GPUs and
  nodes stay held, so they count elapsed + suspended. A source without a Suspended column is
  trusted on Elapsed.
* A job that is PENDING has not started, even if it has a Start: that is when it is expected to.
* A resized job leaves a RESIZING record and a new one, which in old versions keeps the first
  Start; it is counted from Submit on, so that the two don't overlap.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from usage.fingerprints import UNMEASURED, fingerprint, measured
from usage.reasons import Reason, RowError
from usage.times import UNSET, Clock, Moments, seconds, utc, utc_if_told
from usage.tres import Tres
from usage.tres_cells import asked, joules, reading
from usage.used import UNKNOWN, Used

MAX_NAME = 128
MAX_LIST = 255  # partitions of a pending job, array tasks
MAX_JOB_ID = 2**32
MAX_QUANTITY = 2**63
SMALL_MEM_KIB = 2**30  # × 2**31 seconds fits 63 bits: no need to multiply
_STEP = re.compile(r"[0-9]{1,10}(?:_[0-9]+|_\[[^\]]*\]|\+[0-9]+)?\.[A-Za-z0-9_+]{1,40}", re.ASCII)
_ARRAY_OR_HET = re.compile(r"[0-9]{1,10}(?:_|\+).*", re.ASCII)
_STATE = re.compile(r"[A-Z][A-Z_]{1,31}", re.ASCII)
_STATES = frozenset(
    (
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "COMPLETING", "CONFIGURING", "DEADLINE", "FAILED",
        "NODE_FAIL", "OUT_OF_MEMORY", "PENDING", "PREEMPTED", "REQUEUED", "RESIZING", "REVOKED",
        "RUNNING", "SUSPENDED", "TIMEOUT",
    )
)  # fmt: skip
UNPLACED = frozenset({"", "None assigned", "None", "(null)"})
"""What a node list says of a job that was placed on no node."""


# The texts that a row is made of, in the order of FIELD_COLUMNS. None: no such column.
Cell = str | None
Cells = tuple[
    Cell, Cell, str, str, str, str, Cell, Cell, Cell,
    Cell, Cell, Cell, str, str, Cell, Cell, Cell, Cell, Cell, Cell,
]  # fmt: skip
FIELD_COLUMNS = (
    "JobIDRaw", "JobID", "Submit", "Start", "End", "State", "ElapsedRaw", "Elapsed", "Suspended",
    "AllocTRES", "ReqTRES", "ReqMem", "User", "Account", "Partition", "QOS", "NodeList", "JobName",
    "Reservation", "ConsumedEnergyRaw",
)  # fmt: skip

_OPTIONAL = {
    "partition": "Partition", "qos": "QOS", "suspended": "Suspended", "node_list": "NodeList",
    "name": "JobName", "req_tres": "ReqTRES", "reservation": "Reservation",
}  # fmt: skip


class JobRow(NamedTuple):
    """A job attempt. Times are whole seconds since 1970, and by their short names aware UTC;
    durations are whole seconds.

    ``started`` is false for a job that was never placed on nodes: all its quantities are zero.
    The start of a resized job is clipped to its submission. ``flags`` name what was odd but
    harmless. ``absent`` names optional fields that the source doesn't have; their values here mean
    nothing, and a comparison with an earlier revision goes through ``filled``. ``fingerprint``: see
    usage.fingerprints. ``req_tres`` is the canonical text of what was asked for, empty if that is
    not known. What was used is known only once the job has ended; None: not known.
    """

    job_id: int
    submit_at: int
    display_id: str
    user: str
    account: str
    partition: str
    qos: str
    state: str
    name: str
    start_at: int | None
    end_at: int | None
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
    req_tres: str
    reservation: str
    used_cpu_seconds: int | None
    used_mem_mib_seconds: int | None
    energy_joules: int | None
    fingerprint: str

    @property
    def submit(self) -> datetime:
        return utc(self.submit_at)

    @property
    def start(self) -> datetime | None:
        return utc_if_told(self.start_at)

    @property
    def end(self) -> datetime | None:
        return utc_if_told(self.end_at)

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
        """MiB × seconds, rounded down; whole unless the memory is no whole number of MiB."""
        return self.tres.mem_kib * self.held_seconds // 1024

    @property
    def node_seconds(self) -> int:
        return self.tres.nodes * self.held_seconds

    def filled(
        self,
        *,
        partition: str,
        qos: str,
        suspended_seconds: int,
        req_tres: str = "",
        reservation: str = "",
        used: Used = UNKNOWN,
        energy_joules: int | None = None,
    ) -> "JobRow":
        """This row with what its source doesn't expose taken from an earlier revision.

        An absent field is not a changed one: compare the result's fingerprint, not this one's.
        """
        cpu, mem, energy = self.used_cpu_seconds, self.used_mem_mib_seconds, self.energy_joules
        row = self._replace(
            partition=partition if "partition" in self.absent else self.partition,
            qos=qos if "qos" in self.absent else self.qos,
            suspended_seconds=(
                suspended_seconds if "suspended" in self.absent else self.suspended_seconds
            ),
            req_tres=req_tres if "req_tres" in self.absent else self.req_tres,
            reservation=reservation if "reservation" in self.absent else self.reservation,
            used_cpu_seconds=used.cpu_seconds if cpu is None else cpu,
            used_mem_mib_seconds=used.mem_mib_seconds if mem is None else mem,
            energy_joules=energy_joules if energy is None else energy,
        )
        return row._replace(fingerprint=_fingerprint_of(row))


def _fingerprint_of(row: JobRow) -> str:
    """Return the fingerprint that follows from what a row says."""
    return fingerprint(
        f"{row.job_id}\x1f{row.user}\x1f{row.account}\x1f{row.partition}\x1f{row.qos}\x1f{row.state}"
        f"\x1f{row.elapsed_seconds if row.end_at else 0}"
        f"\x1f{row.suspended_seconds if row.end_at else 0}\x1f{row.tres_canonical}"
        f"\x1f{'estimated' if row.estimated else ''}\x1f{row.req_tres}\x1f{row.reservation}"
        f"\x1f{measured(row.used_cpu_seconds, row.used_mem_mib_seconds, row.energy_joules)}",
        row.submit_at,
        row.start_at,
        row.end_at,
    )


# The time that counts, after clipping: start, elapsed, suspended, flags.
Span = tuple[int | None, int, int, tuple[str, ...]]


def absent_fields(columns: Sequence[str]) -> tuple[str, ...]:
    """Which optional fields a source doesn't have; the same for each of its rows."""
    return tuple(field for field, column in _OPTIONAL.items() if column not in columns)


def normalise_cells(
    cells: Cells, clock: Clock, absent: tuple[str, ...], used: Used = UNKNOWN
) -> JobRow | None:
    """Normalise the cells of a row, from which the reader has excluded NUL and \\x1f; None for a
    step. Raises RowError.

    ``absent`` are the optional fields that the source doesn't have (``absent_fields``). ``used`` is
    what the job's steps used, as far as the reader saw them.
    """
    (
        raw_id, shown_id, submit_text, start_text, end_text, state_text,
        elapsed_raw, elapsed_text, suspended_text, alloc, req, req_mem,
        user, account, partition, qos, node_list, name, reservation, energy_text,
    ) = cells  # fmt: skip
    job_id = _job_id(raw_id, shown_id)
    if job_id is None:
        return None
    state = _state(state_text)
    elapsed = _duration(elapsed_raw or elapsed_text or "", Reason.ELAPSED)
    suspended = 0
    if suspended_text and suspended_text != "00:00:00":
        suspended = _duration(suspended_text, Reason.SUSPENDED)
    if state == "PENDING" and start_text not in UNSET and (end_text in UNSET or end_text == "0"):
        # When the scheduler thinks that it will start: it has not, so it holds nothing.
        start_text, elapsed, suspended = "Unknown", 0, 0
    moments = submit, _, end = clock.moments(submit_text, start_text, end_text, elapsed + suspended)
    partition, qos, reservation = partition or "", qos or "", reservation or ""
    if len(user) + len(account) + len(partition) + len(qos) + len(reservation) > MAX_NAME:
        _check_lengths(
            ((user, MAX_NAME), (account, MAX_NAME), (qos, MAX_NAME), (partition, MAX_LIST),
             (reservation, MAX_LIST))
        )  # fmt: skip
    placed = _placed(node_list, alloc, moments, elapsed)
    tres, canonical, flags = reading(alloc, req, req_mem, placed)
    estimated = alloc is None
    if placed and elapsed and not tres.gpus and not estimated and req and "gres/gpu" in req:
        # Some sources lose them. Not to be billed as none.
        raise RowError(Reason.GPU_MISSING, "GPUs were requested, but none is allocated")
    begun, elapsed, suspended, odd = _span(
        moments, state, elapsed, suspended, has_suspended=suspended_text is not None
    )
    if tres.mem_kib > SMALL_MEM_KIB and tres.mem_kib * (elapsed + suspended) >= MAX_QUANTITY:
        raise RowError(Reason.TRES, "memory × time does not fit")
    req_tres, doubts = asked(req, req_mem)
    energy = joules(tres, energy_text) if end is not None else None
    cpu_used, mem_used = used if end is not None else UNKNOWN
    return JobRow(
        job_id, submit, (shown_id or str(job_id))[:MAX_LIST], user, account, partition,
        qos, state, name or "", begun, end, elapsed, suspended,
        tres.nodes, node_list or "", tres, estimated, placed, flags + odd + doubts, absent,
        canonical, req_tres, reservation, cpu_used, mem_used, energy,
        fingerprint(
            f"{job_id}\x1f{user}\x1f{account}\x1f{partition}\x1f{qos}\x1f{state}"
            f"\x1f{elapsed if end else 0}\x1f{suspended if end else 0}\x1f{canonical}"
            f"\x1f{'estimated' if estimated else ''}\x1f{req_tres}\x1f{reservation}\x1f"
            + (
                UNMEASURED
                if cpu_used is mem_used is energy is None
                else measured(cpu_used, mem_used, energy)
            ),
            submit, begun, end,
        ),
    )  # fmt: skip


def _job_id(raw: str | None, shown: str | None) -> int | None:
    """The raw job id; None for a step.

    Without JobIDRaw, tasks of an array (``23_4``) and parts of a het job (``28+1``) have no
    number of their own, and share their Submit: they would fall together into one job, so they
    are refused.
    """
    text = raw if raw is not None else shown or ""
    if (
        text.isdigit()
        and text.isascii()
        and len(text) <= 10
        and 0 < (number := int(text)) < MAX_JOB_ID
    ):
        if shown is not None and "." in shown:
            raise RowError(Reason.JOB_ID, f"{shown[:40]!r} is a step, {text} is not")
        return number
    if _STEP.fullmatch(text):
        return None
    if raw is None and _ARRAY_OR_HET.fullmatch(text):
        raise RowError(
            Reason.ARRAY_WITHOUT_RAW_ID, f"{text[:40]!r} needs the column JobIDRaw to be told apart"
        )
    raise RowError(Reason.JOB_ID, f"not a job id: {text[:40]!r}")


@lru_cache(maxsize=1024)
def _state(text: str) -> str:
    """The first word: ``CANCELLED by 1002`` is CANCELLED."""
    word = text[:64].split(" ", 1)[0]
    if word.upper() in _STATES:
        return word.upper()
    # A later Slurm may have more of them, but it will spell them alike.
    if _STATE.fullmatch(word) is None:
        raise RowError(Reason.STATE, f"not a job state: {text[:40]!r}")
    return word


def _check_lengths(names: Iterable[tuple[str, int]]) -> None:
    """Refused rather than cut: two long names that begin alike are two names."""
    for name, limit in names:
        if len(name) > limit:
            raise RowError(Reason.TOO_LONG, f"longer than {limit} characters: {name[:40]!r}…")


def _duration(text: str, reason: Reason) -> int:
    if text.isdigit() and text.isascii() and len(text) < 10:
        return int(text)
    try:
        return seconds(text)
    except ValueError as error:
        raise RowError(reason, str(error)) from None


def _placed(node_list: str | None, alloc: str | None, moments: Moments, elapsed: int) -> bool:
    """Whether the job ever ran on nodes. Cancelled before start shows Start as None or as End."""
    _, start, end = moments
    if start is None:
        if elapsed:
            raise RowError(Reason.ELAPSED_MISMATCH, f"{elapsed} s elapsed without a start")
        return False
    if node_list is None:
        return bool(elapsed or end is None or alloc)
    if node_list not in UNPLACED:
        return True
    if elapsed:
        raise RowError(Reason.NO_NODES, f"{elapsed} s elapsed on no node")
    return False


def _span(
    moments: Moments, state: str, elapsed: int, suspended: int, *, has_suspended: bool
) -> Span:
    submit, start, end = moments
    if start is None:
        return None, 0, 0, ()
    if start < submit or state == "RESIZING":
        return _resized(moments, start, elapsed, suspended)
    if end is None:
        return start, elapsed, suspended, ()
    length = end - start
    if length == elapsed + suspended:
        return start, elapsed, suspended, ()
    if length < 0:
        raise RowError(Reason.END_BEFORE_START, f"it ended {-length} s before it started")
    if not has_suspended and elapsed < length:
        return start, elapsed, 0, ("elapsed_short",)
    raise RowError(
        Reason.ELAPSED_MISMATCH,
        f"elapsed {elapsed} s + suspended {suspended} s, but {length} s between start and end",
    )


def _resized(moments: Moments, begun: int, elapsed: int, suspended: int) -> Span:
    """Clip to [max(Start, Submit), End): the time before is in the RESIZING record."""
    submit, _, end = moments
    start = max(begun, submit)
    if end is None:
        return start, max(0, elapsed - (start - begun)), suspended, ("resized",)
    length = end - start
    if length < 0:
        raise RowError(Reason.END_BEFORE_START, f"it ended {-length} s before it started")
    suspended = min(suspended, length)
    return start, min(elapsed, length - suspended), suspended, ("resized",)
