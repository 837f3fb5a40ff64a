"""Importers at the same moment, each with its own connection: as if one came after the other."""

import random
from collections.abc import Callable, Iterable
from datetime import timedelta

from hpcbilling.state_digest import parts
from tests import databases
from tests.databases import Database
from tests.factories import COLUMNS, OCTOBER, Row, make_cluster
from tests.racing import race
from tests.usage.loading import load, table
from usage.models import Cluster, ImportRun, Job, JobRevision

JOBS = 200
BATCH = 20


def facts(number: int, **changes: str) -> dict[str, str]:
    row = Row(number, end=OCTOBER.start + timedelta(hours=number))
    return dict(zip(COLUMNS, row.text().split("|"), strict=True)) | changes


def window(numbers: Iterable[int], name: str) -> bytes:
    """A file with these jobs, in an order of its own."""
    rows = [facts(number) for number in numbers]
    random.Random(name).shuffle(rows)
    return table(COLUMNS, rows, name="same") + b"\n" * len(name)


def importer(cluster: Cluster, content: bytes) -> Callable[[], str]:
    return lambda: load(cluster, content, batch=BATCH).status


def test_overlapping_windows_of_one_cluster_give_what_they_give_one_by_one(
    committed_db: Database,
) -> None:
    overlapping = [(1, 140), (60, 201), (1, 201), (100, 160)]
    contents = [window(range(*span), "x" * place) for place, span in enumerate(overlapping, 1)]
    cluster = make_cluster()
    assert race(*(importer(cluster, content) for content in contents)) == ["complete"] * 4
    assert Job.objects.count() == JOBS
    assert not JobRevision.objects.exists()
    runs = ImportRun.objects.all()
    assert sum(run.jobs_new for run in runs) == JOBS
    assert all(run.rows_read == run.jobs_new + run.jobs_unchanged for run in runs)
    together = parts()["jobs"]
    apart = databases.clone(f"{committed_db.name}_apart")
    databases.point_at(apart.name)
    cluster = make_cluster()
    for content in contents:
        load(cluster, content)
    assert parts()["jobs"] == together
    databases.point_at(committed_db.name)
    databases.drop(apart.name)


def test_importers_that_change_the_same_jobs_do_not_wait_in_a_circle(
    committed_db: Database,
) -> None:
    cluster = make_cluster()
    load(cluster, window(range(1, JOBS + 1), "known"))

    def changed(tres: str, *, backwards: bool) -> bytes:
        rows = [facts(number, AllocTRES=tres) for number in range(1, JOBS + 1)]
        return table(COLUMNS, reversed(rows) if backwards else rows, name="same")

    first = changed("cpu=8,mem=8192M,node=1", backwards=False)
    second = changed("cpu=16,mem=8192M,node=1", backwards=True)
    again = changed("cpu=8,mem=8192M,node=1", backwards=True)
    acts = [importer(cluster, content) for content in (first, second, again)]
    assert race(*acts) == ["complete"] * 3
    for job in Job.objects.all():
        assert job.cpu_seconds in (8 * 3600, 16 * 3600)
        assert list(job.revisions.values_list("revision", flat=True)) == list(
            range(1, job.revision)
        )
    assert JobRevision.objects.count() >= JOBS


def test_a_job_is_confirmed_once_by_two_whole_files_and_stays_free(committed_db: Database) -> None:
    cluster = make_cluster()
    cut = load(cluster, window(range(1, JOBS + 1), "cut")[:-30])
    assert cut.status == "incomplete"
    contents = [window(range(1, JOBS + 1), "x" * place) for place in (7, 8)]
    assert race(*(importer(cluster, content) for content in contents)) == ["complete"] * 2
    assert not Job.objects.exclude(run__status="complete").exists()
    assert not JobRevision.objects.exists()


def test_of_two_readings_of_one_input_one_gives_the_jobs(committed_db: Database) -> None:
    content = window(range(1, JOBS + 1), "once")
    clusters = [make_cluster(name) for name in ("alpha", "beta", "gamma")]
    results = race(*(importer(cluster, content) for cluster in clusters))
    # Who came late finds the input read already, or loses when its first jobs are committed.
    assert results.count("complete") == 1
    assert set(results) <= {"complete", "failed", "read_otherwise"}
    assert Job.objects.count() == JOBS
    assert not ImportRun.objects.filter(status=ImportRun.Status.RUNNING).exists()
    lost = ImportRun.objects.filter(status=ImportRun.Status.FAILED)
    assert {run.error_code for run in lost} <= {"read_otherwise"}
