"""One window: sources in order, splitting, evidence, what is gone, and readers that are killed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from core.actor import Actor
from core.errors import Invalid
from core.intervals import Interval
from tests.factories import Row, import_bytes, make_cluster, make_project, sacct
from tests.usage.fake_sources import FakeSlurm
from usage import coverage, services
from usage.models import Cluster, ImportRun, Job, MissingJob, Pull, Source, Window
from usage.quarantine import read_again
from usage.reading import read_window

pytestmark = pytest.mark.django_db
BEAT = Actor.system("beat")
MIDNIGHT = datetime(2026, 10, 15, tzinfo=UTC)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = Interval(MIDNIGHT, MIDNIGHT + timedelta(days=1))
NOON = MIDNIGHT + timedelta(hours=12)
MORE = "cpu=64,mem=8192M,node=1,billing=64"


@pytest.fixture
def cluster() -> Cluster:
    made = make_cluster("alpha")
    Source.objects.create(cluster=made, position=1, kind="slurmrestd", place="main")
    Source.objects.create(cluster=made, position=2, kind="sacct", place="login")
    make_project("genomics")
    return made


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm([Row(number, end=NOON + timedelta(hours=number)) for number in range(1, 6)])


def ask(cluster: Cluster, slurm: FakeSlurm, span: Interval = DAY) -> Window:
    """Read a span anew, in a pull of its own."""
    pull = Pull.objects.create(cluster=cluster, kind="manual", slot=date(2026, 10, 16))
    window = Window.objects.create(cluster=cluster, pull=pull, start=span.start, end=span.end)
    return again(window, slurm)


def again(window: Window, slurm: FakeSlurm) -> Window:
    assert read_window(window_id=window.pk, actor=BEAT, make=slurm.make)
    window.refresh_from_db()
    return window


def gaps(cluster: Cluster) -> list[Interval]:
    cluster.reads_from = DAY.start.date()
    return coverage.gaps(cluster, DAY.end)


def test_the_first_source_that_answers_is_used(cluster: Cluster, slurm: FakeSlurm) -> None:
    window = ask(cluster, slurm)
    assert (window.status, window.source, window.tried) == ("read", "fake main", [])
    assert window.run is not None
    assert (window.run.status, window.run.jobs_new) == ("complete", 5)
    assert window.asked_at is not None
    assert window.asked_at >= window.end
    assert [place for place, _ in slurm.asked] == ["main"]
    assert gaps(cluster) == []


def test_the_next_source_is_asked_only_when_one_fails(cluster: Cluster, slurm: FakeSlurm) -> None:
    slurm.down = {"main"}
    window = ask(cluster, slurm)
    assert (window.status, window.source) == ("read", "fake login")
    assert window.tried == [
        {"source": "slurmrestd main", "code": "unreachable", "error": "no route to host"}
    ]
    assert Job.objects.count() == 5  # and nothing of what the first one wrote before it failed
    assert not Job.objects.filter(account="garbage").exists()


def test_a_source_that_fails_never_looks_like_an_empty_one(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    slurm.down = {"main", "login"}
    window = ask(cluster, slurm)
    assert window.status == "failed"
    assert [attempt["source"] for attempt in window.tried] == ["slurmrestd main", "sacct login"]
    assert "no route to host" in window.error
    assert not ImportRun.objects.exists()
    assert gaps(cluster) == [DAY]


def test_a_cluster_without_a_source_to_ask_has_no_empty_days(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    cluster.sources.update(is_enabled=False)
    window = ask(cluster, slurm)
    assert (window.status, window.error) == ("failed", "The cluster has no source to ask.")


def test_an_empty_answer_counts_as_read_and_is_told(cluster: Cluster, slurm: FakeSlurm) -> None:
    slurm.rows = []
    window = ask(cluster, slurm)
    assert (window.status, window.run, window.source) == ("empty", None, "fake main")
    assert window.is_suspicious
    assert gaps(cluster) == []


def test_an_answer_that_is_cut_off_is_no_answer(cluster: Cluster, slurm: FakeSlurm) -> None:
    slurm.cut = {"main"}
    window = ask(cluster, slurm)
    assert (window.status, window.source) == ("read", "fake login")
    assert [attempt["code"] for attempt in window.tried] == ["cut_off"]
    slurm.cut, slurm.rows = {"main", "login"}, slurm.rows[:3]
    assert ask(cluster, slurm).status == "failed"


def test_what_is_in_quarantine_leaves_the_day_open(cluster: Cluster, slurm: FakeSlurm) -> None:
    slurm.rows.append(Row(7, end=NOON, extra={"ElapsedRaw": "-5"}))
    window = ask(cluster, slurm)
    assert window.run is not None
    assert (window.status, window.run.status) == ("read", "incomplete")
    assert gaps(cluster) == [DAY]
    again = read_again(run_id=window.run.pk, actor=BEAT)
    ImportRun.objects.filter(pk=again.pk).update(status="complete", finished_at=NOW)
    assert gaps(cluster) == []


def halves_read(cluster: Cluster, slurm: FakeSlurm) -> Iterator[Window]:
    while waiting := Window.objects.filter(cluster=cluster, status="waiting").first():
        yield again(waiting, slurm)


def test_too_large_a_window_is_split_until_it_is_answered(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    slurm.largest = timedelta(hours=6)
    window = ask(cluster, slurm)
    assert (window.status, window.error) == ("split", "more than 3 GB")
    assert {half.status for half in halves_read(cluster, slurm)} == {"split", "read", "empty"}
    assert Job.objects.count() == 5
    assert gaps(cluster) == []
    assert {place for place, _ in slurm.asked} == {"main"}


def test_the_smallest_window_is_not_split_but_asked_elsewhere(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    slurm.largest = timedelta(seconds=1)
    short = Interval(NOON, NOON + timedelta(minutes=15))
    window = ask(cluster, slurm, short)
    assert window.status == "failed"
    assert [attempt["code"] for attempt in window.tried] == ["too_large", "too_large"]


def test_a_window_is_read_once_and_never_before_its_end(cluster: Cluster, slurm: FakeSlurm) -> None:
    window = ask(cluster, slurm)
    again(window, slurm)
    assert (len(slurm.asked), window.attempts) == (1, 1)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(Invalid, match="only after its end"):
        ask(cluster, slurm, Interval(MIDNIGHT, tomorrow))


def test_the_same_answer_again_is_the_same_evidence_and_run(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    first, second = ask(cluster, slurm), ask(cluster, slurm)
    assert first.run == second.run
    assert ImportRun.objects.count() == 1


def test_a_reader_that_was_killed_after_storing_is_gone_on_with(
    cluster: Cluster, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: object, **kwargs: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(services, "_read_to_end", die)
        with pytest.raises(Killed):
            ask(cluster, slurm)
    window = Window.objects.get()
    assert window.status == "waiting"
    assert ImportRun.objects.get().status == "running"
    again(window, slurm)
    assert (window.status, window.attempts, window.run) == ("read", 2, ImportRun.objects.get())
    assert Job.objects.count() == 5


def test_slurm_is_asked_by_its_own_name_of_a_renamed_cluster(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(name="erawan", slurm_name="alpha")
    ask(cluster, slurm)
    assert (slurm.names, slurm.zones) == ({"alpha"}, {"UTC"})


def test_what_slurm_no_longer_has_is_told_and_kept(cluster: Cluster, slurm: FakeSlurm) -> None:
    ask(cluster, slurm)
    gone = slurm.rows.pop(2)
    window = ask(cluster, slurm)
    missed = MissingJob.objects.get()
    assert (missed.job.job_id, missed.window, missed.returned_at) == (3, window, None)
    assert Job.objects.count() == 5
    ask(cluster, slurm)
    assert MissingJob.objects.get().window == window  # told once, where it was noticed
    slurm.rows.append(gone)
    ask(cluster, slurm)
    assert MissingJob.objects.get().returned_at is not None
    slurm.rows = []
    empty = ask(cluster, slurm)
    assert empty.status == "empty"
    assert MissingJob.objects.filter(returned_at=None, window=empty).count() == 5


def test_jobs_that_only_touch_a_window_are_not_missed(cluster: Cluster, slurm: FakeSlurm) -> None:
    slurm.rows.append(Row(50, end=DAY.end + timedelta(hours=3), seconds=36000))
    ask(cluster, slurm)
    slurm.rows.pop()
    ask(cluster, slurm)
    assert not MissingJob.objects.exists()


def test_what_slurm_changes_and_changes_back_is_as_it_was(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    first = ask(cluster, slurm).run
    before = Job.objects.get(job_id=3).cpu_seconds
    was, slurm.rows[2] = slurm.rows[2], replace(slurm.rows[2], tres=MORE)
    ask(cluster, slurm)
    assert Job.objects.get(job_id=3).cpu_seconds != before
    slurm.rows[2] = was
    back = ask(cluster, slurm).run
    job = Job.objects.get(job_id=3)
    assert (job.cpu_seconds, job.revision, job.held) == (before, 3, False)
    assert back is not None
    assert (back.retry_of, back.jobs_changed, back.jobs_new) == (first, 1, 0)
    assert ask(cluster, slurm).run == back  # as long as nothing changes, nothing is read again


def test_what_a_bad_file_said_of_a_job_is_put_right_by_the_next_answer(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    ask(cluster, slurm)
    before = Job.objects.get(job_id=3).cpu_seconds
    content = sacct(replace(slurm.rows[2], tres=MORE), Row(7, seconds=-1))
    bad = import_bytes(cluster, content, as_of=timezone.now()).run
    assert (bad.status, Job.objects.get(job_id=3).held) == ("incomplete", True)
    ask(cluster, slurm)
    job = Job.objects.get(job_id=3)
    assert (job.cpu_seconds, job.held) == (before, False)


def test_an_answer_that_we_stumble_over_leaves_the_word_to_the_next_source(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    def stumble(window: Interval) -> None:
        if slurm.asked[-1][0] == "main":
            raise ZeroDivisionError("a defect of ours")

    slurm.before = stumble
    window = ask(cluster, slurm)
    assert (window.status, window.source) == ("read", "fake login")
    assert window.tried == [
        {
            "source": "slurmrestd main",
            "code": "internal",
            "error": "ZeroDivisionError: a defect of ours",
        }
    ]


def test_a_database_that_is_gone_fails_no_window(cluster: Cluster, slurm: FakeSlurm) -> None:
    def gone(window: Interval) -> None:
        raise OperationalError("the connection is closed")

    slurm.before = gone
    with pytest.raises(OperationalError):
        ask(cluster, slurm)
    assert Window.objects.get().status == "waiting"


def test_a_saved_file_does_not_say_what_slurm_no_longer_has(
    cluster: Cluster, slurm: FakeSlurm
) -> None:
    ask(cluster, slurm)
    cluster.sources.filter(place="login").update(kind="folder")
    slurm.down, slurm.rows = {"main"}, slurm.rows[1:]
    assert ask(cluster, slurm).source == "fake login"
    assert not MissingJob.objects.exists()
