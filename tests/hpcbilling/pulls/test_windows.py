"""Nights by each cluster's clock, gaps that heal, retries, backfill and readers."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
import time_machine
from django.db import connection

from core.locks import Space
from hpcbilling.pulls import due, running, watch
from hpcbilling.pulls.shown import progress_line
from pricing.models import Charge
from tests.factories import Row, make_cluster
from tests.hpcbilling.pulls.nights import BEAT, command, day, night, nights, states
from tests.usage.fake_sources import FakeSlurm
from usage.models import Cluster, Job, Pull, Source
from usage.pulls import Progress, plan_backfill, plan_manual, progress_of, readers_of

pytestmark = pytest.mark.django_db


def test_a_day_that_was_withheld_shows_as_a_gap_then_heals(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    nights(cluster, clock, 2, 4)
    assert states(cluster, day(4, 3))[:5] == "cccx."
    slurm.down = {"main"}
    nights(cluster, clock, 5, 9)
    assert states(cluster, day(9, 3))[:9] == "cccpmmmmx"  # the 4th until 02:00 is known
    assert Job.objects.count() == 3
    # Long after the overlap, the night finds the gap by itself.
    slurm.down = set()
    nights(cluster, clock, 10, 10)
    assert states(cluster, day(10, 3))[:10] == "cccccccccx"
    assert Job.objects.count() == 9
    assert Charge.objects.values("job").distinct().count() == 9


def test_a_night_reads_the_last_days_again_and_finds_what_came_late(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    nights(cluster, clock, 2, 5)
    slurm.rows.append(Row(100, end=day(4, 20)))
    slurm.asked.clear()
    nights(cluster, clock, 6, 6)
    assert Job.objects.filter(job_id=100).exists()
    assert [window.start for _, window in slurm.asked] == [day(4), day(5), day(6)]
    assert slurm.asked[-1][1].end == day(6, 2)


def test_the_week_looks_further_back(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    nights(cluster, clock, 2, 17)
    slurm.rows.append(Row(100, end=day(9, 20)))
    clock.move_to(day(18, 2))  # a Sunday
    night_pull, look_back = due.start_due(actor=BEAT)
    assert (night_pull.kind, look_back.kind) == ("nightly", "rescan")
    assert look_back.windows.count() == 8
    running.run_pull(pull_id=look_back.pk, actor=BEAT)
    assert Job.objects.filter(job_id=100).exists()


def test_a_look_back_that_was_missed_on_sunday_is_made_late_and_once(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    nights(cluster, clock, 2, 17)
    clock.move_to(day(21, 2))  # beat was down since Saturday
    assert [pull.kind for pull in due.start_due(actor=BEAT)] == ["nightly", "rescan"]
    look_back = Pull.objects.get(kind="rescan")
    assert look_back.slot == date(2026, 10, 18)
    running.run_pull(pull_id=look_back.pk, actor=BEAT)
    clock.move_to(day(22, 2))
    assert [pull.kind for pull in due.start_due(actor=BEAT)] == ["nightly"]
    assert Pull.objects.filter(kind="rescan").count() == 1


def test_each_cluster_is_pulled_by_its_own_clock_and_once(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(created_at=day(1, 2))
    other = make_cluster("bravo")
    Cluster.objects.filter(pk=other.pk).update(time_zone="Asia/Bangkok", created_at=day(1))
    Source.objects.create(cluster=other, kind="sacct", place="login")
    clock.move_to(day(1, 18.4))
    assert due.start_due(actor=BEAT) == []
    clock.move_to(day(1, 18.6))  # 01:36 of the second in Bangkok
    (pull,) = due.start_due(actor=BEAT)
    assert (pull.cluster, pull.slot) == (other, date(2026, 10, 2))
    assert due.start_due(actor=BEAT) == [pull]
    running.run_pull(pull_id=pull.pk, actor=BEAT)
    assert due.start_due(actor=BEAT) == []
    assert Pull.objects.count() == 1


def test_a_cluster_is_not_pulled_for_a_night_before_it_was_added(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(created_at=day(1, 14))
    clock.move_to(day(1, 15))
    assert due.start_due(actor=BEAT) == []
    assert watch.standing() == []


def test_windows_that_failed_are_asked_again_the_same_night_after_pauses(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    slurm.down = {"main"}
    clock.move_to(day(2, 2))
    pull = night(cluster)
    assert pull is not None
    assert "not read" in pull.error
    assert due.resume_pulls() == []
    clock.move_to(day(2, 2.5))
    assert due.resume_pulls() == [pull]
    running.run_pull(pull_id=pull.pk, actor=BEAT)
    clock.move_to(day(2, 3))
    assert due.resume_pulls() == []  # the pauses grow
    slurm.down = set()
    clock.move_to(day(2, 3.5))
    assert due.resume_pulls() == [pull]
    running.run_pull(pull_id=pull.pk, actor=BEAT)
    pull.refresh_from_db()
    assert (pull.error, progress_of(pull).failed) == ("", 0)
    assert set(pull.windows.values_list("attempts", flat=True)) == {3}


def test_an_empty_day_is_told_and_an_empty_hour_is_not(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    slurm.rows = [row for row in slurm.rows if row.job_id != 2]
    nights(cluster, clock, 2, 3)
    pull = Pull.objects.latest("pk")
    assert pull.error.splitlines() == [
        "2026-10-02 00:00 – 2026-10-03 00:00 UTC: answered, but without any job"
    ]
    assert states(cluster, day(3, 3))[:3] == "cex"


def test_a_backfill_has_a_window_for_each_day_and_says_how_long_it_takes(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    clock.move_to(day(31, 12))
    pull = plan_backfill(cluster=cluster, since=date(2026, 10, 1), until=None, actor=BEAT)
    assert progress_of(pull) == Progress(0, 0, 0, 31, None)
    for step in range(10):
        clock.move_to(day(31, 12) + timedelta(seconds=30 * step))
        assert running.advance(pull_id=pull.pk, actor=BEAT)
    clock.shift(timedelta(seconds=30))
    found = progress_of(pull)
    assert (found.read, found.waiting, found.percent) == (10, 21, 32)
    assert found.left == timedelta(seconds=630)
    assert progress_line(found) == "10 of 31 windows (32 %), about 10 min 30 s left"
    running.run_pull(pull_id=pull.pk, actor=BEAT)
    assert Job.objects.count() == 30
    assert states(cluster, day(31, 13)) == "c" * 30 + "x"


def test_windows_that_were_split_belong_to_the_pull(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    slurm.largest = timedelta(hours=12)
    clock.move_to(day(3, 12))
    pull = plan_manual(
        cluster=cluster, actor=BEAT, since=date(2026, 10, 1), until=date(2026, 10, 2)
    )
    running.run_pull(pull_id=pull.pk, actor=BEAT)
    assert sorted(pull.windows.values_list("status", flat=True)) == ["read"] * 4 + ["split"] * 2
    assert states(cluster, day(3, 12))[:3] == "ccx"


@contextmanager
def held_by_another(space: Space, name: str) -> Iterator[None]:
    """Another connection, as of another worker, holds a lock."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            arguments = [int(space), zlib.crc32(name.encode()) - 2**31]
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", arguments)
        yield
        with other.cursor() as cursor:
            # A server that is busy lets go of a closed connection's locks late.
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", arguments)
    finally:
        other.close()


