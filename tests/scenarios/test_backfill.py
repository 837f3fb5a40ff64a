"""A backfill over Celery: the same books with one, two or four workers, with every message
delivered twice, and with a worker killed by -9 twenty times."""

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings

from audit.selectors import verify_chain
from core.canonical import canonical_json
from hpcbilling.pulls import running as reading
from hpcbilling.state_digest import parts
from pricing.models import Charge
from pricing.selectors import jobs_to_rate
from tests import databases
from tests.databases import Database
from tests.factories import make_project
from tests.scenarios.conftest import SITE, running, wait_until
from tests.usage.sources.history import History, slurm
from usage.merge import VALUE_FIELDS
from usage.models import Cluster, ImportRun, Job, Pull, Source, Window
from usage.pulls import ADVANCE_TASK, plan_backfill
from usage.services import create_cluster

pytestmark = pytest.mark.slow

DAYS, EACH_DAY = 24, 8
KILLS, SEED = 20, 20261121
WORKER = ["celery", "-A", "hpcbilling", "worker", "--pool", "solo", "--loglevel", "ERROR"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
Digest = tuple[int, str, object, object]
_CALM: list[Digest] = []


@pytest.fixture(scope="module")
def connections(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A slurmrestd with a history in which some jobs run over midnight, into two windows."""
    history = History(days=DAYS, each_day=EACH_DAY, over_midnight=True)
    with slurm(history, tmp_path_factory.mktemp("slurm")) as file:
        settings.SLURM_CONNECTIONS = str(file)
        yield file
        settings.SLURM_CONNECTIONS = ""


def backfill() -> Pull:
    """A cluster that nothing is known of, and the plan to read all of it."""
    make_project("genomics")
    cluster = create_cluster(name="erawan", time_zone="UTC", actor=SITE)
    Source.objects.create(cluster=cluster, kind="slurmrestd", place="main")
    since = History().today - timedelta(days=DAYS)
    until = History().today - timedelta(days=1)
    return plan_backfill(cluster=cluster, since=since, until=until, actor=SITE)


def digest() -> Digest:
    """Jobs by what they say, and their ratings and charges. Which of two windows brought a job that
    runs over midnight is left out: either has it whole."""
    found = hashlib.sha256()
    rows = Job.objects.order_by("job_id", "submit")
    for row in rows.values_list("job_id", "submit", "revision", "fingerprint", *VALUE_FIELDS):
        found.update(canonical_json(row).encode() + b"\n")
    books = parts()
    return rows.count(), found.hexdigest(), books["ratings"], books["charges"]


@contextmanager
def another(database: Database, name: str) -> Iterator[Database]:
    """A fresh database beside the test's own."""
    other = databases.clone(f"{database.name}_{name}")
    databases.point_at(other.name)
    yield other
    databases.point_at(database.name)
    databases.drop(other.name)


@pytest.fixture
def calm(committed_db: Database, connections: Path) -> Digest:
    """The books after the same backfill, read by one process without any trouble; found once."""
    if not _CALM:
        with another(committed_db, "calm"):
            reading.run_pull(pull_id=backfill().pk, actor=SITE)
            assert Job.objects.count() == DAYS * EACH_DAY
            assert Charge.objects.values("job").distinct().count() == DAYS * EACH_DAY
            _CALM.append(digest())
    return _CALM[0]


def is_done(pull: Pull) -> bool:
    pull.refresh_from_db()
    unpriced = jobs_to_rate().exclude(rating__status="unpriced")
    return pull.finished_at is not None and not unpriced.exists()


def check(pull: Pull, calm: Digest) -> None:
    assert digest() == calm
    assert pull.error == ""
    assert set(pull.windows.values_list("status", flat=True)) == {Window.Status.READ}
    assert pull.windows.count() == DAYS
    assert set(ImportRun.objects.values_list("status", flat=True)) == {ImportRun.Status.COMPLETE}
    assert Cluster.objects.get().runs.count() == DAYS
    assert verify_chain().broken is None


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_however_many_workers_and_messages(
    committed_db: Database,
    own_redis: str,
    calm: Digest,
    connections: Path,
    tmp_path: Path,
    workers: int,
) -> None:
    pull = backfill()
    send = Celery(broker=own_redis)
    logs = [tmp_path / f"{number}.log" for number in range(workers)]
    with ExitStack() as stack:
        for number, log in enumerate(logs):
            command = [*WORKER, *QUIET, "--hostname", f"w{number}@test"]
            variables = {"SLURM_CONNECTIONS": str(connections)}
            stack.enter_context(running(command, committed_db, own_redis, log, **variables))
        for _delivery in range(2 * workers):
            send.send_task(ADVANCE_TASK, args=(pull.pk,))
        wait_until(
            lambda: is_done(pull), 150, lambda: "\n".join(log.read_text()[-800:] for log in logs)
        )
    check(pull, calm)


def deaths() -> list[tuple[str, int]]:
    """Twenty places to die in: those that matter, and any."""
    somewhere = random.Random(SEED)
    places = [
        ('UPDATE "usage_window" SET "attempts"', 1),
        ('"usage_evidence"', 1),
        ('INSERT INTO "usage_importrun"', 1),
        ('"usage_evidencechunk"', 2),
        ("before commit", 3),
        ("after commit", 3),
        ("usage_importrun", 4),
        ('UPDATE "usage_window" SET "status"', 1),
        ('UPDATE "usage_window" SET "status"', 2),
        ('INSERT INTO "audit_auditevent"', 2),
        ("pg_advisory_unlock", 2),
    ]
    return places + [(".", somewhere.randint(15, 60)) for _ in range(KILLS - len(places))]


def test_a_worker_that_is_killed_twenty_times(
    committed_db: Database, own_redis: str, calm: Digest, connections: Path, tmp_path: Path
) -> None:
    pull = backfill()
    killed = tmp_path / "killed"
    killed.touch()
    command = ["tests.scenarios.mortal_worker", json.dumps(deaths()), str(killed)]
    log = tmp_path / "log"
    variables = {"SLURM_CONNECTIONS": str(connections)}
    with running(command, committed_db, own_redis, log, **variables):
        wait_until(
            lambda: len(killed.read_text().splitlines()) == KILLS and is_done(pull),
            400,
            lambda: killed.read_text() + log.read_text()[-2000:],
        )
    check(pull, calm)
    assert max(pull.windows.values_list("attempts", flat=True)) > 1
