"""Two beats and two workers at once: a night's pull happens once, however often it is asked for."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from audit.models import AuditEvent
from audit.selectors import verify_chain
from pricing.models import Charge
from pricing.selectors import jobs_to_rate
from tests.databases import Database
from tests.scenarios.conftest import (
    as_file,
    demo_cluster,
    paying_projects,
    recorded_rows,
    running,
    wait_until,
)
from usage.models import Cluster, ImportRun, Job, Pull, Source

CELERY = ["celery", "-A", "hpcbilling"]
WORKER = [*CELERY, "worker", "--concurrency", "1", "--loglevel", "INFO"]
BEAT = [*CELERY, "beat", "--pidfile=", "--loglevel", "INFO", "--max-interval", "1"]
SENT = "Sending due task Start pulls that are due"


def sent(log: Path) -> int:
    return log.read_text().count(SENT) if log.exists() else 0


@pytest.mark.slow
def test_two_beats_make_one_pull(committed_db: Database, own_redis: str, tmp_path: Path) -> None:
    paying_projects()
    cluster, rows = demo_cluster(), recorded_rows(1500)
    Source.objects.create(cluster=cluster, kind="folder", place="demo")
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "a.psv").write_bytes(as_file(rows[:1000]).read())
    (folder / "b.psv").write_bytes(as_file(rows[1000:]).read())
    second = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    pull = PeriodicTask.objects.get(task="hpcbilling.start_due_pulls")
    PeriodicTask.objects.exclude(pk=pull.pk).update(enabled=False)
    pull.interval, pull.expire_seconds = second, None
    Cluster.objects.update(created_at=timezone.now() - timedelta(days=2))
    pull.save()
    slots = {timezone.localdate()}
    with ExitStack() as stack:
        logs = {name: tmp_path / f"{name}.log" for name in ("worker1", "worker2", "beat1", "beat2")}
        for name, log in logs.items():
            command = BEAT if name.startswith("beat") else [*WORKER, "--hostname", f"{name}@test"]
            settings = {"DROP_FOLDER_ROOT": str(tmp_path), "LOG_LEVEL": "INFO"}
            stack.enter_context(running(command, committed_db, own_redis, log, **settings))
        wait_until(
            lambda: min(sent(logs["beat1"]), sent(logs["beat2"])) >= 3 and pull_is_done(),
            90,
            lambda: "\n".join(log.read_text()[-1000:] for log in logs.values()),
        )
    slots.add(timezone.localdate())
    # Usually one; the night may have changed while the test ran.
    assert Pull.objects.filter(kind="nightly").count() <= len(slots)
    first = Pull.objects.earliest("pk")
    assert (first.files, first.error) == (2, "")
    assert ImportRun.objects.filter(status="complete").count() == ImportRun.objects.count() == 2
    assert AuditEvent.objects.filter(action="import.finished").count() == 2
    assert Job.objects.count() == 1500
    assert Charge.objects.exists()
    assert not jobs_to_rate().exclude(rating__status="unpriced").exists()
    assert verify_chain().broken is None


def pull_is_done() -> bool:
    return Pull.objects.filter(finished_at__isnull=False).exists()
