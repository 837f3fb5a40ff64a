"""The staging table of an import: parsed rows go there by COPY, as text, and are merged from there.

It is temporary and lives as long as its transaction. Nothing of it is logged or indexed, and no
model object is made for any of its rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from django.db import connection
from psycopg import sql

from core.bulk import copy_blocks, in_batches
from usage.normalise import JobRow
from usage.sources.sacct import Parsed
from usage.tres import Tres

TABLE = "usage_stage"

COLUMNS = {
    "line": "bigint NOT NULL",
    "raw_offset": "bigint NOT NULL",
    "raw_size": "integer NOT NULL",
    "job_id": "bigint NOT NULL",
    "submit": "bigint NOT NULL",
    "start": "bigint",
    '"end"': "bigint",
    "elapsed": "bigint NOT NULL",
    "suspended": "bigint",
    "cpus": "bigint NOT NULL",
    "mem_kib": "bigint NOT NULL",
    "gpus": "bigint NOT NULL",
    "nodes": "bigint NOT NULL",
    "tres": "text NOT NULL",
    "estimated": "boolean NOT NULL",
    "user_name": "text NOT NULL",
    "account": "text NOT NULL",
    "state": "text NOT NULL",
    "partition": "text",
    "qos": "text",
    "node_list": "text",
    "name": "text",
    "display_id": "text NOT NULL",
    "flags": "text NOT NULL",
    "req_tres": "text",
    "reservation": "text",
    "used_cpu_seconds": "bigint",
    "used_mem_mib_seconds": "bigint",
    "energy_joules": "bigint",
    "fingerprint": "text",
    "raw_digest": "uuid",
}
"""The staged columns, in order. Times are seconds since 1970. Null stands for what the source does
not say, and for the fingerprint of a row of which some of that is billed."""

BLOCK_ROWS = 256
"""Rows handed to COPY at a time: each hand-over costs as much as a row."""

IN_FINGERPRINT = frozenset({"partition", "qos", "suspended"})
"""Optional fields that the fingerprint covers: without one, only the stored job can complete it.

What was asked for and used belongs there too, but most jobs' sources leave some of it out: so the
fingerprint is made without, and holds unless the stored job has it (``usage.merge``)."""

_NULL = "\\N"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_ESCAPED = str.maketrans(_ESCAPES)


@contextmanager
def staged(lines: Sequence[str]) -> Iterator[None]:
    """Keep the lines that ``line_of`` made in the staging table for as long as the block lasts,
    within the caller's transaction."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {TABLE} ({columns}) ON COMMIT DROP")
        statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(TABLE))
        copy_blocks(statement, map("".join, in_batches(lines, BLOCK_ROWS)))
        yield
        cursor.execute(f"DROP TABLE {TABLE}")


def line_of(row: Parsed, job: JobRow) -> str:
    """Return a parsed job as a line for COPY."""
    absent = job.absent
    begun = _NULL if job.start_at is None else job.start_at
    ended = _NULL if job.end_at is None else job.end_at
    names = _names((job.user, job.account, job.state, job.partition, job.qos), absent)
    suspended: object = job.suspended_seconds
    fingerprint = job.fingerprint
    nodes, name = _text(job.node_list), _text(job.name[:1024])
    facts = _facts(job.req_tres, job.reservation, absent)
    used = _UNMEASURED
    if not (job.used_cpu_seconds is job.used_mem_mib_seconds is job.energy_joules is None):
        used = _used(job.used_cpu_seconds, job.used_mem_mib_seconds, job.energy_joules)
    if absent:
        suspended = "\\N" if "suspended" in absent else suspended
        nodes = "\\N" if "node_list" in absent else nodes
        name = "\\N" if "name" in absent else name
        fingerprint = fingerprint if IN_FINGERPRINT.isdisjoint(absent) else "\\N"
    return (
        f"{row.line}\t{row.offset}\t{row.size}\t{job.job_id}"
        f"\t{job.submit_at}\t{begun}\t{ended}"
        f"\t{job.elapsed_seconds}\t{suspended}\t{_resources(job.tres, job.tres_canonical)}"
        f"\t{'t' if job.estimated else 'f'}\t{names}\t{nodes}\t{name}"
        f"\t{job.display_id[:64].translate(_ESCAPED)}\t{flags_text(job.flags)}\t{facts}\t{used}\t{fingerprint}"
        f"\t{row.digest.hex() or _NULL}\n"
    )


@lru_cache(maxsize=16384)
def _text(text: str) -> str:
    return text.translate(_ESCAPED)


@lru_cache(maxsize=16384)
def _names(names: tuple[str, str, str, str, str], absent: tuple[str, ...]) -> str:
    user, account, state, partition, qos = (name.translate(_ESCAPED) for name in names)
    partition = "\\N" if "partition" in absent else partition
    qos = "\\N" if "qos" in absent else qos
    return f"{user}\t{account}\t{state}\t{partition}\t{qos}"


@lru_cache(maxsize=16384)
def _resources(tres: Tres, canonical: str) -> str:
    return f"{tres.cpus}\t{tres.mem_kib}\t{tres.gpus}\t{tres.nodes}\t{_text(canonical)}"


@lru_cache(maxsize=16384)
def _facts(req_tres: str, reservation: str, absent: tuple[str, ...]) -> str:
    asked = _NULL if "req_tres" in absent else req_tres.translate(_ESCAPED)
    return f"{asked}\t{_NULL if 'reservation' in absent else reservation.translate(_ESCAPED)}"


def _used(*figures: int | None) -> str:
    return "\t".join(_NULL if figure is None else str(figure) for figure in figures)


_UNMEASURED = _used(None, None, None)


@lru_cache(maxsize=1024)
def flags_text(flags: tuple[str, ...]) -> str:
    """Flags are names of our own, so this is JSON without anything to escape."""
    return "[" + ", ".join(f'"{flag}"' for flag in flags) + "]"
