"""What a job really used, summed from its steps. Pure.

The figures are those that sacct prints, so that every source gives the same:

* CPU time is the sum of the steps' TotalCPU, each as printed: to the millisecond below an hour, to
  the second from there on. The sum is rounded half up to a second, once. An allocation's own row
  says 0 wherever steps are left out, so it counts only if it says more, and only without steps.
* Memory is the sum of AveRSS × NTasks × ElapsedRaw over the steps, in MiB-seconds, rounded half up
  once: the mean over the tasks of the most that each held, for as long as the step ran. A step
  whose memory Slurm did not measure adds nothing.

Steps that run at the same time (``.batch`` and ``.0``) are different processes: they add up.
Nothing is known, and the figure is None, where no step was seen, where none was measured, where one
can't be read, or while the job runs.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

MAX_USED = 2**63
_HOUR_MS = 3_600_000
_MIB = 2**20
_TOTAL_CPU = re.compile(
    r"(?:([0-9]{1,6})-)?(?:([0-9]{1,6}):)?([0-9]{1,4}):([0-9]{2})(?:\.([0-9]{3}))?", re.ASCII
)
_RSS = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6}))?([KMGTP]?)", re.ASCII)
_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_COUNT = re.compile(r"[0-9]{1,10}", re.ASCII)
_TIMES_UNSET = ("", "00:00:00")


class Used(NamedTuple):
    """What a job used: seconds of CPU time, and MiB-seconds of memory; None where not known."""

    cpu_seconds: int | None
    mem_mib_seconds: int | None


UNKNOWN = Used(None, None)


class StepUse(NamedTuple):
    """What one step used: milliseconds of CPU time, and byte-seconds of memory.

    None: not measured, or the source doesn't have it. ``readable`` is false if what it has is no
    number.
    """

    cpu_ms: int | None
    mem_byte_seconds: int | None
    readable: bool = True


_UNREADABLE = StepUse(None, None, readable=False)


@dataclass(slots=True)
class Sum:
    """The steps of one job so far, in constant memory."""

    steps: int = 0
    cpu_ms: int = 0
    mem_byte_seconds: int = 0
    has_cpu: bool = True
    has_mem: bool = False
    readable: bool = True

    def add(self, step: StepUse) -> None:
        """Add a step."""
        self.steps += 1
        if step.cpu_ms is None:
            self.has_cpu = False
        else:
            self.cpu_ms += step.cpu_ms
        if step.mem_byte_seconds is not None:
            self.has_mem = True
            self.mem_byte_seconds += step.mem_byte_seconds
        self.readable = self.readable and step.readable

    def used(self, own_ms: int | None = None) -> Used:
        """Return the sums. ``own_ms`` is what the allocation's own row says of its CPU time."""
        if not self.steps:
            return Used(_seconds(own_ms), None) if own_ms else UNKNOWN
        if not self.readable:
            return UNKNOWN  # never half a sum
        # A job that slept has used nothing; one that was not measured has neither.
        measured = self.has_cpu and (self.cpu_ms or self.has_mem)
        return Used(
            _seconds(self.cpu_ms) if measured else None,
            _limited((2 * self.mem_byte_seconds + _MIB) // (2 * _MIB)) if self.has_mem else None,
        )


def _seconds(milliseconds: int) -> int | None:
    return _limited((milliseconds + 500) // 1000)


def _limited(value: int) -> int | None:
    return value if value < MAX_USED else None


def step_of_cells(
    total_cpu: str | None, ave_rss: str | None, tasks: str | None, elapsed: int | None
) -> StepUse:
    """Return what a step used as sacct prints it; None stands for a column that is not there."""
    try:
        cpu = None if total_cpu is None else cpu_ms(total_cpu)
        if not ave_rss or tasks is None or elapsed is None:
            return StepUse(cpu, None)
        if _COUNT.fullmatch(tasks) is None:
            return _UNREADABLE
        return StepUse(cpu, _bytes(ave_rss) * int(tasks) * elapsed)
    except ValueError:
        return _UNREADABLE


@lru_cache(maxsize=16384)
def cpu_ms(text: str) -> int:
    """Return ``00:02.003``, ``01:06:41`` or ``38-01:02:03`` in milliseconds. Raises ValueError."""
    if text in _TIMES_UNSET:
        return 0
    match = _TOTAL_CPU.fullmatch(text)
    if match is None or (match[1] and not match[2]):
        raise ValueError(f"not a CPU time: {text[:40]!r}")
    days, hours, minutes, seconds, thousandths = (int(part or 0) for part in match.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _bytes(text: str) -> int:
    match = _RSS.fullmatch(text)
    if match is None:
        raise ValueError(f"not an amount of memory: {text[:40]!r}")
    decimals = match[2] or ""
    scale: int = 10 ** len(decimals)
    return (2 * int(match[1] + decimals) * _BYTES[match[3]] + scale) // (2 * scale)


def step_of_record(step: Mapping[str, Any]) -> StepUse:
    """Return what a step of slurmrestd used. Never raises: it is asked while JSON is decoded."""
    try:
        time, tasks = step["time"], step["tasks"]["count"]
        rss = [item["count"] for item in step["tres"]["requested"]["average"] if _is_mem(item)]
        cpu = _printed(time["total"]["seconds"], time["total"]["microseconds"])
        memory = rss[0] if rss and 0 <= _integer(rss[0]) < MAX_USED else None
        if memory is None:
            return StepUse(cpu, None)
        return StepUse(cpu, memory * _integer(tasks) * _integer(time["elapsed"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return _UNREADABLE


def own_of_record(time: Mapping[str, Any]) -> int | None:
    """Return what a job's record itself says of its CPU time, in milliseconds."""
    try:
        return _printed(time["total"]["seconds"], time["total"]["microseconds"])
    except (KeyError, TypeError, ValueError):
        return None


def total(steps: Iterable[object], own_ms: int | None) -> Used:
    """Return what the steps of a record used together, as ``step_of_record`` left them."""
    found = Sum()
    for step in steps:
        found.add(step if isinstance(step, StepUse) else _UNREADABLE)
    return found.used(own_ms)


def _is_mem(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "mem" and not item.get("name")


def _integer(value: object) -> int:
    if isinstance(value, dict) and value.get("set"):
        value = value.get("number")
    if type(value) is not int:
        raise ValueError("not a whole number")
    return value


def _printed(seconds: object, microseconds: object) -> int:
    """Cut a time off where sacct does."""
    found = _integer(seconds) * 1000 + _integer(microseconds) // 1000
    if found < 0:
        raise ValueError("a negative time")
    return found if found < _HOUR_MS else found // 1000 * 1000
