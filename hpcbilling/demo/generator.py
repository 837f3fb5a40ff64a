"""Months of usage from minutes of it (pure): the same seed and day give the same rows.

Each submission in the result is a recorded one: its rows keep their shape, states, order and
partition. Its times are stretched by one whole factor from its submit time on, so that Elapsed
stays End − Start − Suspended in each row; CPUs and memory are multiplied by one power of two.
"""

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.intervals import local_midnight
from hpcbilling.demo.recordings import COLUMNS, Row, Submission, base_id, submissions

CORES_OF_A_NODE = 64
MIB_OF_A_NODE = 512_000
MAX_HOURS = 72.0
WEEKEND = 0.3
"""How much is submitted on a day of the weekend, against a working day."""
SIZES = (1, 1, 2, 4, 8, 8, 16, 16, 32)
_TIMES = ("Submit", "Eligible", "Start", "End")
_AMOUNT = re.compile(r"\b(billing|cpu|mem)=(\d+)")


@dataclass(frozen=True, slots=True)
class Workload:
    """What an account runs on a cluster.

    ``per_day`` submissions on a working day, by ``users`` (the first ones submit more); ``hours``
    is a typical length. ``days`` limits it to a stretch of days, counted back from the last one.
    """

    account: str
    users: tuple[str, ...]
    per_day: float
    hours: float
    gpu_share: float = 0.15
    days: tuple[int, int] = (400, 0)


@dataclass(frozen=True, slots=True)
class Span:
    """The local days on which usage is submitted: from ``first`` to that of ``until``."""

    first: date
    until: datetime
    zone: ZoneInfo

    @property
    def last(self) -> date:
        """Return the local day on which it ends."""
        return self.until.astimezone(self.zone).date()

    def days(self) -> Iterator[date]:
        """Yield its days in order."""
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)


@dataclass(frozen=True, slots=True)
class _Draw:
    """A recorded submission in its new place. ``submit`` in seconds since 1970."""

    submit: int
    account: str
    user: str
    recorded: Submission
    stretch: int
    size: int


def usage(
    *, cluster: str, version: str, workloads: Sequence[Workload], span: Span, seed: int
) -> list[Row]:
    """Return a cluster's rows in the order of submission, jobs that end later included."""
    draws: list[_Draw] = []
    for workload in workloads:
        rng = random.Random(f"{seed}/{cluster}/{workload.account}")  # noqa: S311 - play data
        draws += _draws(rng, submissions(version), workload, span)
    draws.sort(key=lambda draw: draw.submit)
    rows: list[Row] = []
    next_id = 100_001
    for draw in draws:
        made = _placed(draw, next_id, cluster)
        next_id += len({row["JobIDRaw"] for row in made})
        rows += made
    return rows


def _draws(
    rng: random.Random, recorded: Sequence[Submission], workload: Workload, span: Span
) -> Iterator[_Draw]:
    gpu = [item for item in recorded if item.uses_gpus]
    cpu = [item for item in recorded if not item.uses_gpus]
    # Most jobs of a real centre succeed; the recording has one of each fault.
    weights = {id(item): 4 if item.succeeded else 1 for item in recorded}
    for day in span.days():
        for _ in range(_submitted_on(rng, workload, day, span)):
            choice = gpu if rng.random() < workload.gpu_share else cpu
            (item,) = rng.choices(choice, [weights[id(each)] for each in choice])
            submit = local_midnight(day, span.zone) + timedelta(
                seconds=int(rng.gauss(14, 3.5) % 24 * 3600)
            )
            draw = _Draw(
                int(submit.timestamp()),
                workload.account,
                _user(rng, workload.users),
                item,
                _stretch(rng, item, workload.hours),
                _size(rng, item),
            )
            if submit < span.until:
                yield draw


def _submitted_on(rng: random.Random, workload: Workload, day: date, span: Span) -> int:
    ago = (span.last - day).days
    if not workload.days[1] <= ago <= workload.days[0]:
        return 0
    rate = workload.per_day * (WEEKEND if day.weekday() >= 5 else 1.0)
    growth = 1.2 - 0.4 * ago / max(1, (span.last - span.first).days)
    return int(rate * growth * rng.uniform(0.5, 1.5) + rng.random())


