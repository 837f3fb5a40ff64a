"""slurmrestd and slurmdbd are killed with -9 while we read: nothing is half done."""

import signal
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import count
from typing import Any, BinaryIO

import pytest

from core.actor import Actor
from core.intervals import Interval
from hpcbilling.pulls.running import run_pull
from tests.slurm.load import FIRST_LOADED, load, unload
from tests.slurm.stack import Stack
from tests.slurm.test_imports import cluster
from usage.models import Cluster, Evidence, ImportRun, Job, Window
from usage.pulls import plan_manual
from usage.sources.base import Fetched, Source
from usage.sources.factory import make_source

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("billing", "connections", "months")]

BY_TEST = Actor.system("slurm tests")
NUMBERS = count(1)
JOBS = 3000
REST, SACCT = ("slurmrestd", "rest"), ("sacct", "sacct")


@pytest.fixture(autouse=True)
def busy_day(slurm: Stack) -> Iterator[date]:
    """So many jobs that an answer of slurmrestd is larger than what the kernel holds of it. Each
    test has its own: what one cluster has imported is refused for another."""
    number = next(NUMBERS)
    since = datetime(2025, 12, number, 1, tzinfo=UTC)
    first = FIRST_LOADED + number * 100_000
    load(slurm, JOBS, seed=number, since=since, seconds=36000, first=first)
    yield since.date()
    unload(slurm)


@pytest.fixture(autouse=True)
def mended(slurm: Stack) -> Iterator[None]:
    """Whatever a test killed runs again afterwards."""
    yield
    for name, start in (
        ("slurmdbd", slurm.start_slurmdbd),
        ("slurmrestd", slurm.start_slurmrestd),
    ):
        if slurm.servers[name].process.poll() is not None:
            start()


class FatalFile:
    """A file at whose first block someone dies."""

    def __init__(self, into: BinaryIO, stack: Stack, victim: str) -> None:
        self._into, self._stack, self._victim = into, stack, victim

    def write(self, block: bytes) -> int:
        if self._stack.servers[self._victim].process.poll() is None:
            self._stack.kill(self._victim)
        return self._into.write(block)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._into, name)


class Fatal:
    """The real source, writing into such a file."""

    def __init__(self, source: Source, stack: Stack, victim: str) -> None:
        self.kind = source.kind
        self._source, self._stack, self._victim = source, stack, victim

    def fetch(self, window: Interval, into: BinaryIO) -> Fetched:
        deadly: Any = FatalFile(into, self._stack, self._victim)
        return self._source.fetch(window, deadly)


def read_day(made: Cluster, day: date, fatal: tuple[Stack, str] | None = None) -> Window:
    """Ask for the busy day; `fatal` dies as soon as slurmrestd's answer begins to arrive."""

    def make(kind: str, place: str, **options: Any) -> Source:
        source = make_source(kind, place, **options)
        return Fatal(source, *fatal) if fatal and kind == "slurmrestd" else source

    pull = plan_manual(cluster=made, actor=BY_TEST, since=day, until=day)
    run_pull(pull_id=pull.pk, actor=BY_TEST, make=make)
    return Window.objects.get(pull=pull)


def loaded(made: Cluster) -> int:
    return Job.objects.filter(cluster=made, job_id__gt=FIRST_LOADED).count()


def assert_nothing_happened(made: Cluster, evidence: int) -> None:
    assert not Job.objects.filter(cluster=made).exists()
    assert not ImportRun.objects.filter(cluster=made).exists()
    assert Evidence.objects.count() == evidence


def test_slurmrestd_dies_within_its_answer(slurm: Stack, busy_day: date) -> None:
    made, evidence = cluster("rest-dies", REST), Evidence.objects.count()
    window = read_day(made, busy_day, (slurm, "slurmrestd"))
    assert window.status == "failed"
    assert window.tried[0]["source"] == "slurmrestd rest"
    assert_nothing_happened(made, evidence)
    slurm.start_slurmrestd()
    window = read_day(made, busy_day)
    assert (window.status, window.tried) == ("read", [])
    assert loaded(made) == JOBS


def test_sacct_stands_in_for_slurmrestd_and_is_named(slurm: Stack, busy_day: date) -> None:
    made = cluster("fallback", REST, SACCT)
    window = read_day(made, busy_day, (slurm, "slurmrestd"))
    assert (window.status, window.source) == ("read", "sacct (sacct)")
    assert [tried["source"] for tried in window.tried] == ["slurmrestd rest"]
    assert window.run is not None
    assert "sacct" in window.run.origin
    assert (window.run.status, window.run.quarantined) == ("complete", 0)
    assert loaded(made) == JOBS
    slurm.start_slurmrestd()
    assert read_day(made, busy_day).source == "slurmrestd v0.0.38 (rest)"
    # The same jobs by the other way: not one is new, not one has changed.
    assert loaded(made) == JOBS
    assert not Job.objects.filter(cluster=made, revision__gt=1, job_id__gt=FIRST_LOADED).exists()


@pytest.mark.parametrize("source", [REST, SACCT])
def test_slurmdbd_dies_while_it_is_asked(
    slurm: Stack, busy_day: date, source: tuple[str, str]
) -> None:
    made, evidence = cluster(f"dbd-dies-{source[0]}", source), Evidence.objects.count()
    # It takes the question, thinks about it for a second, and never answers.
    slurm.servers["slurmdbd"].process.send_signal(signal.SIGSTOP)
    killer = threading.Timer(1, slurm.kill, ["slurmdbd"])
    killer.start()
    window = read_day(made, busy_day)
    killer.join()
    assert window.status == "failed"
    assert_nothing_happened(made, evidence)
    slurm.start_slurmdbd()
    window = read_day(made, busy_day)
    assert (window.status, window.tried) == ("read", [])
    assert loaded(made) == JOBS
