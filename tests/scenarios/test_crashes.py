"""A worker is killed with -9 again and again; in the end the books are as if nothing had been."""

import json
import os
import random
import signal
from pathlib import Path

import pytest
from celery import Celery
from django.db import connection

from audit.selectors import verify_chain
from core.locks import Space
from hpcbilling import workflows
from hpcbilling.state_digest import Part, parts
from pricing.models import Charge, JobRating
from pricing.selectors import jobs_to_rate
from tests import databases
from tests.databases import Database
from tests.scenarios.conftest import (
    SITE,
    as_file,
    demo_cluster,
    longer,
    paying_projects,
    recorded_rows,
    running,
    wait_until,
)
from usage.models import ImportRun, Job, JobRevision
from usage.selectors import IS_HELD
from usage.services import prepare_import

pytestmark = pytest.mark.slow

ROWS = 3000
SEED = 20261121
ANY_STEP = "."
NEW_JOBS = "INSERT INTO usage_job "
NEW_CHARGES = '^(SQL INSERT INTO|COPY COPY) "pricing_charge"'
NEXT_RATING = 'SELECT .*"pricing_jobrating"'


def deaths() -> list[tuple[str, int]]:
    """Twenty places to die in, from the first row of the import to the last batch of rating."""
    somewhere = random.Random(SEED)
    return [
        ('SELECT .*"usage_evidencechunk"', 1),
        ('COPY "usage_stage"', 2),
        ("INSERT INTO usage_jobrevision", 1),
        ("UPDATE usage_job ", 2),
        ("before commit", 2),
        ("after commit", 2),
        (NEW_JOBS, 1),
        (ANY_STEP, somewhere.randint(10, 40)),
        (ANY_STEP, somewhere.randint(10, 40)),
        # The end of the import: its event, its commit, and the moment before rating begins.
        ('INSERT INTO "audit_auditevent"', 1),
        ('UPDATE "usage_importrun" SET "status"', 1),
        (NEXT_RATING, 1),
        (NEW_CHARGES, 1),
        ('"pricing_jobrating".*', 3),
        ('INSERT INTO "audit_auditevent"', 1),
        ("before commit", 1),
        ("after commit", 1),
        (ANY_STEP, somewhere.randint(10, 40)),
        (ANY_STEP, somewhere.randint(10, 40)),
        ("after commit", 3),
    ]


def set_up() -> ImportRun:
    """Half of the rows are there and charged; the import to come has all, some of them changed."""
    paying_projects()
    cluster, rows = demo_cluster(), recorded_rows(ROWS)
    workflows.import_usage(
        cluster=cluster, stream=as_file(rows[: ROWS // 2]), origin="half", actor=SITE
    )
    changed = [longer(row, 60) if place % 7 == 0 else row for place, row in enumerate(rows)]
    return prepare_import(cluster=cluster, stream=as_file(changed), origin="all", actor=SITE)


_CALM: dict[str, Part] = {}


@pytest.fixture
def undisturbed(committed_db: Database) -> dict[str, Part]:
    """What the books say after the same import with nobody dying; found out once."""
    if not _CALM:
        database = databases.clone(f"{committed_db.name}_calm")
        databases.point_at(database.name)
        workflows.finish_import(run_id=set_up().pk, actor=SITE)
        _CALM.update(parts())
        databases.point_at(committed_db.name)
        databases.drop(database.name)
    return _CALM


def done(run: ImportRun) -> bool:
    run.refresh_from_db()
    return run.status == ImportRun.Status.COMPLETE and not jobs_to_rate().exists()


def check_nothing_is_lost_or_doubled(undisturbed: dict[str, Part]) -> None:
    assert parts() == undisturbed
    assert verify_chain().broken is None
    assert JobRevision.objects.exists()
    assert Charge.objects.filter(generation=2, reverses=None).exists()
    assert not Job.objects.filter(IS_HELD).exists()
    rated = JobRating.objects.filter(status="rated").values("job")
    live = Charge.objects.filter(reverses=None, reversal=None).values("job").distinct()
    assert rated.count() == live.count()


def test_twenty_deaths_change_nothing(
    committed_db: Database, own_redis: str, undisturbed: dict[str, Part], tmp_path: Path
) -> None:
    run = set_up()
    ImportRun.objects.filter(pk=run.pk).update(status=ImportRun.Status.RUNNING)
    deaths_log = tmp_path / "deaths.txt"
    deaths_log.touch()
    places = deaths()
    assert len(places) == 20
    command = ["tests.scenarios.mortal_worker", json.dumps(places), str(deaths_log)]
    with running(command, committed_db, own_redis, tmp_path / "worker.log") as worker:
        wait_until(
            lambda: (
                len(deaths_log.read_text().splitlines()) == 20 or worker.process.poll() is not None
            ),
            180,
            lambda: f"all deaths: {deaths_log.read_text()}",
        )
        assert worker.process.poll() is None, worker.log_tail()
        wait_until(lambda: done(run), 180, worker.log_tail)
    check_nothing_is_lost_or_doubled(undisturbed)


CELERY = ["celery", "-A", "hpcbilling", "worker", "--concurrency", "2", "--loglevel", "ERROR"]


@pytest.mark.parametrize("whole_group", [True, False])
def test_a_killed_pool_is_replaced_by_another(
    committed_db: Database,
    own_redis: str,
    undisturbed: dict[str, Part],
    tmp_path: Path,
    whole_group: bool,
) -> None:
    """As production runs it. Without its parent, the child goes on for a while beside the new
    worker: then both may want the same import, and one of them has it."""
    run = set_up()
    app = Celery(broker=own_redis, set_as_current=False)
    log = tmp_path / "worker.log"
    with running(CELERY, committed_db, own_redis, log) as first:
        app.send_task("hpcbilling.run_import", args=(run.pk,))
        wait_until(lambda: has_begun(run), 180, first.log_tail)
        kill = os.killpg if whole_group else os.kill
        kill(first.process.pid, signal.SIGKILL)
        first.process.wait(10)
        assert not done(run)
        with running(CELERY, committed_db, own_redis, log) as second:
            for task in ("hpcbilling.resume", "hpcbilling.rate_pending"):
                app.send_task(task)
            # The next round of the schedule, for what the orphan still held at the first.
            wait_until(lambda: orphans_left(run) == 0, 180, second.log_tail)
            for task in ("hpcbilling.resume", "hpcbilling.rate_pending"):
                app.send_task(task)
            wait_until(lambda: done(run), 180, second.log_tail)
    check_nothing_is_lost_or_doubled(undisturbed)


def has_begun(run: ImportRun) -> bool:
    run.refresh_from_db()
    return run.rows_read > 0


def orphans_left(run: ImportRun) -> int:
    """How many sessions hold the import's lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE datname = current_database() AND locktype = 'advisory' AND classid = %s",
            [int(Space.IMPORT_RUN)],
        )
        return int(cursor.fetchone()[0])
