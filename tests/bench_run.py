"""`make bench-run`: a monthly run against the bare SQL that inserts the same rows.

`ADDRESSEES` and `CHARGES` choose the size (1,000 and 1,000,000). Drafting is what is compared, and
drafting with the issue beside it: an INSERT has nothing that is like an issue. Some documents are
printed, and the books checked at the end.

Seconds by the clock say much about who else uses the machine. So the processor time of this process
and of its servers' is told, too, where Linux tells it.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from django.db import connections

from accounts.models import User
from accounts.services import close
from core.actor import Actor
from hpcbilling.books.running import check_books
from hpcbilling.closing.seal import seal_of
from hpcbilling.database_roles import DEFAULT, migration_alias
from hpcbilling.workflows import rate_pending
from pricing.models import Charge
from receipts.models import Receipt, RunEntry
from receipts.services import runs
from receipts.services.files import pdf_file
from tests import bench, factories
from tests.factories import OCTOBER, Row

MONTH = date(2026, 10, 1)
CHARGES_OF_A_JOB = 2
JOBS_AT_ONCE = 50_000
PRINTED = 50
TABLES = (*bench.DRAFTED, "receipts_runentry")


class Clock(bench.Stopwatch):
    """A stopwatch that notes processor time, too: of Python and of PostgreSQL for it."""

    def __init__(self) -> None:
        super().__init__()
        self.work: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, unit: str) -> Iterator[Callable[[int], None]]:
        """Time the block, which says at its end how many things it did."""
        before = _worked()
        with super().stage(name, unit) as count:
            yield count
        self.work[name] = _worked() - before


def _worked() -> float:
    """Processor seconds so far of this process and of what serves its connections."""
    aliases = {DEFAULT, migration_alias(DEFAULT)}
    return time.process_time() + sum(_server_worked(alias) for alias in aliases)


def _server_worked(alias: str) -> float:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        told = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    if not told.exists():
        return 0.0
    fields = told.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def build(addressees: int, charges: int) -> None:
    """Projects with as many jobs each, rated, in a closed month."""
    for number in range(addressees):
        factories.make_project(f"project{number}")
    # New projects could price jobs that are there: that is looked for while there are none.
    rate_pending(actor=factories.SYSTEM)
    cluster = factories.make_cluster("bench")
    jobs, step = charges // CHARGES_OF_A_JOB, timedelta(days=30) / (charges // CHARGES_OF_A_JOB + 1)
    for first in range(1, jobs + 1, JOBS_AT_ONCE):
        numbers = range(first, min(first + JOBS_AT_ONCE, jobs + 1))
        rows = (
            Row(n, account=f"project{n % addressees}", end=OCTOBER.start + n * step, seconds=n)
            for n in numbers
        )
        factories.import_rows(cluster, *rows)
    rate_pending(actor=factories.SYSTEM)
    close(month=MONTH, seal=seal_of, actor=factories.SYSTEM)
    with connections[migration_alias(DEFAULT)].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # what autovacuum does within minutes


def measure() -> Clock:
    """Time the run of a month that was built, the bare rows, the issue, a check of the books."""
    watch = Clock()
    with watch.stage("run", "charges") as count:
        run = runs.start_run(month=MONTH, actor=factories.SYSTEM)
        runs.advance(run_id=run.pk, actor=factories.SYSTEM)
        count(Charge.objects.exclude(document_line=None).count())
    with bench.twins_of(*TABLES) as twins, watch.stage("bare INSERT", "rows") as count:
        count(twins.insert())
    clerk = Actor.of(User.objects.create_user("bench-clerk"))
    seen = runs.seen_in(RunEntry.objects.all())
    with watch.stage("approve and issue", "receipts") as count:
        runs.approve(seen=seen, actor=clerk)
        runs.issue_approved(run_id=run.pk)
        count(Receipt.objects.filter(status="issued").count())
    receipts = list(Receipt.objects.filter(status="issued").order_by("pk")[:PRINTED])
    with watch.stage("print", "documents") as count:
        for receipt in receipts:
            pdf_file(receipt=receipt)
        count(len(receipts))
    with watch.stage("check_books", "breaks") as count:
        for result in check_books():
            count(result.breaks)
            print(f"  {result.check.name:18} {result.seconds:>9.2f} s")
    return watch


def tell(watch: Clock) -> None:
    """Print the stages, the ratios and what was done in a minute."""
    found = watch.as_dict()
    seconds = {name: float(one["seconds"]) for name, one in found.items()}
    print(f"{'':18} {'clock':>11} {'processor':>11}")
    for name, one in found.items():
        work = watch.work[name]
        print(f"{name:18} {seconds[name]:>9.2f} s {work:>9.2f} s {one['count']:>9} {one['unit']}")
    for title, stages in (
        ("drafts", ["run"]),
        ("drafts and issue", ["run", "approve and issue"]),
    ):
        for name, times in (("clock", seconds), ("processor", watch.work)):
            ratio = sum(times[stage] for stage in stages) / max(times["bare INSERT"], 0.001)
            print(f"{f'{title} ÷ bare INSERT, {name}':40} {ratio:.2f}")
    counts = {name: int(one["count"]) for name, one in found.items()}
    drafts = counts["approve and issue"]
    for title, stage, number in (
        ("drafts", "run", drafts),
        ("receipts issued", "approve and issue", drafts),
        ("PDF documents", "print", counts["print"]),
    ):
        by_work = 60 * number / max(watch.work[stage], 0.001)
        print(
            f"{title} a minute: {60 * number / seconds[stage]:.0f} by the clock,"
            f" {by_work:.0f} of processor time"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MiB")


def main() -> None:
    """Build, measure and print."""
    build(int(os.environ.get("ADDRESSEES") or "1000"), int(os.environ.get("CHARGES") or "1000000"))
    tell(measure())
