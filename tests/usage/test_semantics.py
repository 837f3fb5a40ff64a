"""What odd jobs of a real Slurm come to, imported from its recordings, as text and as JSON."""

import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hpcbilling.workflows import import_usage
from pricing.models import Charge, JobRating
from pricing.selectors import live_charges
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project
from tests.usage.sources.recordings import recorded
from usage.models import Cluster, Job, QuarantinedRow
from usage.services import create_cluster
from usage.stages import Stage, condition
from usage.totals import By, usage_totals

pytestmark = pytest.mark.django_db

FORMS = [
    ("22.05", "sacct-X-D-epoch.psv"),
    ("22.05", "sacct-X-D.json.zst"),
    ("25.05", "sacct-X-D-epoch.psv"),
    ("25.05", "sacct-X-D.json.zst"),
]
NAMES = {"22.05": "demo", "25.05": "demo25"}


@pytest.fixture(params=FORMS, ids=[f"{version} {name}" for version, name in FORMS])
def version(request: pytest.FixtureRequest) -> str:
    """A recording, imported and rated for projects of its three accounts."""
    version, name = request.param
    for code in ("pi_suda", "pi_niran", "pi_wichai"):
        make_project(code)
    cluster = create_cluster(name=NAMES[version], time_zone="UTC", actor=SYSTEM)
    stream = io.BytesIO(recorded(f"{version}/{name}"))
    imported = import_usage(cluster=cluster, stream=stream, origin=name, actor=SYSTEM)
    assert imported.run.status == "complete"
    assert imported.run.rows_read == imported.run.jobs + imported.run.steps
    return str(version)


def attempts(job_id: int) -> list[Job]:
    return list(Job.objects.filter(job_id=job_id).order_by("submit"))


def charged(job: Job) -> dict[str, int]:
    """What a job is charged for, in base units."""
    return dict(live_charges().filter(job=job).values_list("resource", "quantity"))


def test_each_task_of_an_array_is_a_job_and_charged_by_itself(version: str) -> None:
    tasks = Job.objects.filter(display_id__startswith="23_")
    assert tasks.count() == tasks.values("job_id").distinct().count() == 10
    assert {task.display_id for task in tasks if task.job_id == 23} == {"23_9"}
    assert all(charged(task)["cpu"] == task.cpu_seconds > 0 for task in tasks)


def test_each_component_of_a_het_job_is_charged_by_itself(version: str) -> None:
    parts = Job.objects.filter(display_id__startswith="28+")
    assert {part.display_id: part.job_id for part in parts} == {"28+0": 28, "28+1": 29, "28+2": 30}
    with_gpu = [part.display_id for part in parts if "gpu" in charged(part)]
    assert "28+1" in with_gpu
    assert all("cpu" in charged(part) for part in parts)


def test_a_requeued_attempt_is_charged_beside_the_one_that_followed(version: str) -> None:
    first, second = attempts(45)
    assert (first.state, second.state) == ("REQUEUED", "COMPLETED")
    assert charged(first)["cpu"] == first.cpu_seconds > 0
    assert charged(second)["cpu"] == second.cpu_seconds > 0


def test_a_preempted_job_and_its_restart_are_two_attempts(version: str) -> None:
    preempted = Job.objects.get(state="PREEMPTED")
    restarted = [job for job in attempts(preempted.job_id) if job.pk != preempted.pk]
    assert [job.state for job in restarted] == ["COMPLETED"]
    assert charged(restarted[0])["cpu"] == restarted[0].cpu_seconds


def test_a_resized_job_is_two_records_that_do_not_overlap(version: str) -> None:
    resized = Job.objects.get(state="RESIZING")
    first, second = attempts(resized.job_id)
    assert (first.pk, second.state) == (resized.pk, "COMPLETED")
    assert first.end is not None
    assert second.start is not None
    assert first.end <= second.start
    assert charged(first)["cpu"] == first.cpu_seconds > 0
    assert charged(second)["cpu"] == second.cpu_seconds > 0


def test_jobs_that_never_started_are_exempt_for_want_of_usage(version: str) -> None:
    idle = Job.objects.filter(end__isnull=False, elapsed_seconds=0)
    assert idle.filter(state="CANCELLED" if version == "25.05" else "FAILED").exists()
    for job in idle:
        assert (job.rating.status, job.rating.reason) == ("exempt", "no_usage")
        assert charged(job) == {}


