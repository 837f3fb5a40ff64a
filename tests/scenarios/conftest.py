"""What scenarios with several processes share."""

import contextlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accounts.models import Project, ProjectTier, Tier
from core.actor import Actor
from hpcbilling.demo.generator import table
from hpcbilling.demo.jobs import Usage
from hpcbilling.demo.recordings import Row
from hpcbilling.embedded import services
from hpcbilling.embedded.process import Server
from tests.databases import Database
from usage.models import Cluster
from usage.services import create_cluster

PROJECT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 20, 5, tzinfo=UTC)
SITE = Actor.system("test")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def own_redis() -> Iterator[str]:
    """A Redis of the test's own: workers must not take up what other tests left in the queue."""
    with services.throw_away({"DATABASE_URL": os.environ["DATABASE_URL"]}) as found:
        yield found["REDIS_URL"]


def paying_projects() -> list[Project]:
    """Make the projects of the generated accounts, all with a tier."""
    made = []
    for code, tier in (("pi_suda", "mu"), ("pi_niran", "gov"), ("pi_wichai", "private")):
        project = Project.objects.create(code=code, name=code)
        ProjectTier.objects.create(
            project=project, tier=Tier.objects.get(code=tier), starts_at=LONG_AGO
        )
        made.append(project)
    return made


def demo_cluster() -> Cluster:
    return create_cluster(name="demo", time_zone="UTC", actor=SITE)


def recorded_rows(count: int) -> list[Row]:
    """Rows of ended jobs from the demo's generator, the same each time."""
    usage = Usage(NOON)
    ended = [row for row in usage.rows["demo"] if int(row["End"]) < usage.snapshot_at.timestamp()]
    assert len(ended) >= count
    return ended[:count]


def longer(row: Row, seconds: int) -> Row:
    """The row as Slurm would show it after a correction: it ended later."""
    if not row["Start"].isdigit():
        return row
    return {
        **row,
        "End": str(int(row["End"]) + seconds),
        "ElapsedRaw": str(int(row["ElapsedRaw"]) + seconds),
    }


def as_file(rows: list[Row]) -> io.BytesIO:
    return io.BytesIO(table(rows))


def wait_until(true: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"not within {seconds} s: {what()}"
        time.sleep(0.1)


@contextmanager
def running(
    command: list[str], database: Database, redis: str, log: Path, **variables: str
) -> Iterator[Server]:
    """Another process of the site, with all that it starts in a group of its own."""
    server = Server.start(
        "worker",
        [sys.executable, "-m", *command],
        log=log,
        account=None,
        stop_signal=signal.SIGTERM,
        variables={
            **os.environ,
            "DATABASE_URL": database.url,
            "REDIS_URL": redis,
            "LOG_LEVEL": "ERROR",
            **variables,
        },
        cwd=PROJECT,
    )
    try:
        yield server
    finally:
        server.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
