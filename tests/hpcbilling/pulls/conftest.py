"""A cluster that is pulled each night from a pretended Slurm, and a clock."""

from collections.abc import Iterator
from datetime import date

import pytest
import time_machine

from tests.factories import Row, make_cluster, make_project
from tests.hpcbilling.pulls.nights import day
from tests.usage.fake_sources import FakeSlurm
from usage import reading
from usage.models import Cluster, Source


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A job ends at noon of each of the first thirty days."""
    made = FakeSlurm([Row(number, end=day(number, 12)) for number in range(1, 31)])
    monkeypatch.setattr(reading, "make_source", made.make)
    return made


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(day(1, 1), tick=False) as traveller:
        yield traveller


@pytest.fixture
def cluster(clock: time_machine.Traveller) -> Cluster:
    cluster = make_cluster("alpha")
    Cluster.objects.filter(pk=cluster.pk).update(
        reads_from=date(2026, 10, 1), overlap_days=2, rescan_days=10, created_at=day(1)
    )
    cluster.refresh_from_db()
    Source.objects.create(cluster=cluster, kind="slurmrestd", place="main")
    make_project("genomics")
    return cluster
