"""`make bench-run`: a monthly run against the bare SQL that inserts the same rows.

`ADDRESSEES` and `CHARGES` choose the size (1,000 and 1,000,000). Drafting is what is compared; the
issue of the documents is timed beside it.
"""

import os
from datetime import date, timedelta

from django.db import connections

from accounts.models import User
from accounts.services import close
from core.actor import Actor
from hpcbilling.database_roles import DEFAULT, migration_alias
from hpcbilling.workflows import rate_pending
from pricing.models import Charge
from receipts.models import Receipt, RunEntry
from receipts.services import runs
from tests import bench, factories
from tests.factories import OCTOBER, Row

MONTH = date(2026, 10, 1)
CHARGES_OF_A_JOB = 2
JOBS_AT_ONCE = 50_000
TABLES = (*bench.DRAFTED, "receipts_runentry")


def build(addressees: int, charges: int) -> None:
    """Projects with as many jobs each, rated, in a closed month."""
    for number in range(addressees):
        factories.make_project(f"project{number}")
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
    close(month=MONTH, seal=lambda _period: {}, actor=factories.SYSTEM)
    with connections[migration_alias(DEFAULT)].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # what autovacuum does within minutes


def measure(addressees: int, charges: int) -> bench.Stopwatch:
    """Build a month, and time its run, the bare rows and the issue."""
    build(addressees, charges)
    watch = bench.Stopwatch()
    with watch.stage("run", "charges") as count:
        run = runs.start_run(month=MONTH, actor=factories.SYSTEM)
        runs.advance(run_id=run.pk, actor=factories.SYSTEM)
        count(Charge.objects.exclude(document_line=None).count())
    with bench.twins_of(*TABLES) as twins, watch.stage("bare INSERT", "rows") as count:
        count(twins.insert())
    clerk = Actor.of(User.objects.create_user("bench-clerk"))
    keys = list(RunEntry.objects.values_list("pk", flat=True))
    with watch.stage("approve and issue", "receipts") as count:
        runs.approve(entry_ids=keys, actor=clerk)
        runs.issue_approved(run_id=run.pk)
        count(Receipt.objects.filter(status="issued").count())
    return watch


def main() -> None:
    """Measure and print."""
    addressees = int(os.environ.get("ADDRESSEES") or "1000")
    watch = measure(addressees, int(os.environ.get("CHARGES") or "1000000"))
    found = watch.as_dict()
    for name, one in found.items():
        print(f"{name:18} {one['seconds']:>9} s {one['count']:>9} {one['unit']}")
    seconds = {name: float(one["seconds"]) for name, one in found.items()}
    print(f"run ÷ bare INSERT                  {seconds['run'] / seconds['bare INSERT']:.2f}")
    print(f"drafts a minute                    {60 * addressees / seconds['run']:.0f}")
    issued = 60 * addressees / seconds["approve and issue"]
    print(f"receipts issued a minute           {issued:.0f}")
