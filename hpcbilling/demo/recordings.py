"""The recorded rows by what was submitted together: a job's attempts, an array, a het job."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).with_name("recorded")
COLUMNS = (
    "JobIDRaw", "JobID", "Cluster", "User", "Account", "Partition", "QOS", "State", "ExitCode",
    "Submit", "Eligible", "Start", "End", "ElapsedRaw", "Suspended", "TimelimitRaw", "NNodes",
    "NCPUS", "NodeList", "ReqTRES", "AllocTRES", "JobName",
)  # fmt: skip
"""The columns that the demo's files have. JobName is last: it may hold anything."""

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Submission:
    """Recorded rows that belong together."""

    rows: tuple[Row, ...]

    @property
    def uses_gpus(self) -> bool:
        return any("gres/gpu" in row["AllocTRES"] for row in self.rows)

    @property
    def succeeded(self) -> bool:
        return all(row["State"] == "COMPLETED" for row in self.rows)

    @property
    def longest(self) -> int:
        """Return the seconds of its longest row, at least one."""
        return max(1, *(int(row["ElapsedRaw"]) for row in self.rows))

    @property
    def begin(self) -> int:
        """Return when it was submitted, in seconds since 1970."""
        return min(int(row["Submit"]) for row in self.rows)

    @property
    def whole(self) -> int:
        """Return the seconds from its submission to its last end."""
        return max(int(row["End"]) for row in self.rows) - self.begin


def base_id(job_id: str) -> str:
    """Return the number that the rows of a submission share: 23 of ``23_4`` and of ``23+1``."""
    return job_id.partition("_")[0].partition("+")[0]


@lru_cache
def submissions(version: str) -> tuple[Submission, ...]:
    """Read the recording of a Slurm version, such as ``22.05``."""
    text = (FOLDER / f"slurm-{version}.psv").read_text(encoding="utf-8")
    head, _, body = text.partition("\n")
    header = head.split("|")
    grouped: dict[str, list[Row]] = {}
    for line in body.split("\n"):
        cells = line.split("|", len(header) - 1)
        if len(cells) < len(header):
            continue  # the rest of a job name with a line feed: the name goes on without it
        row = dict(zip(header, cells, strict=True))
        grouped.setdefault(base_id(row["JobID"]), []).append({name: row[name] for name in COLUMNS})
    return tuple(Submission(tuple(rows)) for rows in grouped.values())
