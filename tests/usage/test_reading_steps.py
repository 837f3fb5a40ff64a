"""Reading what jobs really used: switched on for a cluster, later, and off again."""

from datetime import date, timedelta
from typing import Any
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse

from core.actor import Actor
from tests import console
from tests.factories import Row, import_bytes, make_cluster
from tests.usage.fake_sources import FakeSlurm
from tests.usage.loading import load, table
from usage.models import Cluster, ImportRun, Job, Pull, Source, Window
from usage.normalise import normalise_cells
from usage.raw import origins, raw_row, step_rows
from usage.reading import read_window
from usage.sources.columns import STEP_COLUMNS
from usage.sources.command import COLUMNS

pytestmark = pytest.mark.django_db

BEAT = Actor.system("beat")
WITH_STEPS = (*COLUMNS, *STEP_COLUMNS)


def cells(number: int) -> dict[str, str]:
    """An ended job's row as the sacct source asks for it."""
    row = Row(number)
    start, end = (str(int(at.timestamp())) for at in (row.end - timedelta(hours=1), row.end))
    return {
        "Cluster": "alpha", "JobIDRaw": str(number), "JobID": str(number), "User": "alice",
        "Account": "genomics", "Partition": "cpu", "QOS": "normal", "State": "COMPLETED",
        "Submit": start, "Start": start, "End": end, "ElapsedRaw": "3600",
        "Suspended": "00:00:00", "NodeList": "n1", "Reservation": "",
        "ReqTRES": "cpu=4,mem=8192M,node=1", "AllocTRES": "cpu=4,mem=8192M,node=1",
        "TotalCPU": "00:00:00", "AveRSS": "", "NTasks": "", "ConsumedEnergyRaw": "0",
    }  # fmt: skip


def step(number: int, name: str, cpu: str) -> dict[str, str]:
    own = {"JobIDRaw": f"{number}.{name}", "JobID": f"{number}.{name}", "User": "", "State": "OK"}
    measured = {"TotalCPU": cpu, "AveRSS": str(2**30), "NTasks": "1", "ElapsedRaw": "60"}
    return cells(number) | own | measured


def plain(*numbers: int) -> bytes:
    return table(COLUMNS, [cells(number) for number in numbers])


def with_steps(*numbers: int, late: int = 0) -> bytes:
    rows = []
    for number in numbers:
        rows += [cells(number), step(number, "batch", "00:10.000"), step(number, "0", "00:20.000")]
        rows += [step(number, "1", "00:05.000")] * (number == late)
    return table(WITH_STEPS, rows)


def interpreted(cluster: Cluster, content: bytes, batch: int = 1000) -> tuple[int, ImportRun]:
    """How many rows an import interprets, and its run."""
    with mock.patch("usage.sources.sacct.normalise_cells", wraps=normalise_cells) as normalise:
        run = load(cluster, content, batch=batch)
    assert (run.status, run.rows_read) == ("complete", run.jobs + run.steps)
    return normalise.call_count, run


def used(cluster: Cluster) -> set[tuple[int | None, int | None, int]]:
    told = ("used_cpu_seconds", "used_mem_mib_seconds", "revision")
    return set(Job.objects.filter(cluster=cluster).values_list(*told))


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_switched_on_later_rows_are_looked_at_again(batch: int) -> None:
    cluster, numbers = make_cluster(), range(1, 8)
    load(cluster, plain(*numbers))
    assert used(cluster) == {(None, None, 1)}
    _, run = interpreted(cluster, with_steps(*numbers), batch)
    assert (run.jobs_changed, run.steps) == (7, 14)
    assert used(cluster) == {(30, 2 * 60 * 1024, 2)}


def test_a_job_with_its_steps_is_known_again_and_a_late_step_makes_it_another() -> None:
    cluster, numbers = make_cluster(), range(1, 8)
    load(cluster, with_steps(*numbers))
    count, run = interpreted(cluster, with_steps(*numbers, 99))
    # The steps themselves, which are nothing to interpret; the new job, and before it nothing.
    assert (run.jobs_new, run.jobs_unchanged, run.steps) == (1, 7, 16)
    assert count == 16 + 1
    _, run = interpreted(cluster, with_steps(*numbers, late=4))
    assert (run.jobs_changed, run.jobs_unchanged, run.steps) == (1, 6, 15)
    late = Job.objects.get(job_id=4)
    assert (late.used_cpu_seconds, late.used_mem_mib_seconds, late.revision) == (35, 184320, 2)


def test_switched_off_again_nothing_is_changed_and_nothing_lost() -> None:
    cluster = make_cluster()
    load(cluster, with_steps(1, 2))
    for content in (plain(1, 2), table(COLUMNS[:-3] + COLUMNS[-1:], [cells(1), cells(2)])):
        _, run = interpreted(cluster, content)
        assert (run.jobs_changed, run.jobs_unchanged) == (0, 2)
    assert used(cluster) == {(30, 122880, 1)}
    assert set(Job.objects.values_list("req_tres", flat=True)) == {"cpu=4,mem=8192M,node=1"}


def test_the_steps_are_evidence_too() -> None:
    cluster = make_cluster()
    content = with_steps(1, 2, late=2).replace(b"|OK|", "|O\u2028\x0bK|".encode())
    import_bytes(cluster, content)
    lines = content.decode().split("\n")
    for job, own, until in ((1, 1, 4), (2, 4, 8)):
        found = Job.objects.get(job_id=job)
        assert raw_row(found) == lines[own]
        assert step_rows(origins(found)[0]) == lines[own + 1 : until]
    load(cluster, plain(3))
    assert step_rows(origins(Job.objects.get(job_id=3))[0]) == []


def test_a_source_is_told_whether_to_read_steps() -> None:
    slurm, cluster = FakeSlurm([Row(1)]), make_cluster()
    Source.objects.create(cluster=cluster, kind="slurmrestd", place="main")
    for reads_steps, day in ((False, 20), (True, 21)):
        Cluster.objects.filter(pk=cluster.pk).update(reads_steps=reads_steps)
        pull = Pull.objects.create(cluster=cluster, kind="manual", slot=date(2026, 10, day))
        start = Row(1).end - timedelta(hours=2)
        window = Window.objects.create(
            cluster=cluster, pull=pull, start=start, end=start + timedelta(hours=day)
        )
        slurm.with_steps.clear()
        read_window(window_id=window.pk, actor=BEAT, make=slurm.make)
        assert slurm.with_steps == {reads_steps}


def test_it_is_switched_on_in_the_console_and_audited(admin_client: Client) -> None:
    cluster = make_cluster()
    url = reverse("admin:usage_cluster_change", args=[cluster.pk])
    assert "Read what jobs really used" in admin_client.get(url).text
    values: dict[str, Any] = {"name": "alpha", "time_zone": "UTC", **console.CLUSTER_FORM}
    admin_client.post(url, {**values, "reads_steps": "on"})
    cluster.refresh_from_db()
    assert cluster.reads_steps
    assert console.last_event("cluster.changed")["changes"]["reads_steps"] == [False, True]
