"""Adding jobs none of which is known: straight into the table of jobs by COPY, without staging.

That is what a first import does, with most of its rows. What a line says is what ``usage.merge``
would make of the staged row where no job is known.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from struct import Struct

from django.db import IntegrityError
from django.utils import timezone
from psycopg import errors, sql

from core.bulk import copy_blocks, in_batches, make_room
from core.intervals import microseconds
from usage.models import ImportRun
from usage.normalise import JobRow
from usage.sources.sacct import Parsed
from usage.staging import flags_text

TABLE = "usage_job"
COLUMNS = (
    "cluster_id", "run_id", "first_seen_at", "revision",
    "line", "raw_offset", "raw_size", "job_id", "elapsed_seconds", "suspended_seconds",
    "cpu_seconds", "gpu_seconds", "mem_mib_seconds", "node_seconds", "fingerprint",
    "submit", "start", "end", "raw_digest",
    "estimated", "tres", "flags", "user_name", "account", "state", "partition", "qos",
    "node_list", "name", "display_id", "req_tres", "reservation",
    "used_cpu_seconds", "used_mem_mib_seconds", "energy_joules",
)  # fmt: skip
"""In the order of the lines: first what always has the same size."""

# PostgreSQL's binary format: each cell is its size in four bytes and then its value, times are
# microseconds since 2000. It takes less time to make, and to take in, than text.
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH = 946_684_800
"""The year 2000, in seconds since 1970."""
_BEGINNING = Struct(">hiqiqiqii").pack
_NUMBERS = Struct(">iqiqiiiqiqiqiqiqiqiqi64s").pack
_SIZE = Struct(">i").pack
_NUMBER = Struct(">iq").pack
_MOMENTS = Struct(">iqiqiq").pack
_SECOND = 1_000_000
_LINES_AT_ONCE = 512
"""Handed to COPY at a time."""


class KnownAfterAll(Exception):
    """One of the jobs is there already: the batch has to be staged and compared."""


def beginning_of(run: ImportRun) -> bytes:
    """Return what the lines of all jobs of an import begin with."""
    now = microseconds(timezone.now()) - _EPOCH * _SECOND
    return _BEGINNING(len(COLUMNS), 8, run.cluster_id, 8, run.pk, 8, now, 4, 1)


def line_of(beginning: bytes, row: Parsed, job: JobRow) -> bytes:
    """Return a parsed job as a line for COPY, in its binary format."""
    (
        job_id, submit, display_id, user, account, partition, qos, state, name, start, end,
        elapsed, suspended, _, node_list, tres, estimated, _, flags, _, canonical,
        req_tres, reservation, used_cpu, used_mem, energy, fingerprint,
    ) = job  # fmt: skip
    held = elapsed + suspended
    if start is None or end is None:
        moments = b"".join(map(_moment, (submit, start, end)))
    else:
        moments = _MOMENTS(
            8, (submit - _EPOCH) * _SECOND,
            8, (start - _EPOCH) * _SECOND,
            8, (end - _EPOCH) * _SECOND,
        )  # fmt: skip
    return b"".join(
        (
            beginning,
            _NUMBERS(
                8, row.line, 8, row.offset, 4, row.size, 8, job_id, 8, elapsed, 8, suspended,
                8, tres.cpus * elapsed, 8, tres.gpus * held,
                8, tres.mem_kib * held // 1024, 8, tres.nodes * held,
                64, fingerprint.encode(),
            ),
            moments,
            b"\0\0\0\x10" + row.digest if row.digest else _NULL,
            _resources(estimated, canonical, flags),
            _names(user, account, state, partition, qos),
            _text(node_list),
            _text(name[:1024]),
            _cell(display_id[:64].encode()),
            _asked(req_tres, reservation),
            _UNMEASURED
            if used_cpu is used_mem is energy is None
            else _used(used_cpu, used_mem, energy),
        )
    )  # fmt: skip


def _cell(value: bytes) -> bytes:
    return _SIZE(len(value)) + value


@lru_cache(maxsize=16384)
def _text(text: str) -> bytes:
    return _cell(text.encode())


@lru_cache(maxsize=16384)
def _names(*names: str) -> bytes:
    return b"".join(_cell(name.encode()) for name in names)


@lru_cache(maxsize=16384)
def _resources(estimated: bool, canonical: str, flags: tuple[str, ...]) -> bytes:
    remarks = b"\x01" + flags_text(flags).encode()  # jsonb, in the first version of its format
    return _cell(b"\x01" if estimated else b"\0") + _cell(canonical.encode()) + _cell(remarks)


@lru_cache(maxsize=16384)
def _asked(req_tres: str, reservation: str) -> bytes:
    return _cell(req_tres.encode()) + _cell(reservation.encode())


def _used(*figures: int | None) -> bytes:
    return b"".join(_NULL if figure is None else _NUMBER(8, figure) for figure in figures)


_UNMEASURED = _used(None, None, None)


def _moment(moment: int | None) -> bytes:
    return _NULL if moment is None else _NUMBER(8, (moment - _EPOCH) * _SECOND)


def in_order(said: Mapping[tuple[int, int], str], lines: Sequence[bytes]) -> list[bytes]:
    """Return lines, each of the job at its place in ``said``, in the order of the jobs' identity:
    nobody who adds the same jobs waits in a circle."""
    keys = list(said)
    return [lines[place] for place in sorted(range(len(keys)), key=keys.__getitem__)]


def add(lines: Sequence[bytes]) -> None:
    """Add jobs within the caller's transaction. If one of them is known, KnownAfterAll is raised,
    and the transaction has to be given up."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(TABLE), sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    make_room()
    blocks = map(b"".join, in_batches(lines, _LINES_AT_ONCE))
    try:
        copy_blocks(statement, chain([_SIGNATURE], blocks, [_TRAILER]))
    except IntegrityError as error:
        if isinstance(error.__cause__, errors.UniqueViolation):
            raise KnownAfterAll from error
        raise