def _user(rng: random.Random, users: Sequence[str]) -> str:
    return rng.choices(users, [1 / (place + 1) for place in range(len(users))])[0]


def _stretch(rng: random.Random, item: Submission, hours: float) -> int:
    wanted = min(MAX_HOURS, rng.lognormvariate(math.log(hours), 0.8)) * 3600
    return max(1, round(wanted / max(item.longest, item.whole / 4)))


def _size(rng: random.Random, item: Submission) -> int:
    """Draw a factor for CPUs and memory, and halve it until the job fits on its nodes."""
    factor = rng.choice(SIZES)
    while factor > 1 and not all(_fits(row, factor) for row in item.rows):
        factor //= 2
    return factor


def _fits(row: Row, factor: int) -> bool:
    amounts = {name: int(count) for name, count in _AMOUNT.findall(row["AllocTRES"])}
    nodes = int(row["NNodes"])
    return (
        amounts.get("cpu", 0) * factor <= CORES_OF_A_NODE * nodes
        and amounts.get("mem", 0) * factor <= MIB_OF_A_NODE * nodes
    )


def _placed(draw: _Draw, next_id: int, cluster: str) -> list[Row]:
    recorded = draw.recorded
    begin = recorded.begin
    raws = sorted({int(row["JobIDRaw"]) for row in recorded.rows})
    ids = {raw: next_id + place for place, raw in enumerate(raws)}
    made = []
    for old in recorded.rows:
        row = {
            **old,
            "Cluster": cluster,
            "User": draw.user,
            "Account": draw.account,
            "JobIDRaw": str(ids[int(old["JobIDRaw"])]),
            "JobID": _display_id(old["JobID"], ids, next_id),
            "ElapsedRaw": str(int(old["ElapsedRaw"]) * draw.stretch),
            "Suspended": _clock(_seconds(old["Suspended"]) * draw.stretch),
            "NCPUS": str(int(old["NCPUS"]) * draw.size),
        }
        for name in _TIMES:
            if old[name].isdigit():
                row[name] = str(draw.submit + (int(old[name]) - begin) * draw.stretch)
        for name in ("ReqTRES", "AllocTRES"):
            row[name] = _multiplied(old[name], draw.size)
        if old["TimelimitRaw"].isdigit():
            row["TimelimitRaw"] = str(int(old["TimelimitRaw"]) * draw.stretch)
        made.append(row)
    return made


def _display_id(recorded: str, ids: dict[int, int], first: int) -> str:
    base = base_id(recorded)
    return f"{ids.get(int(base), first)}{recorded.removeprefix(base)}"


def _multiplied(tres: str, factor: int) -> str:
    return _AMOUNT.sub(lambda found: f"{found[1]}={int(found[2]) * factor}", tres)


def _seconds(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def _clock(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    text = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{text}" if days else text


def snapshot(rows: Sequence[Row], moment: datetime) -> list[Row]:
    """Return what ``sacct`` would have printed at a moment: jobs of the future are not there, jobs
    without an end yet are running."""
    now = int(moment.astimezone(UTC).timestamp())
    shown = []
    for row in rows:
        if row["End"].isdigit() and int(row["End"]) <= now:
            shown.append(row)
        elif row["Start"].isdigit() and int(row["Start"]) < now and int(row["Submit"]) < now:
            shown.append(
                {
                    **row,
                    "State": "RUNNING",
                    "End": "Unknown",
                    "ExitCode": "0:0",
                    "ElapsedRaw": str(now - int(row["Start"])),
                    "Suspended": "00:00:00",
                }
            )
    return shown


def ended_between(rows: Sequence[Row], start: datetime, end: datetime) -> list[Row]:
    """Return the rows of jobs that ended after ``start`` and not after ``end``."""
    first, last = int(start.timestamp()), int(end.timestamp())
    return [row for row in rows if row["End"].isdigit() and first < int(row["End"]) <= last]


def table(rows: Sequence[Row]) -> bytes:
    """Return rows as ``sacct --parsable2`` prints them, with their header."""
    lines = ["|".join(COLUMNS), *("|".join(row[name] for name in COLUMNS) for row in rows)]
    return ("\n".join(lines) + "\n").encode()
