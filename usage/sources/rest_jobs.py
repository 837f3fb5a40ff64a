"""A job of slurmrestd, or of ``sacct --json``, as the row that sacct would have printed.

From there on the rules of ``usage.normalise`` hold, so that a job has one fingerprint whichever
way it came. Shapes differ by version of the API (v0.0.38 to v0.0.44): an integer may be null or
``{set, infinite, number}``, the state a text or a list, an empty text null. A number that is not
set is no zero.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from usage.normalise import FIELD_COLUMNS, JobRow, absent_fields, normalise_cells
from usage.reasons import Reason, RowError
from usage.times import Clock
from usage.used import own_of_record, total

# Where Slurm prints one word of several, it is the first of these, else the base state.
_STATE_FLAGS = (
    "COMPLETING", "STAGE_OUT", "CONFIGURING", "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD",
    "SPECIAL_EXIT", "STOPPED", "REVOKED", "RECONFIG_FAIL", "POWER_UP_NODE", "SIGNALING",
)  # fmt: skip
_TIMES = {"Submit": "submission", "Start": "start", "End": "end"}
_TEXTS = {
    "User": "user", "Account": "account", "Partition": "partition", "QOS": "qos",
    "NodeList": "nodes", "JobName": "name",
}  # fmt: skip
_OPTIONAL_TEXTS = ("Partition", "QOS", "NodeList", "JobName")
_IN_MEBIBYTES = ("mem", "bb")  # sacct prints these with their unit, REST without
_FORBIDDEN = re.compile(r"[\x00\x1f\ud800-\udfff]")
_GPU_OPTION = re.compile(
    r"(?:^|\s)(?:"
    r"(?:--gpus(?:-per-(?:node|socket|task))?(?:=|\s+)|-G\s*)(?:[A-Za-z][^\s:=,]*:)?[1-9]"
    r"|--(?:gres|tres-per-[a-z]+)(?:=|\s+)(?:\S*[,:/])?gpu(?![:=]0(?:\s|$))"
    r")"
)
_TRES_KEY = re.compile(r"[^\s,=]+")  # else one entry could look like two
_PART_ENDS = re.compile(r"\s:\s")
MAX_COMMAND = 1 << 16
_NO_VALUE = (2**32 - 2, 2**64 - 2)  # Slurm's NO_VAL, which some versions let through


def normalise_record(record: Mapping[str, Any], clock: Clock) -> JobRow:
    """Normalise one job, decoded as usage.sources.json_records does. Raises RowError."""
    row = as_columns(record)
    cells: Any = tuple(row.get(column) for column in FIELD_COLUMNS)
    steps = record.get("steps")
    used = total(steps if isinstance(steps, list) else (), own_of_record(_part(record, "time")))
    job = normalise_cells(cells, clock, absent_fields(tuple(row)), used)
    if job is None:
        raise RowError(Reason.JOB_ID, f"a step where a job is expected: {row['JobIDRaw'][:40]}")
    if job.started and job.elapsed_seconds and not job.tres.gpus:
        _refuse_lost_gpus(record)
    return job


def as_columns(record: Mapping[str, Any]) -> dict[str, str]:
    """The cells of one job by the names of sacct's columns. Raises RowError.

    An optional column is left out if the record has no such key.
    """
    times = _part(record, "time")
    row = {column: _number(times, name) for column, name in _TIMES.items()}
    for column in ("Start", "End"):
        if row[column] == "0":  # not yet
            row[column] = ""
    row["JobIDRaw"] = _number(record, "job_id")
    row["JobID"] = _shown_id(record, row["JobIDRaw"])
    row["ElapsedRaw"] = _number(times, "elapsed")
    if "suspended" in times:
        row["Suspended"] = _number(times, "suspended")
    row["State"] = _state(_part(record, "state"))
    tres = _part(record, "tres")
    row["AllocTRES"] = _tres(tres, "allocated")
    if "requested" in tres:
        row["ReqTRES"] = _tres(tres, "requested")
    reservation = _reservation(record.get("reservation"))
    if reservation is not None:
        row["Reservation"] = reservation
    for column, name in _TEXTS.items():
        if name in record or column not in _OPTIONAL_TEXTS:
            row[column] = _text(record, name)
    return row


def cluster_of(record: Mapping[str, Any]) -> str:
    """What Slurm calls the cluster that ran the job; empty if the record doesn't say."""
    return _text(record, "cluster") if "cluster" in record else ""


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = record.get(name)
    if isinstance(part, dict):
        return part
    raise RowError(Reason.MISSING, f"no {name}")