def test_no_more_readers_than_a_pull_allows(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    clock.move_to(day(10, 12))
    pull = plan_manual(
        cluster=cluster, actor=BEAT, since=date(2026, 10, 1), until=date(2026, 10, 9)
    )
    assert readers_of(pull) == 1
    with held_by_another(Space.READER, f"{pull.pk} 0"):
        assert not running.advance(pull_id=pull.pk, actor=BEAT)
    assert slurm.asked == []
    assert running.advance(pull_id=pull.pk, actor=BEAT)
    assert len(slurm.asked) == 1


def test_the_command_says_which_source_answered_and_why(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    Source.objects.create(cluster=cluster, position=2, kind="sacct", place="login")
    clock.move_to(day(3, 2))
    slurm.down = {"main"}
    code, said, _ = command("pull", "alpha", "--since", "2026-10-01", "--until", "2026-10-01")
    assert code == 0
    assert "alpha: 1 of 1 windows read, 0 files, 1 new imports" in said
    assert "read from fake login; slurmrestd main failed (unreachable)" in said
    slurm.down = {"main", "login"}
    code, said, complaint = command("pull", "alpha")
    assert code == 1
    assert "2026-10-02 00:00 – 2026-10-03 00:00 UTC: failed" in said
    assert "no route to host" in complaint
    assert command("pull", "alpha", "--since", "2026-10-09")[0] == 2
    assert command("pull", "alpha", "--since", "2026-10-02", "--until", "2026-10-01")[0] == 2


def test_a_backfill_on_the_command_line(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller
) -> None:
    clock.move_to(day(6, 2))
    code, said, _ = command("backfill", "alpha", "--since", "2026-10-01", "--here")
    assert code == 0
    assert "alpha: 6 windows to read" in said
    assert "6 of 6 windows (100 %)" in said
    assert Job.objects.count() == 5
    code, said, _ = command("backfill", "alpha", "--since", "2026-10-01", "--no-wait")
    assert (code, Pull.objects.latest("pk").finished_at) == (0, None)
    Source.objects.update(kind="folder")
    assert command("backfill", "alpha", "--since", "2026-10-01")[0] == 2
