"""One line of ``sacct``, one record of slurmrestd or one line of ``sreport`` as a statement. Pure.

Nothing here is shared with the import: a mistake made there must not be made here again. The window
is ``[since, until)`` in Unix time, and all quantities are what was held within it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

SACCT_COLUMNS = (
    "JobIDRaw", "Submit", "Start", "End", "ElapsedRaw", "Suspended", "AllocTRES", "State",
    "Account", "User",
)  # fmt: skip
REPORT_RESOURCES = {
    "cpu": "cpu_seconds",
    "gres/gpu": "gpu_seconds",
    "mem": "mem_mib_seconds",
    "node": "node_seconds",
}
"""sreport's resources, and what they are called here; sreport counts memory in MiB."""

_MIB = {"K": Decimal(1) / 1024, "M": Decimal(1), "G": Decimal(1024), "T": Decimal(1024**2)}
_GPU = "gres/gpu"
_SUSPENDED = "SUSPENDED"
_UNENDED = ("PENDING", "RUNNING", "SUSPENDED", "REQUEUE_HOLD", "CONFIGURING", "COMPLETING")


class StatementUnreadable(ValueError):
    """An answer that is not what was asked for. The message is for the operator, in English."""


@dataclass(frozen=True, slots=True)
class StatedJob:
    """What Slurm says of one attempt of a job, within the window.

    CPU time leaves out the time suspended; GPUs, memory and nodes stay held, as in Slurm's roll-up.
    ``end`` is None while it has not ended.
    """

    job_id: int
    submit: int
    account: str
    user: str
    start: int | None
    end: int | None
    cpu_seconds: int
    gpu_seconds: int
    mem_mib_seconds: int
    node_seconds: int
    was_suspended: bool
    cpu_held_seconds: int = 0
    """CPU time with what was suspended: more than Slurm counts at most."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """What sreport says one user of an account used of one resource within the window."""

    account: str
    user: str
    resource: str
    seconds: int


def sacct_job(line: str) -> StatedJob | None:
    """Read a line of ``sacct --truncate``, in which Slurm has cut times to the window itself; None
    for a job that never started. Raises StatementUnreadable."""
    cells = line.split("|")
    if len(cells) != len(SACCT_COLUMNS):
        raise StatementUnreadable(f"sacct gave {len(cells)} columns: {line[:80]!r}")
    job_id, submit, start, end, elapsed, suspended, tres, state, account, user = cells
    begun, ended = _moment(start), _moment(end)
    if begun is None:
        return None
    seconds = _whole(elapsed)
    # A job that starts after the window is listed too, with an end before its start.
    held = seconds if ended is None else max(0, ended - begun)
    return StatedJob(
        job_id=_whole(job_id),
        submit=_whole(submit),
        account=account,
        user=user,
        start=begun,
        end=None if state.startswith(_UNENDED) else ended,
        was_suspended=suspended not in ("", "00:00:00") or state.startswith(_SUSPENDED),
        **_held(_text_tres(tres), running=seconds, held=held),
    )


def rest_job(record: Mapping[str, Any], *, since: int, until: int) -> StatedJob | None:
    """Read a job of slurmrestd, whose times are not cut, and cut them; None for one that never
    started. Time suspended counts as spread evenly. Raises StatementUnreadable."""
    try:
        time, tres = record["time"], record["tres"]["allocated"]
        start, end = int(time["start"]), int(time["end"])
        elapsed, suspended = int(time["elapsed"]), int(_number(time.get("suspended")))
        job_id, submit = int(record["job_id"]), int(time["submission"])
        found = {_name(item): int(item["count"] or 0) for item in tres or ()}
    except (KeyError, TypeError, ValueError) as error:
        raise StatementUnreadable(f"slurmrestd gave no job: {str(record)[:80]!r}") from error
    if not start:
        return None
    length = (end or start + elapsed + suspended) - start
    first, last = (min(max(edge - start, 0), max(length, 0)) for edge in (since, until))
    held = max(0, last - first)
    used = int(found.get("cpu", 0)) * elapsed
    quantities = _held(found, running=0, held=held)
    if held:
        # The first s seconds have floor(quantity × s ÷ length): all pieces add up to the whole.
        quantities["cpu_seconds"] = used * last // length - used * first // length
    return StatedJob(
        job_id=job_id,
        submit=submit,
        account=str(record.get("account") or ""),
        user=str(record.get("user") or ""),
        start=start,
        end=end or None,
        was_suspended=suspended > 0 or _SUSPENDED in str(record.get("state")),
        **quantities,
    )


def report_line(line: str) -> ReportLine | None:
    """Read a line of ``sreport cluster AccountUtilizationByUser``: None for the sum of an account.

    Raises StatementUnreadable.
    """
    cells = line.split("|")
    if len(cells) != 6 or cells[4] not in REPORT_RESOURCES:
        raise StatementUnreadable(f"sreport gave an unknown line: {line[:80]!r}")
    _cluster, account, user, _name, resource, used = cells
    if not user:
        return None
    return ReportLine(account, user, REPORT_RESOURCES[resource], _whole(used))


def _held(tres: Mapping[str, int | Decimal], *, running: int, held: int) -> dict[str, int]:
    typed = sum(count for name, count in tres.items() if name.startswith(f"{_GPU}:"))
    return {
        "cpu_seconds": int(tres.get("cpu", 0) * running),
        "cpu_held_seconds": int(tres.get("cpu", 0) * held),
        "gpu_seconds": int(tres.get(_GPU, typed) * held),
        "mem_mib_seconds": int(tres.get("mem", 0) * held),
        "node_seconds": int(tres.get("node", 0) * held),
    }


def _text_tres(text: str) -> dict[str, int | Decimal]:
    found: dict[str, int | Decimal] = {}
    for item in text.split(",") if text else ():
        name, _, value = item.partition("=")
        try:
            found[name] = _memory(value) if name == "mem" else int(Decimal(value))
        except (InvalidOperation, KeyError, ValueError):
            if name in REPORT_RESOURCES or name.startswith(_GPU):
                raise StatementUnreadable(f"sacct gave an odd resource: {item[:60]!r}") from None
    return found


def _memory(value: str) -> Decimal:
    return Decimal(value[:-1]) * _MIB[value[-1]] if value[-1:].isalpha() else Decimal(value)


def _name(item: Mapping[str, Any]) -> str:
    return f"{item['type']}/{item['name']}" if item.get("name") else str(item["type"])


def _number(value: Any) -> int:
    """Return an integer that newer versions wrap with whether it is set."""
    return value.get("number") or 0 if isinstance(value, Mapping) else value or 0


def _moment(text: str) -> int | None:
    return _whole(text) if text.isascii() and text.isdigit() and text != "0" else None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise StatementUnreadable(f"this is not a whole number: {text[:40]!r}")
    return int(text)