def _text(record: Mapping[str, Any], name: str) -> str:
    if name not in record:
        raise RowError(Reason.MISSING, f"no {name}")
    value = record[name]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError(Reason.VALUE, f"{name} is not a text")
    found = _FORBIDDEN.search(value)
    if found is None:
        return value
    if found[0] == "\0":
        raise RowError(Reason.NUL, f"a NUL in {name}")
    raise RowError(Reason.CONTROL_CHARACTER, f"a character in {name} that is none")


def _number(record: Mapping[str, Any], name: str) -> str:
    """The digits of an integer, empty when it is not set. Raises RowError for anything else."""
    value = record.get(name)
    if isinstance(value, dict):
        if value.get("infinite"):
            raise RowError(Reason.VALUE, f"{name} is infinite")
        value = value.get("number") if value.get("set") else None
    if value is None or value in _NO_VALUE:
        return ""
    if type(value) is not int:
        raise RowError(Reason.VALUE, f"{name} is not a whole number: {str(value)[:40]!r}")
    return str(value)


def _shown_id(record: Mapping[str, Any], raw: str) -> str:
    """The id as sacct shows it: ``23_4`` is a task of an array, ``28+1`` a part of a het job."""
    array, het = record.get("array"), record.get("het")
    if isinstance(array, dict) and (parent := _number(array, "job_id")) not in ("", "0"):
        task = _number(array, "task_id")
        # Tasks that wait are one record: their ids are a text such as 1-19:3.
        pending = str(array.get("task") or "")
        if task or pending:
            return f"{parent}_{task or f'[{pending}]'}"
    if isinstance(het, dict) and (parent := _number(het, "job_id")) not in ("", "0"):
        return f"{parent}+{_number(het, 'job_offset') or '0'}"
    return raw


def _state(state: Mapping[str, Any]) -> str:
    current = state.get("current")
    words = [current] if isinstance(current, str) else current
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise RowError(Reason.STATE, "the state is neither a text nor a list of texts")
    return next((flag for flag in _STATE_FLAGS if flag in words), words[0] if words else "")


def _tres(tres: Mapping[str, Any], name: str) -> str:
    """A list of ``{type, name, id, count}`` as sacct writes it: ``cpu=4,mem=500M,gres/gpu=2``."""
    items = tres.get(name)
    if isinstance(items, str):
        return items
    if not isinstance(items, list):
        raise RowError(Reason.MISSING, f"no {name} TRES")
    return ",".join(_pairs(items))


def _reservation(reservation: Any) -> str | None:
    """The name, empty without one; None where it isn't told: v0.0.38 writes a number for it."""
    if not isinstance(reservation, dict) or "name" not in reservation:
        return None
    if type(reservation["name"]) is int:
        return None if reservation["name"] else ""
    return _text(reservation, "name")


def _pairs(items: Sequence[Any]) -> list[str]:
    pairs = []
    for item in items:
        if not isinstance(item, dict):
            raise RowError(Reason.TRES, "a TRES that is no object")
        kind, name, count = _text(item, "type"), item.get("name"), item.get("count")
        if kind == "energy" and (count is None or (type(count) is int and count < 0)):
            continue  # not measured
        if type(count) is not int:
            raise RowError(Reason.TRES, f"{kind[:40]} has no count")
        key = f"{kind}/{_text(item, 'name')}" if name else kind
        if _TRES_KEY.fullmatch(key) is None:
            raise RowError(Reason.TRES, f"not a resource name: {key[:40]!r}")
        pairs.append(f"{key}={count}{'M' if kind in _IN_MEBIBYTES else ''}")
    return pairs


def _refuse_lost_gpus(record: Mapping[str, Any]) -> None:
    """GPUs that a site doesn't track are in no TRES list; then the command line still asks for
    them, and the job must not be billed as if it had none.
    """
    if _GPU_OPTION.search(_own_command(record)):
        raise RowError(
            Reason.GPU_MISSING, "GPUs were requested when it was submitted, but none is allocated"
        )


def _own_command(record: Mapping[str, Any]) -> str:
    """The command line that a job was submitted with; of a het job only this part's share."""
    line = record.get("submit_line")
    text = line[:MAX_COMMAND] if isinstance(line, str) else ""
    het = record.get("het")
    if isinstance(het, dict) and _number(het, "job_id") not in ("", "0"):
        parts, offset = _PART_ENDS.split(text), int(_number(het, "job_offset") or 0)
        return parts[offset] if offset < len(parts) else text
    return text
