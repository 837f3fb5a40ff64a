"""Which job a row is about that can't be billed, where that can still be read.

A guess is worse than nothing: the row would count as resolved by another job. So only rows whose
cells stand where they belong are looked at.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from usage.normalise import MAX_JOB_ID
from usage.reasons import Reason, RowError
from usage.sources.sacct import Parsed
from usage.times import AmbiguousTime, Clock

_MISREAD = frozenset(
    (
        Reason.COLUMNS, Reason.NEWLINE, Reason.TRUNCATED, Reason.NUL, Reason.CONTROL_CHARACTER,
        Reason.JOB_ID, Reason.ARRAY_WITHOUT_RAW_ID, Reason.OTHER_CLUSTER, Reason.TIME_ZONE,
    )
)  # fmt: skip
Identity = tuple[int, datetime]


def identity_of(row: Parsed, columns: Sequence[str], clock: Clock) -> Identity | None:
    """Return the raw job id and submit time of a bad row, or None where that is not certain.

    ``columns`` are those of a table; JSON needs none.
    """
    if row.reason in _MISREAD:
        return None
    found = _of_cells(row.raw, columns) if columns else _of_record(row.raw)
    if found is None or not (found[0].isascii() and found[0].isdigit() and len(found[0]) <= 10):
        return None
    try:
        submit = clock.instant(found[1])
    except (RowError, AmbiguousTime):
        return None
    job_id = int(found[0])
    return (job_id, submit) if submit is not None and 0 < job_id < MAX_JOB_ID else None


def _of_cells(raw: str, columns: Sequence[str]) -> tuple[str, str] | None:
    cells = raw.split("|")
    if len(cells) != len(columns):
        return None
    row = dict(zip(columns, cells, strict=True))
    return row.get("JobIDRaw", row.get("JobID", "")), row.get("Submit", "")


def _of_record(raw: str) -> tuple[str, str] | None:
    try:
        record: Any = json.loads(raw)
        submit = record["time"]["submission"]
        number = submit["number"] if isinstance(submit, dict) else submit
        return str(record["job_id"]), str(number)
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
