"""Each odd kind of job, from recordings of a real Slurm: what is billed of it, and as which job.

``history-epoch`` is what `make test-slurm` runs, two clusters behind one slurmdbd; the months and
the nights on which Berlin's clocks changed were put into its database. ``history-fixed-epoch`` is
the same after `sacctmgr show runawayjobs` had ended all that had no end.
"""

from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest

from core.intervals import days
from tests.usage.sacct_rows import FIXTURES, VERSIONS, read
from usage.normalise import JobRow

BERLIN = ZoneInfo("Europe/Berlin")
# Slurm's own mending gives a suspended job an end before the end of its suspension.
MENDED_BADLY = ("elapsed_mismatch",)


@lru_cache
def jobs(name: str = "22.05/history-epoch.psv", cluster: str = "alpha") -> tuple[JobRow, ...]:
    rows = read((FIXTURES / name).read_bytes(), cluster_names=(cluster,) if cluster else ())
    assert {row.reason for row in rows if row.kind == "bad"} <= {"other_cluster", *MENDED_BADLY}
    return tuple(row.job for row in rows if row.job)


def attempts(job_id: int, name: str = "22.05/history-epoch.psv") -> list[JobRow]:
    found = [job for job in jobs(name) if job.job_id == job_id]
    return sorted(found, key=lambda job: job.submit)


def recorded(version: str) -> str:
    return f"{version}/sacct-X-D-epoch.psv"


@pytest.mark.parametrize("version", VERSIONS)
def test_array_tasks_are_jobs_of_their_own(version: str) -> None:
    tasks = [job for job in jobs(recorded(version), "") if job.display_id.startswith("23_")]
    assert len({job.job_id for job in tasks}) == len(tasks) == 10
    assert all(job.cpu_seconds == job.tres.cpus * job.elapsed_seconds > 0 for job in tasks)


@pytest.mark.parametrize("version", VERSIONS)
def test_het_components_are_billed_each_for_its_own(version: str) -> None:
    parts = {job.display_id: job for job in jobs(recorded(version), "") if "+" in job.display_id}
    assert [parts[name].job_id for name in ("28+0", "28+1", "28+2")] == [28, 29, 30]
    assert [parts[name].tres.gpus for name in ("28+0", "28+1", "28+2")] == [0, 1, 0]


@pytest.mark.parametrize("version", VERSIONS)
def test_requeued_attempts_are_billed_too(version: str) -> None:
    first, second = attempts_of(45, version)
    assert (first.state, second.state) == ("REQUEUED", "COMPLETED")
    assert min(first.cpu_seconds, second.cpu_seconds) > 0
    assert first.end is not None
    assert first.end <= second.submit


def attempts_of(job_id: int, version: str) -> list[JobRow]:
    found = [job for job in jobs(recorded(version), "") if job.job_id == job_id]
    return sorted(found, key=lambda job: job.submit)


def test_a_job_that_restarts_twice_is_three_jobs() -> None:
    assert [job.state for job in attempts(105)] == ["REQUEUED", "REQUEUED", "COMPLETED"]
    assert [job.cpu_seconds for job in attempts(105)] == [4, 1, 1]
    # Restarted by the loss of its node, and by a job that went before it.
    assert [job.state for job in attempts(103)] == ["NODE_FAIL", "COMPLETED"]
    assert [job.state for job in attempts(101)][1:] == ["PREEMPTED", "COMPLETED"]


def test_a_resized_job_is_counted_once() -> None:
    """Slurm 22.05 leaves two records of it that overlap."""
    first, second = attempts_of(56, "22.05")
    assert first.state == "RESIZING"
    assert first.end is not None
    assert second.start is not None
    assert first.end <= second.start
    assert (first.tres.nodes, second.tres.nodes) == (2, 1)


def test_an_id_used_again_after_a_reset_is_another_job() -> None:
    first, second, _third = attempts(101)
    assert (first.user, second.user) == ("games", "backup")
    assert first.submit < second.submit
    lost, failed = attempts(102)
    # It ran when the controller forgot everything; slurmdbd ended it.
    assert (lost.state, lost.cpu_seconds) == ("CANCELLED", 4)
    assert failed.state == "NODE_FAIL"


