"""`make bench`: how fast the main job goes on this machine, stage by stage, and against what.

`JOBS` chooses the number of jobs. They are made from a fixed pattern, so two runs measure the same
work. Throw-away servers do not wait for the disk, so writing is faster here than on a site.

Seconds say something about a machine; the ratios at the end say something about the program. They
compare a stage with what PostgreSQL alone needs, in the same run, for the rows that the stage left:
tables with the same columns, indexes and checks, but without triggers and foreign keys.
"""

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from audit.selectors import verify_chain
from core.intervals import Interval
from hpcbilling import workflows
from hpcbilling.database_roles import DEFAULT, migration_alias
from receipts.models import LineCharge
from receipts.services import draft_receipt, issue_receipt
from tests import factories
from usage.services import prepare_import, run_import
from usage.sources.sacct import SacctReader

COLUMNS = (
    "JobIDRaw", "JobID", "User", "Account", "Partition", "QOS", "State", "Submit", "Start", "End",
    "ElapsedRaw", "Suspended", "NodeList", "ReqTRES", "AllocTRES", "JobName",
)  # fmt: skip
"""What the documented sacct command gives."""
PROJECTS = 10
IMPORTED = ("usage_job", "pricing_charge", "pricing_jobrating")
DRAFTED = ("receipts_receipt", "receipts_line", "receipts_linecharge")
FIRST_END = datetime(2026, 10, 1, tzinfo=UTC)
WINDOW_END = datetime(2026, 11, 1, tzinfo=UTC)
TRES = (
    "cpu=4,mem=8192M,node=1,billing=4",
    "cpu=64,mem=256G,node=2,billing=64",
    "cpu=8,mem=64G,node=1,billing=8,gres/gpu=2,gres/gpu:a100=2",
)


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


def usage_file(jobs: int) -> bytes:
    """`jobs` jobs of ten projects that ended in October 2026, as sacct prints them."""
    step = (WINDOW_END - FIRST_END - timedelta(days=1)) / max(jobs, 1)
    lines = ["|".join(COLUMNS)]
    for number in range(jobs):
        end = int((FIRST_END + timedelta(hours=12) + step * number).timestamp())
        seconds = 60 + number * 37 % 36_000
        tres = TRES[number % len(TRES)]
        cells = (
            number + 1, number + 1, f"user{number % 50}", f"project{number % PROJECTS}", "cpu",
            "normal", "COMPLETED", end - seconds - 60, end - seconds, end, seconds, "00:00:00",
            f"n{number % 40}", tres, tres, f"job {number % 500}",
        )  # fmt: skip
        lines.append("|".join(map(str, cells)))
    return ("\n".join(lines) + "\n").encode()


class Twins:
    """Empty tables that are like some of ours, filled with the rows that ours hold now."""

    def __init__(self, connection: BaseDatabaseWrapper, tables: Sequence[str]) -> None:
        self._connection = connection
        self._tables = tables
        self._rows = {table: self._read(table) for table in tables}

    def _read(self, table: str) -> list[bytes]:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copy:
            return [bytes(block) for block in copy]

    def copy(self) -> int:
        """Fill them by COPY from memory; returns the number of rows."""
        rows = 0
        for table, blocks in self._rows.items():
            with self._connection.cursor() as cursor:
                with cursor.copy(f"COPY bench_{table} FROM STDIN") as copy:
                    for block in blocks:
                        copy.write(block)
                rows += cursor.rowcount
        return rows

    def insert(self) -> int:
        """Fill them by INSERT from our tables; returns the number of rows."""
        rows = 0
        for table in self._tables:
            with self._connection.cursor() as cursor:
                cursor.execute(f"INSERT INTO bench_{table} SELECT * FROM {table}")
                rows += cursor.rowcount
        return rows


@contextmanager
def _twins(*tables: str) -> Iterator[Twins]:
    connection = connections[migration_alias(DEFAULT)]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
    yield Twins(connection, tables)
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DROP TABLE bench_{table}")


def measure(jobs: int) -> Stopwatch:
    """Run the main job once over `jobs` jobs, on an empty, migrated database."""
    watch = Stopwatch()
    actor = factories.SYSTEM
    projects = [factories.make_project(f"project{number}") for number in range(PROJECTS)]
    cluster = factories.make_cluster("bench")
    content = usage_file(jobs)

    with watch.stage("read", "rows") as count:
        count(sum(1 for _ in SacctReader([content], now=WINDOW_END)))
    with watch.stage("import", "jobs") as count:
        run = prepare_import(
            cluster=cluster, stream=io.BytesIO(content), origin="bench", actor=actor
        )
        run_import(run_id=run.pk, actor=actor)
        count(jobs)
    with watch.stage("rate", "jobs") as count:
        outcome = workflows.rate_pending(actor=actor)
        count(outcome.rated)
    with _twins(*IMPORTED) as twins, watch.stage("bare COPY", "rows") as count:
        count(twins.copy())
    with watch.stage("import again", "jobs") as count:
        factories.import_bytes(cluster, content + b"\n")
        count(jobs)
    window = Interval(FIRST_END, WINDOW_END)
    with watch.stage("draft", "charges") as count:
        drafts = [
            draft_receipt(project_id=project.pk, window=window, actor=actor) for project in projects
        ]
        count(LineCharge.objects.count())
    with _twins(*DRAFTED) as twins, watch.stage("bare INSERT", "rows") as count:
        count(twins.insert())
    with watch.stage("issue", "receipts") as count:
        for draft in drafts:
            issue_receipt(receipt_id=draft.pk, actor=actor)
        count(len(drafts))
    with watch.stage("audit_verify", "events") as count:
        count(verify_chain().events)
    return watch


def ratios(watch: Stopwatch) -> dict[str, float]:
    """How many times as long each of our stages took as what it is measured against."""
    seconds = {name: found[0] for name, found in watch.stages.items()}
    return {
        "import + rate ÷ bare COPY": (seconds["import"] + seconds["rate"]) / seconds["bare COPY"],
        "unchanged import ÷ first import": seconds["import again"] / seconds["import"],
        "draft ÷ bare INSERT": seconds["draft"] / seconds["bare INSERT"],
    }


def main() -> None:
    watch = measure(int(os.environ.get("JOBS") or "20000"))
    for name, found in watch.as_dict().items():
        print(
            f"{name:14} {found['seconds']:>9} s {found['count']:>9} {found['unit']:8}"
            f"{found['per_second']:>9} a second"
        )
    for name, ratio in ratios(watch).items():
        print(f"{name:32} {ratio:.2f}")
