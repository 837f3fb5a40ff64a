"""`make bench`: how fast the main job goes on this machine, stage by stage.

`JOBS` chooses the number of jobs. They are made from a fixed pattern, so two runs measure the same
work. Throw-away servers do not wait for the disk, so writing is faster here than on a site.
"""

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from audit.selectors import verify_chain
from core.intervals import Interval
from hpcbilling import workflows
from receipts.services import create_receipt
from tests import factories
from tests.factories import Row, sacct
from usage.services import prepare_import, run_import
from usage.sources.sacct import SacctReader

PROJECTS = 10
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
    return sacct(
        *(
            Row(
                job_id=number + 1,
                user=f"user{number % 50}",
                account=f"project{number % PROJECTS}",
                end=(FIRST_END + timedelta(hours=12) + step * number).replace(microsecond=0),
                seconds=60 + number * 37 % 36_000,
                tres=TRES[number % len(TRES)],
            )
            for number in range(jobs)
        )
    )


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
    with watch.stage("import again", "jobs") as count:
        factories.import_bytes(cluster, content + b"\n")
        count(jobs)
    with watch.stage("receipts", "charges") as count:
        for project in projects:
            receipt = create_receipt(
                project_id=project.pk, window=Interval(FIRST_END, WINDOW_END), actor=actor
            )
            count(sum(line.charge_links.count() for line in receipt.lines.all()))
    with watch.stage("audit_verify", "events") as count:
        count(verify_chain().events)
    return watch


def main() -> None:
    for name, found in measure(int(os.environ.get("JOBS") or "20000")).as_dict().items():
        print(
            f"{name:14} {found['seconds']:>9} s {found['count']:>9} {found['unit']:8}"
            f"{found['per_second']:>9} a second"
        )
