"""`make bench`: how fast the main job goes on this machine, stage by stage, and against what.

`JOBS` chooses the number of jobs, `SEED` the rows. Throw-away servers do not wait for the disk, so
writing is faster here than on a site.

Seconds say something about a machine; the ratios at the end say something about the program. They
compare a stage with what PostgreSQL alone needs, in the same run, for the rows that the stage left:
tables with the same columns, indexes and checks, but without triggers and foreign keys.

`make bench-memory` imports a large and a small file in a process each and compares what they held.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.models import Project
from audit.selectors import verify_chain
from core.intervals import Interval
from hpcbilling import workflows
from hpcbilling.database_roles import DEFAULT, migration_alias
from pricing.models import Charge
from receipts.models import LineCharge, Receipt
from receipts.services import draft_receipt, issue_receipt
from receipts.services.files import pdf_file
from tests import bench_rows, bench_study, factories
from tests.bench_rows import FIRST_END, PROJECTS, WINDOW_END
from usage.models import Cluster
from usage.services import prepare_import, run_import
from usage.sources.formats import open_reader

IMPORTED = ("usage_job", "pricing_charge", "pricing_jobrating")
DRAFTED = ("receipts_receipt", "receipts_line", "receipts_linecharge")
MOST_DRAFTED = 200_000
"""Above so many jobs documents are left out: no project bills a million jobs in one receipt."""
MEMORY_JOBS = (100_000, 5_000_000)
_BLOCK = 1 << 20


@dataclass
class Stopwatch:
    """Seconds and number of things, by stage, in the order of the stages."""

    stages: dict[str, tuple[float, int, str]] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, unit: str) -> Iterator[Callable[[int], None]]:
        """Time the block, which says at its end how many things it did."""
        counted: list[int] = []
        start = time.perf_counter()
        yield counted.append
        self.stages[name] = (time.perf_counter() - start, sum(counted), unit)

    def as_dict(self) -> dict[str, dict[str, float | str]]:
        return {
            name: {
                "seconds": round(seconds, 3),
                "count": count,
                "unit": unit,
                "per_second": round(count / seconds) if seconds else 0,
            }
            for name, (seconds, count, unit) in self.stages.items()
        }


class Twins:
    """Empty tables that are like some of ours, filled with the rows that ours hold now."""

    def __init__(self, connection: BaseDatabaseWrapper, tables: Sequence[str]) -> None:
        self._connection = connection
        self._tables = tables

    def copy(self, count: Callable[[int], None], timed: Callable[[float], None]) -> None:
        """Fill them by COPY from a file that was read before, in blocks: nothing is faster."""
        for table in self._tables:
            with tempfile.TemporaryFile() as rows:
                self._unload(table, rows)
                start = time.perf_counter()
                count(self._load(table, rows))
                timed(time.perf_counter() - start)

    def _unload(self, table: str, into: BinaryIO) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copy:
            into.writelines(copy)
        into.seek(0)

    def _load(self, table: str, rows: BinaryIO) -> int:
        with self._connection.cursor() as cursor:
            with cursor.copy(f"COPY bench_{table} FROM STDIN") as copy:
                while block := rows.read(_BLOCK):
                    copy.write(block)
            return int(cursor.rowcount)

    def insert(self) -> int:
        """Fill them by INSERT from our tables; returns the number of rows."""
        rows = 0
        for table in self._tables:
            with self._connection.cursor() as cursor:
                cursor.execute(f"INSERT INTO bench_{table} SELECT * FROM {table}")
                rows += cursor.rowcount
        return rows


@contextmanager
def twins_of(*tables: str) -> Iterator[Twins]:
    """Make empty twins of some tables, and drop them afterwards."""
    connection = connections[migration_alias(DEFAULT)]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
    yield Twins(connection, tables)
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DROP TABLE bench_{table}")


def import_file(cluster: Cluster, stream: BinaryIO, watch: Stopwatch, name: str) -> int:
    """Time an import without its rating; returns how many jobs it read."""
    with watch.stage(name, "jobs") as count:
        run = prepare_import(cluster=cluster, stream=stream, origin="bench", actor=factories.SYSTEM)
        count(run_import(run_id=run.pk, actor=factories.SYSTEM).jobs)
    return run.pk


def _vacuum() -> None:
    """What autovacuum does within minutes, on one of two cores: no night's import meets it."""
    with connections[migration_alias(DEFAULT)].cursor() as cursor:
        for table in IMPORTED:
            cursor.execute(f"VACUUM ANALYZE {table}")


