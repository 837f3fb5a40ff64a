"""`make bench-sacct`: the time of the real sacct to print jobs, and ours to import what it printed.

`JOBS` chooses how many; they are made in slurmdbd's database from a seed. Both figures are of the
same machine and minute, so their ratio says something about the program.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO

from hpcbilling import workflows
from tests import factories
from tests.slurm.load import load
from tests.slurm.packages import program
from tests.slurm.stack import MAIN, USERS, Stack, running
from usage.models import Cluster
from usage.services import prepare_import, run_import
from usage.sources.command import COLUMNS

SINCE = datetime(2026, 10, 1, tzinfo=UTC)
UNTIL = datetime(2026, 11, 15, tzinfo=UTC)
MONTH_SECONDS = 31 * 86400
SEED = 20261121


def print_all(stack: Stack, into: IO[bytes]) -> float:
    """Let sacct print every job, as the product asks for it; returns the seconds."""
    begun = time.perf_counter()
    subprocess.run(
        [
            program("sacct"), "--allusers", "--duplicates", "--allocations", "--parsable2",
            "--noconvert", f"--clusters={MAIN}", f"--starttime=uts{int(SINCE.timestamp())}",
            f"--endtime=uts{int(UNTIL.timestamp())}", f"--format={','.join(COLUMNS)}",
        ],
        env=stack.environment() | {"SLURM_TIME_FORMAT": "%s"},
        stdout=into,
        check=True,
    )  # fmt: skip
    return time.perf_counter() - begun


def measure(jobs: int) -> Mapping[str, float]:
    """Seconds of sacct, of importing what it printed, and of rating that."""
    with running() as stack, tempfile.TemporaryFile() as printed:
        load(stack, jobs, seed=SEED, since=SINCE, seconds=MONTH_SECONDS)
        by_sacct = print_all(stack, printed)
        printed.seek(0)
        for project in set(USERS.values()):
            factories.make_project(project)
        cluster = factories.make_cluster("bench")
        Cluster.objects.filter(pk=cluster.pk).update(slurm_name=MAIN)
        cluster.refresh_from_db()
        begun = time.perf_counter()
        run = prepare_import(
            cluster=cluster, stream=printed, origin="bench", actor=factories.SYSTEM
        )
        run = run_import(run_id=run.pk, actor=factories.SYSTEM)
        imported = time.perf_counter() - begun
        if (run.jobs_new, run.status) != (jobs, "complete"):
            raise AssertionError(f"{run.jobs_new} of {jobs} jobs came in, {run.status}")
        begun = time.perf_counter()
        workflows.rate_pending(actor=factories.SYSTEM)
        return {"sacct": by_sacct, "import": imported, "rate": time.perf_counter() - begun}


def main() -> None:
    jobs = int(os.environ.get("JOBS") or "100000")
    seconds = measure(jobs)
    for name, found in seconds.items():
        print(f"{name:8} {found:9.2f} s {jobs / found:12,.0f} jobs a second")
    print(f"import ÷ sacct          {seconds['import'] / seconds['sacct']:.2f}")
    both = seconds["import"] + seconds["rate"]
    print(f"import + rate ÷ sacct   {both / seconds['sacct']:.2f}")
