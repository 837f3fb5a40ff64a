"""Accounting rows for the bench: realistic, seeded, and as many as wanted in constant memory.

What is made from a seed is the same each time, so that two runs measure the same work. The mix is
that of a campus cluster: many short jobs and few long ones, arrays, failures, requeues, jobs that
never started, and GPUs of two kinds.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import BinaryIO

COLUMNS = (
    "JobIDRaw", "JobID", "User", "Account", "Partition", "QOS", "State", "Submit", "Start", "End",
    "ElapsedRaw", "Suspended", "NodeList", "ReqTRES", "AllocTRES", "JobName",
)  # fmt: skip
"""What the documented sacct command gives."""
PROJECTS = 10
FIRST_END = datetime(2026, 10, 1, tzinfo=UTC)
WINDOW_END = datetime(2026, 11, 1, tzinfo=UTC)

SHAPES = 4096
"""Kinds of jobs, drawn once from the seed; jobs repeat them with other numbers and times."""
_BLOCK = 1000
_STATES = (
    ("COMPLETED", 80), ("FAILED", 8), ("TIMEOUT", 3), ("CANCELLED by 1002", 4), ("NODE_FAIL", 1),
    ("OUT_OF_MEMORY", 2), ("PREEMPTED", 1), ("REQUEUED", 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """What jobs of one kind have in common: the cells before and after those that differ."""

    who: str
    state: str
    wait: int
    seconds: int
    where: str
    array: int
    requeued: bool
    name: str


def shapes(seed: int) -> list[Shape]:
    """The kinds of jobs of a seed."""
    chance = random.Random(seed)
    states, weights = zip(*_STATES, strict=True)
    return [_shape(chance, chance.choices(states, weights)[0]) for _ in range(SHAPES)]


def _shape(chance: random.Random, state: str) -> Shape:
    user = int(400 * chance.random() ** 2)
    gpus = chance.choices((0, 1, 2, 4, 8), (75, 12, 7, 4, 2))[0]
    cpus = chance.choices((1, 2, 4, 8, 16, 32, 64), (30, 15, 20, 12, 10, 8, 5))[0]
    nodes = 1 + cpus // 64 * chance.randrange(4)
    tres = f"cpu={cpus},mem={cpus * chance.choice((2, 4, 8))}G,node={nodes},billing={cpus}"
    kind = chance.choice(("a100", "h100"))
    tres += f",gres/gpu={gpus},gres/gpu:{kind}={gpus}" if gpus else ""
    nodelist = f"n[{user % 40}-{user % 40 + nodes - 1}]" if nodes > 1 else f"n{user % 40}"
    seconds = min(1 + int(chance.lognormvariate(6.5, 2)), 7 * 86400)
    partition, qos = ("gpu" if gpus else "cpu"), chance.choice(("normal", "normal", "long"))
    if state.startswith("CANCELLED") and chance.random() < 0.5:
        tres, nodelist, seconds = "", "None assigned", 0
    return Shape(
        who=f"user{user}|project{user % PROJECTS}|{partition}|{qos}",
        state=state,
        wait=int(chance.expovariate(1 / 600)),
        seconds=seconds,
        where=f"00:00:00|{nodelist}|{tres or 'cpu=1,mem=2G,node=1'}|{tres}",
        array=chance.choice((0, 0, 0, 0, 100)),
        requeued=state == "REQUEUED",
        name=chance.choice(("train", "align", "sweep.sh", "bash", "relax", "ก ประมวลผล")),
    )


def lines(jobs: int, *, seed: int = 1, steps: bool = False) -> Iterator[str]:
    """The header and ``jobs`` rows of jobs that ended in October 2026, as sacct prints them; with
    ``steps``, each that ran is followed by its batch step."""
    kinds, first = shapes(seed), int(FIRST_END.timestamp())
    span = (WINDOW_END - FIRST_END).total_seconds() - 86400
    yield "|".join(COLUMNS) + "\n"
    for number in range(jobs):
        kind = kinds[number * 2654435761 % SHAPES]
        # A requeued attempt keeps the id of the job that comes next.
        raw = number + 2 if kind.requeued else number + 1
        end = first + 43200 + int(span * number / jobs)
        start = end - kind.seconds
        shown = f"{raw - raw % kind.array}_{raw % kind.array}" if kind.array else raw
        begun = f"{start}|{end}|{kind.seconds}" if kind.seconds else f"None|{end}|0"
        submit = start - kind.wait - 1
        times = f"{submit}|{begun}"
        name = f"{kind.name} {number % 977}"
        yield f"{raw}|{shown}|{kind.who}|{kind.state}|{times}|{kind.where}|{name}\n"
        if steps and kind.seconds:
            yield (
                f"{raw}.batch|{shown}.batch||{kind.who.partition('|')[2]}|{kind.state}|{times}"
                f"|{kind.where}|batch\n"
            )


def write(into: BinaryIO, jobs: int, *, seed: int = 1, steps: bool = False) -> None:
    """Write such a file and go back to its beginning."""
    rows = lines(jobs, seed=seed, steps=steps)
    while block := "".join(islice(rows, _BLOCK)):
        into.write(block.encode())
    into.seek(0)
