"""Recorded answers, and one job in the shape of slurmrestd, to be changed by tests."""

import io
import json
from copy import deepcopy
from typing import Any

from tests.usage.sacct_rows import FIXTURES, NOW
from usage.normalise import JobRow
from usage.sources.formats import open_reader
from usage.sources.sacct import Parsed
from usage.sources.unpacking import unpacked
from usage.used import Used

SHAPES = {
    "v0.0.38": "22.05/sacct-X-D.json.zst",
    "v0.0.40": "25.05/jobs-v0.0.40.json.zst",
    "v0.0.41": "25.05/jobs-v0.0.41.json.zst",
    "v0.0.42": "25.05/jobs-v0.0.42.json.zst",
    "v0.0.43": "25.05/jobs-v0.0.43.json.zst",
    "sacct --json of 25.05": "25.05/sacct-X-D.json.zst",
}
UNSET = {"set": False, "infinite": False, "number": 0}
JOB: dict[str, Any] = {
    "account": "pi_suda",
    "array": {"job_id": 0, "task_id": UNSET, "task": ""},
    "cluster": "demo",
    "time": {
        "elapsed": 3600, "eligible": 1793527200, "end": 1793530805, "start": 1793527205,
        "submission": 1793527200, "suspended": 0,
        "limit": {"set": True, "infinite": False, "number": 90},
    },
    "het": {"job_id": 0, "job_offset": UNSET},
    "job_id": 1001,
    "name": "train",
    "nodes": "n1",
    "partition": "gpu",
    "priority": {"set": True, "infinite": False, "number": 1},
    "qos": "normal",
    "reservation": {"id": 0, "name": "", "requested": ""},
    "state": {"current": ["COMPLETED"], "reason": "None"},
    "steps": [],
    "submit_line": "sbatch -p gpu --gres=gpu:a100:2 job.sh",
    "tres": {
        "allocated": [
            {"type": "cpu", "name": "", "id": 1, "count": 4},
            {"type": "mem", "name": "", "id": 2, "count": 16000},
            {"type": "energy", "name": "", "id": 3, "count": -2},
            {"type": "node", "name": "", "id": 4, "count": 1},
            {"type": "billing", "name": "", "id": 5, "count": 4},
            {"type": "gres", "name": "gpu", "id": 1001, "count": 2},
            {"type": "gres", "name": "gpu:a100", "id": 1002, "count": 2},
        ],
        "requested": [
            {"type": "cpu", "name": "", "id": 1, "count": 4},
            {"type": "mem", "name": "", "id": 2, "count": 16000},
            {"type": "node", "name": "", "id": 4, "count": 1},
            {"type": "billing", "name": "", "id": 5, "count": 4},
            {"type": "gres", "name": "gpu", "id": 1001, "count": 2},
        ],
    },
    "user": "somchai",
}  # fmt: skip
"""The same job as ``sacct_rows.GOOD``."""


def recorded(name: str) -> bytes:
    """The unpacked bytes of a recording."""
    with (FIXTURES / name).open("rb") as file:
        return unpacked(file).read()


def job(**changes: Any) -> dict[str, Any]:
    """The job with values at paths replaced: ``job(time__end=0)``; Ellipsis removes one."""
    made = deepcopy(JOB)
    for path, value in changes.items():
        *way, last = path.split("__")
        place = made
        for name in way:
            place = place[name]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return made


def answer(*jobs: Any, **around: Any) -> bytes:
    """An answer of slurmrestd with these jobs."""
    body = {"jobs": list(jobs), "meta": {"plugin": {}}, "errors": [], "warnings": []} | around
    return json.dumps(body, indent=2).encode()


def completed(found: JobRow, other: JobRow) -> JobRow:
    """A job with what its own form doesn't expose taken from another form of it."""
    return found.filled(
        partition=other.partition,
        qos=other.qos,
        suspended_seconds=other.suspended_seconds,
        req_tres=other.req_tres,
        reservation=other.reservation,
        used=Used(other.used_cpu_seconds, other.used_mem_mib_seconds),
        energy_joules=other.energy_joules,
    )


def alike(one: JobRow, other: JobRow) -> bool:
    """Whether two forms of a job are the same job, as far as each of them tells."""
    return completed(one, other).fingerprint == completed(other, one).fingerprint


def parsed(data: bytes, **options: Any) -> list[Parsed]:
    """All rows of an input in whatever form."""
    reader = open_reader(io.BytesIO(data), **({"now": NOW} | options))
    rows = list(reader)
    assert reader.rows == len(rows)
    return rows


def jobs_of(rows: list[Parsed]) -> dict[tuple[int, Any], JobRow]:
    """The jobs by their identity."""
    return {(row.job.job_id, row.job.submit): row.job for row in rows if row.job is not None}