def test_a_job_that_never_started_costs_nothing() -> None:
    (job,) = attempts(119)
    assert (job.state, job.started, job.start, job.end) == ("PENDING", False, None, None)
    assert job.cpu_seconds == job.gpu_seconds == job.mem_mib_seconds == job.node_seconds == 0


def test_a_job_that_still_runs_has_no_end() -> None:
    (job,) = attempts(116)
    assert (job.state, job.end) == ("RUNNING", None)
    assert job.cpu_seconds == 2 * job.elapsed_seconds > 0


def test_a_suspended_job_gives_back_its_cpus_and_keeps_its_memory() -> None:
    (ended,) = attempts(106)
    assert (ended.elapsed_seconds, ended.suspended_seconds) == (4, 3)
    assert (ended.cpu_seconds, ended.mem_mib_seconds) == (4, 700)
    (still,) = attempts(107)
    assert (still.state, still.end, still.cpu_seconds) == ("SUSPENDED", None, 4)
    assert still.suspended_seconds > 42 * 86400


def test_a_job_that_spans_months_is_shared_out_to_the_second() -> None:
    (job,) = attempts(900_003)
    assert job.start is not None
    assert job.end is not None
    months = [(date(2026, 9, 1), date(2026, 9, 30)), (date(2026, 10, 1), date(2026, 10, 31)),
        (date(2026, 11, 1), date(2026, 11, 30))]  # fmt: skip
    held = []
    for first, last in months:
        span = days(first, last, ZoneInfo("UTC"))
        held.append(max(timedelta(), min(job.end, span.end) - max(job.start, span.start)))
    assert [each.days for each in held] == [1, 31, 1]
    assert sum(held, timedelta()) == timedelta(seconds=job.held_seconds)


@pytest.mark.parametrize(
    ("job_id", "start", "end"),
    [(900_006, "02:30:00+02:00", "02:36:41+01:00"), (900_007, "01:30:00+01:00", "03:36:41+02:00")],
)
def test_a_night_on_which_the_clock_changes_is_no_longer_and_no_shorter(
    job_id: int, start: str, end: str
) -> None:
    (job,) = attempts(job_id)
    assert job.start is not None
    assert job.end is not None
    assert job.start.astimezone(BERLIN).isoformat().endswith(start)
    assert job.end.astimezone(BERLIN).isoformat().endswith(end)
    assert (job.elapsed_seconds, job.cpu_seconds) == (4001, 8002)


def test_a_job_cancelled_before_its_start_costs_nothing() -> None:
    (job,) = attempts(153)
    assert (job.state, job.started, job.cpu_seconds) == ("CANCELLED", False, 0)
    assert job.end is not None


def test_a_runaway_job_is_open_until_it_is_fixed_and_then_costs_nothing() -> None:
    (before,) = attempts(145)
    (after,) = attempts(145, "22.05/history-fixed-epoch.psv")
    assert (before.state, before.end) == ("RUNNING", None)
    assert (after.state, after.end) == ("COMPLETED", after.start)
    assert after.cpu_seconds == 0
    assert (before.job_id, before.submit) == (after.job_id, after.submit)
    assert before.fingerprint != after.fingerprint


def test_clusters_behind_one_slurmdbd_have_each_their_own_job_of_an_id() -> None:
    ours, theirs = (
        {job.job_id: job for job in jobs(cluster=name) if job.job_id >= 900_000}
        for name in ("alpha", "beta")
    )
    assert theirs.keys() == {900_001}
    assert ours[900_001].submit == theirs[900_001].submit
    assert ours[900_001].fingerprint != theirs[900_001].fingerprint


@pytest.mark.parametrize("version", VERSIONS)
def test_gpus_are_counted_once_however_they_were_asked_for(version: str) -> None:
    found = {job.job_id: job.tres for job in jobs(recorded(version), "")}
    # --gres=gpu:2, --gres=gpu:a100:1, --gpus=3, --gpus-per-node on two nodes, --exclusive.
    assert [found[job].gpus for job in (31, 32, 33, 34, 12)] == [2, 1, 3, 4, 4]
    assert [found[job].gpu_types[0][0] for job in (31, 32, 33, 34)] == ["a100"] * 3 + ["h100"]
