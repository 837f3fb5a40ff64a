"""The arithmetic of the chain (pure); the database's trigger does the same in SQL."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

GENESIS = hashlib.sha256(b"hpcbilling audit chain").hexdigest()
"""What stands in place of a hash before the first event."""


class Row(Protocol):
    """What of an event the chain covers."""

    id: int
    sequence: int | None
    payload: str
    previous_hash: str | None
    hash: str | None

    def columns_payload(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Break:
    """The first row at which the chain does not hold, and why."""

    event_id: int | None
    sequence: int | None
    reason: str


def link(previous_hash: str, sequence: int, payload: str) -> str:
    """Return the hash of an event: SHA-256 over the three parts, a line each."""
    return hashlib.sha256(f"{previous_hash}\n{sequence}\n{payload}".encode()).hexdigest()


def walk(rows: Iterable[Row]) -> Iterator[tuple[Row, Break | None]]:
    """Go along the chain in order; yields each row with what is wrong at it, if anything."""
    expected, previous = 1, GENESIS
    for row in rows:
        yield row, _check(row, expected, previous)
        expected, previous = expected + 1, row.hash or ""


def _check(row: Row, expected: int, previous: str) -> Break | None:
    reason = ""
    if row.sequence != expected:
        reason = f"number {expected} is missing"
    elif row.previous_hash != previous:
        reason = "its previous hash is not the hash of the row before"
    elif row.hash != link(previous, expected, row.payload):
        reason = "its content does not match its hash"
    elif row.columns_payload() != row.payload:
        reason = "its columns do not match its hashed content"
    return Break(row.id, row.sequence, reason) if reason else None
