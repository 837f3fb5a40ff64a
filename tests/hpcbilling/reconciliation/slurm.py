"""A pretended Slurm: programs ``sacct`` and ``sreport`` that print what a test says."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.factories import Row

PROGRAM = """#!/bin/sh
echo "$0 TZ=$TZ $SLURM_TIME_FORMAT $*" >> "{folder}/asked"
cat "{folder}/{name}.out"
cat "{folder}/{name}.err" >&2
exit $(cat "{folder}/{name}.status")
"""


@dataclass(frozen=True)
class Stated:
    """A job as ``sacct --truncate`` prints it."""

    job_id: int = 1
    user: str = "alice"
    account: str = "genomics"
    end: datetime = datetime(2026, 10, 15, 12, tzinfo=UTC)
    seconds: int = 3600
    tres: str = "cpu=4,mem=8192M,node=1,billing=4"
    state: str = "COMPLETED"
    suspended: int = 0
    submit: datetime | None = None
    start: datetime | None = field(default=None)

    def line(self) -> str:
        start = self.start or self.end - timedelta(seconds=self.seconds + self.suspended)
        submit = self.submit or start - timedelta(seconds=60)
        suspended = f"00:{self.suspended // 60:02}:{self.suspended % 60:02}"
        moments = (str(int(moment.timestamp())) for moment in (submit, start, self.end))
        cells = (
            str(self.job_id), *moments, str(self.seconds), suspended, self.tres, self.state,
            self.account, self.user,
        )  # fmt: skip
        return "|".join(cells)


def stated(row: Row) -> Stated:
    """What Slurm says of a job that was imported as this row."""
    return Stated(row.job_id, row.user, row.account, row.end, row.seconds, row.tres, row.state)


class PretendedSlurm:
    """Its programs, and what they print from now on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.says()
        self.reports()
        for name in ("sacct", "sreport"):
            program = folder / name
            program.write_text(PROGRAM.format(folder=folder, name=name))
            program.chmod(0o755)
        (folder / "asked").write_text("")
        self.connections = folder / "connections.toml"
        self.connections.write_text(
            f'[here]\nkind = "sacct"\ncommand = ["{folder}/sacct"]\ntimeout_seconds = 20\n'
        )

    def says(self, *jobs: Stated | str, status: int = 0, error: str = "") -> None:
        lines = [job if isinstance(job, str) else job.line() for job in jobs]
        self._print("sacct", lines, status, error)

    def reports(self, *lines: str, status: int = 0, error: str = "") -> None:
        self._print("sreport", list(lines), status, error)

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def _print(self, name: str, lines: list[str], status: int, error: str) -> None:
        text = "".join(f"{line}{os.linesep}" for line in lines)
        (self.folder / f"{name}.out").write_text(text)
        (self.folder / f"{name}.err").write_text(error)
        (self.folder / f"{name}.status").write_text(str(status))


def report_of(*jobs: Stated) -> list[str]:
    """What sreport prints of some jobs: a line for each account, user and resource."""
    lines = []
    for job in jobs:
        counts = dict(item.split("=") for item in job.tres.split(","))
        for name in ("cpu", "mem", "gres/gpu", "node"):
            held = job.seconds if name == "cpu" else job.seconds + job.suspended
            used = int(counts.get(name, "0").removesuffix("M")) * held
            lines.append(f"alpha|{job.account}|{job.user}|Somebody|{name}|{used}")
    return [f"alpha|{jobs[0].account}|||cpu|1", *lines] if jobs else []