def test_jobs_that_run_or_wait_are_shown_and_not_charged(version: str) -> None:
    open_jobs = Job.objects.filter(end=None)
    assert set(open_jobs) == set(Job.objects.filter(condition(Stage.RUNNING)))
    assert not JobRating.objects.filter(job__in=open_jobs).exists()
    assert not Charge.objects.filter(job__in=open_jobs).exists()


def test_suspended_time_is_charged_for_what_stays_held_and_not_for_cpu(version: str) -> None:
    (job,) = attempts(47)
    if version == "22.05":
        assert (job.elapsed_seconds, job.suspended_seconds) == (24, 1)
    held = job.elapsed_seconds + job.suspended_seconds
    assert charged(job)["cpu"] == job.elapsed_seconds
    assert charged(job)["mem"] == 100 * held


def test_the_allocation_is_charged_and_not_the_request(version: str) -> None:
    (job,) = attempts(12)
    assert charged(job)["cpu"] == 64 * job.elapsed_seconds
    assert charged(job)["gpu"] == 4 * job.elapsed_seconds


def test_an_id_that_is_used_again_after_a_reset_is_another_job() -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(7, end=datetime(2026, 1, 1, 12, tzinfo=UTC)))
    run = import_rows(cluster, Row(7, user="bob", end=datetime(2026, 6, 1, 12, tzinfo=UTC))).run
    assert (run.jobs_new, run.jobs_changed) == (1, 0)
    assert [job.user_name for job in attempts(7)] == ["alice", "bob"]
    assert live_charges().values("job").distinct().count() == 2


def test_a_runaway_job_that_was_mended_is_taken_back() -> None:
    """`sacctmgr fix runawayjobs` sets COMPLETED with End = Start of long ago."""
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(7))
    begun = str(int(Row().end.timestamp()) - 3600)
    before = live_charges().count()
    run = import_rows(
        cluster,
        Row(
            7,
            end=Row().end - timedelta(hours=1),
            seconds=0,
            extra={"Start": begun, "Submit": str(int(begun) - 60)},
        ),
        Row(8, account="elsewhere", end=Row().end + timedelta(days=1)),
    ).run
    assert (run.jobs_changed, before) == (1, 2)
    job = Job.objects.get(job_id=7)
    assert (job.revision, job.cpu_seconds) == (2, 0)
    assert not live_charges().exists()
    assert sum(Charge.objects.values_list("amount", flat=True)) == 0


def test_a_completed_job_without_an_end_is_still_running() -> None:
    """After an outage Slurm served COMPLETED with End Unknown: the end decides, not the state."""
    make_project("genomics")
    import_rows(make_cluster(), Row(7, extra={"End": "Unknown"}))
    assert Job.objects.get().end is None
    assert not Charge.objects.exists()


def test_a_job_over_the_end_of_a_month_and_a_dst_night_is_charged_once_and_shared_out() -> None:
    make_project("genomics")
    berlin = create_cluster(name="berlin", time_zone="Europe/Berlin", actor=SYSTEM)
    hours = 24 * 10
    end = datetime(2026, 11, 3, 12, tzinfo=UTC)
    import_rows(berlin, Row(7, end=end, seconds=hours * 3600))
    job = Job.objects.get()
    assert charged(job)["cpu"] == 4 * hours * 3600
    assert live_charges().filter(resource="cpu").count() == 1
    october, november = usage_totals(
        cluster=berlin,
        first=date(2026, 10, 1),
        last=date(2026, 11, 30),
        zone=ZoneInfo("Europe/Berlin"),
        by=By.MONTH,
    ).rows
    # November begins at 23:00 UTC, after the clocks went back.
    after = 60 * 3600 + 3600
    assert november[1].wall_seconds == after
    assert october[1].wall_seconds == hours * 3600 - after


def test_several_clusters_behind_one_slurmdbd_are_kept_apart() -> None:
    make_project("pi_suda")
    other = Cluster.objects.create(name="demo25")
    content = recorded("22.05/sacct-X-D-epoch.psv")
    run = import_usage(cluster=other, stream=io.BytesIO(content), origin="x", actor=SYSTEM).run
    # Nothing came from it yet, so its first input says what Slurm calls it.
    assert (run.status, Cluster.objects.get().slurm_name) == ("complete", "demo")
    lines = content.decode().split("\n")
    mixed = "\n".join([lines[0], lines[1], lines[2].replace("demo|", "elsewhere|", 1), ""])
    run = import_usage(
        cluster=Cluster.objects.get(), stream=io.BytesIO(mixed.encode()), origin="y", actor=SYSTEM
    ).run
    assert (run.jobs_unchanged, run.quarantined) == (1, 1)
    assert QuarantinedRow.objects.get().reason == "other_cluster"
