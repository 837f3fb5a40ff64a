"""The dead man: who is told of a night that did not happen, and how."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
import time_machine
from django.conf import LazySettings
from django.core import mail
from django.core.cache import cache
from django.test import Client

from hpcbilling.pulls import watch
from tests import console
from tests.hpcbilling.pulls.nights import command, day, night, nights
from tests.usage.fake_sources import FakeSlurm
from usage.models import Cluster, MissingJob, Pull, Source, Window

pytestmark = pytest.mark.django_db


class Monitor:
    """A dead man's switch elsewhere."""

    def __init__(self, mocked: responses.RequestsMock) -> None:
        mocked.get("https://monitor.example/ping", status=200)
        self._mocked = mocked

    @property
    def calls(self) -> int:
        return len(self._mocked.calls)


@pytest.fixture
def monitor(settings: LazySettings) -> Iterator[Monitor]:
    settings.HEARTBEAT_URL = "https://monitor.example/ping"
    settings.OPERATOR_EMAIL = ["operator@example.org"]
    cache.clear()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield Monitor(mocked)


def test_a_night_that_did_not_happen_is_told_once(
    cluster: Cluster,
    slurm: FakeSlurm,
    clock: time_machine.Traveller,
    monitor: Monitor,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        nights(cluster, clock, 2, 2)
    assert monitor.calls == 1
    clock.move_to(day(3, 4))  # two and a half hours late: it may still come
    assert watch.late() == []
    assert command("check_pulls")[0] == 0
    clock.move_to(day(3, 5))
    assert [each.cluster for each in watch.late()] == [cluster]
    code, said, _ = command("check_pulls")
    assert code == 1
    assert "alpha: LATE, due 2026-10-03 01:30 UTC, last ended well 2026-10-02 02:00 UTC" in said
    assert (watch.tell_operator(), watch.tell_operator()) == (1, 0)
    (message,) = mail.outbox
    assert message.to == ["operator@example.org"]
    assert message.subject == "[HPC Billing] No usage from alpha"
    assert "alpha: due" in str(message.body)
    assert "/admin/usage/pull/" in str(message.body)
    # The next night is told of anew; one that ends well is told to the monitor instead.
    clock.move_to(day(4, 5))
    assert watch.tell_operator() == 1
    with django_capture_on_commit_callbacks(execute=True):
        night(cluster)
    assert (watch.late(), monitor.calls) == ([], 2)


def test_a_night_that_failed_is_as_late_as_one_that_never_was(
    cluster: Cluster,
    slurm: FakeSlurm,
    clock: time_machine.Traveller,
    monitor: Monitor,
    django_capture_on_commit_callbacks: Any,
) -> None:
    slurm.down = {"main"}
    with django_capture_on_commit_callbacks(execute=True):
        nights(cluster, clock, 2, 2)
    assert monitor.calls == 0
    clock.move_to(day(2, 5))
    assert [each.done_at for each in watch.late()] == [None]


def test_a_mail_that_could_not_be_sent_is_tried_again(
    cluster: Cluster,
    slurm: FakeSlurm,
    clock: time_machine.Traveller,
    monitor: Monitor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock.move_to(day(3, 5))

    def refuse(*args: object) -> None:
        raise ConnectionRefusedError("no mail server")

    with monkeypatch.context() as patched:
        patched.setattr(mail.EmailMessage, "send", refuse)
        with pytest.raises(ConnectionRefusedError):
            watch.tell_operator()
    assert watch.tell_operator() == 1
    assert len(mail.outbox) == 1


def test_a_monitor_that_is_away_stops_nothing(
    cluster: Cluster,
    slurm: FakeSlurm,
    clock: time_machine.Traveller,
    settings: LazySettings,
    django_capture_on_commit_callbacks: Any,
) -> None:
    settings.HEARTBEAT_URL = "https://monitor.example/ping"
    with responses.RequestsMock() as mocked, django_capture_on_commit_callbacks(execute=True):
        mocked.get("https://monitor.example/ping", body=requests.ConnectionError("away"))
        nights(cluster, clock, 2, 2)
    assert Pull.objects.get().finished_at is not None
    assert Window.objects.filter(status="read").exists()


def gauges(client: Client) -> dict[str, float]:
    """The series of the cluster, by their names without what all have in common."""
    lines = (line.rpartition(" ") for line in client.get("/metrics").text.splitlines())
    return {
        name.removeprefix("hpcbilling_").removesuffix('{cluster="alpha"}'): float(value)
        for name, _, value in lines
        if name.endswith('{cluster="alpha"}')
    }


def test_metrics_tell_what_is_late_lost_empty_and_gone(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller, client: Client
) -> None:
    Source.objects.create(cluster=cluster, position=2, kind="sacct", place="login")
    nights(cluster, clock, 2, 4)
    good = gauges(client)
    assert good["pull_done_timestamp_seconds"] > good["pull_due_timestamp_seconds"]
    quiet = ("gap_seconds", "empty_days", "fallbacks", "missing_jobs")
    assert [good[name] for name in quiet] == [0, 0, 0, 0]

    slurm.down = {"main"}
    slurm.rows = [row for row in slurm.rows if row.job_id != 4]
    nights(cluster, clock, 5, 5)
    found = gauges(client)
    assert found["fallbacks"] == 3
    assert found["empty_days"] == 1  # the fourth
    slurm.rows = [row for row in slurm.rows if row.job_id != 3]
    nights(cluster, clock, 5, 5)
    slurm.down = {"main", "login"}
    nights(cluster, clock, 6, 7)
    found = gauges(client)
    assert found["gap_seconds"] > 24 * 3600
    assert found["pull_done_timestamp_seconds"] < found["pull_due_timestamp_seconds"]
    assert found["missing_jobs"] == 0
    slurm.down = set()
    nights(cluster, clock, 8, 8)
    assert gauges(client)["gap_seconds"] == 0


def test_jobs_that_are_gone_are_counted_on_the_pulls_page(
    cluster: Cluster, slurm: FakeSlurm, clock: time_machine.Traveller, client: Client
) -> None:
    nights(cluster, clock, 2, 4)
    slurm.rows = [row for row in slurm.rows if row.job_id != 3]
    nights(cluster, clock, 5, 5)
    assert gauges(client)["missing_jobs"] == 1
    operator = console.visitor("operator")
    pull = Pull.objects.latest("pk")
    page = operator.get(console.url(pull, "change", pull.pk)).text
    assert "1 job that we know is no longer in Slurm" in page
    listed = operator.get(console.url(MissingJob), {"returned_at__isempty": "1"}).text
    assert "alpha:3" in listed