def measure_usage(jobs: int, *, seed: int = 1) -> Stopwatch:
    """Import and rate `jobs` jobs once, on an empty, migrated database, and import them again."""
    watch = Stopwatch()
    for number in range(PROJECTS):
        factories.make_project(f"project{number}")
    cluster = factories.make_cluster("bench")
    with tempfile.TemporaryFile() as content:
        bench_rows.write(content, jobs, seed=seed)
        with watch.stage("read", "rows") as count:
            count(sum(1 for _ in open_reader(content, now=WINDOW_END)))
        content.seek(0)
        import_file(cluster, content, watch, "import")
        with watch.stage("rate", "jobs") as count:
            outcome = workflows.rate_pending(actor=factories.SYSTEM)
            count(outcome.rated + outcome.exempt)
        with twins_of(*IMPORTED) as twins:
            rows: list[int] = []
            seconds: list[float] = []
            twins.copy(rows.append, seconds.append)
        watch.stages["bare COPY of jobs"] = seconds[0], rows[0], "rows"
        watch.stages["bare COPY of all"] = sum(seconds), sum(rows), "rows"
        _vacuum()
        # One byte more makes it another input with the same jobs.
        content.seek(0, os.SEEK_END)
        content.write(b"\n")
        content.seek(0)
        import_file(cluster, content, watch, "import again")
    return watch


def measure_documents(watch: Stopwatch) -> None:
    """Draft, issue and print receipts for what was rated."""
    projects = Project.objects.filter(pk__in=Charge.objects.values("project")).order_by("code")
    window = Interval(FIRST_END, WINDOW_END)
    with watch.stage("draft", "charges") as count:
        drafts = [
            draft_receipt(project_id=project.pk, window=window, actor=factories.SYSTEM)
            for project in projects
        ]
        count(LineCharge.objects.count())
    with twins_of(*DRAFTED) as twins, watch.stage("bare INSERT", "rows") as count:
        count(twins.insert())
    with watch.stage("issue", "receipts") as count:
        for draft in drafts:
            issue_receipt(receipt_id=draft.pk, actor=factories.SYSTEM)
        count(len(drafts))
    with watch.stage("print", "documents") as count:
        for receipt in Receipt.objects.filter(pk__in=[draft.pk for draft in drafts]):
            pdf_file(receipt=receipt)
        count(len(drafts))
    with watch.stage("audit_verify", "events") as count:
        count(verify_chain().events)


def measure(jobs: int, *, seed: int = 1) -> Stopwatch:
    """Run the main job once over `jobs` jobs; documents only for so many as one would bill."""
    watch = measure_usage(jobs, seed=seed)
    studied, plain, charges = bench_study.seconds_of_study()
    watch.stages["study of a draft"] = studied, charges, "charges"
    watch.stages["one GROUP BY pass"] = plain, charges, "charges"
    if jobs <= MOST_DRAFTED:
        measure_documents(watch)
    return watch


def ratios(watch: Stopwatch) -> dict[str, float]:
    """How many times as long each of our stages took as what it is measured against."""
    seconds = {name: found[0] for name, found in watch.stages.items()}
    found = {
        "import + rate ÷ bare COPY": (seconds["import"] + seconds["rate"])
        / seconds["bare COPY of all"],
        "import ÷ bare COPY of jobs": seconds["import"] / seconds["bare COPY of jobs"],
        "unchanged import ÷ first import": seconds["import again"] / seconds["import"],
        "rate ÷ bare COPY of what it wrote": seconds["rate"]
        / (seconds["bare COPY of all"] - seconds["bare COPY of jobs"]),
    }
    if "study of a draft" in seconds:
        found["study ÷ one GROUP BY pass"] = (
            seconds["study of a draft"] / seconds["one GROUP BY pass"]
        )
    if "draft" in seconds:
        found["draft ÷ bare INSERT"] = seconds["draft"] / seconds["bare INSERT"]
    return found


def main() -> None:
    """Measure and print, for `make bench`."""
    jobs, seed = int(os.environ.get("JOBS") or "100000"), int(os.environ.get("SEED") or "1")
    watch = measure(jobs, seed=seed)
    for name, found in watch.as_dict().items():
        print(
            f"{name:18} {found['seconds']:>9} s {found['count']:>9} {found['unit']:8}"
            f"{found['per_second']:>9} a second"
        )
    for name, ratio in ratios(watch).items():
        print(f"{name:34} {ratio:.2f}")
    for way, thorough in (("in SQL", False), ("by the engine", True)):
        few, many = bench_study.memory(thorough=thorough)
        print(f"study {way}: peak of 3 days {few} MiB, of 30 days {many} MiB")


def hold(jobs: int) -> None:
    """Import so many jobs in this process and print the most memory that it held, in MiB."""
    cluster = factories.make_cluster(f"memory{jobs}")
    with tempfile.TemporaryFile() as content:
        bench_rows.write(content, jobs, seed=jobs)
        import_file(cluster, content, Stopwatch(), "import")
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def compare_memory() -> None:
    """Import a small and a large file in a process each, for `make bench-memory`."""
    few, many = (_peak_mib(jobs) for jobs in MEMORY_JOBS)
    for jobs, peak in zip(MEMORY_JOBS, (few, many), strict=True):
        print(f"peak at {jobs:>9} jobs {peak:>6} MiB")
    print(f"{'peak of many ÷ peak of few':32} {many / few:.2f}")


def _peak_mib(jobs: int) -> int:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "--command"]
    script = f"from tests import bench; bench.hold({jobs})"
    done = subprocess.run([*command, script], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])
