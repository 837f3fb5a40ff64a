"""Totals of a log without a header, against a count of every second of every job."""

import io
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import few
from tests.factories import SYSTEM
from usage.models import Cluster, Job
from usage.services import create_cluster, prepare_import, run_import
from usage.totals import By, Sums, usage_totals

pytestmark = pytest.mark.django_db

COLUMNS = (
    "jobid", "jobidraw", "cluster", "partition", "qos", "account", "group", "gid", "user", "uid",
    "submit", "eligible", "start", "end", "elapsed", "exitcode", "state", "nnodes", "ncpus",
    "reqcpus", "reqmem", "reqtres", "alloctres", "timelimit", "nodelist", "jobname",
)  # fmt: skip
FIRST, LAST = date(2026, 10, 24), date(2026, 10, 26)
ZONES = ("UTC", "Europe/Berlin", "Asia/Bangkok", "America/St_Johns")
NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)
_numbers = count(1)


@dataclass(frozen=True)
class Entry:
    """A job of the log. ``seconds`` None: it was cancelled before it was placed on a node."""

    begin: int
    seconds: int | None
    cpus: int = 1
    gpus: int = 0
    nodes: int = 1
    user: str = "alice"
    partition: str = "cpu"
    runs: bool = False

    @property
    def start(self) -> datetime:
        return NOON + timedelta(seconds=self.begin)

    @property
    def placed(self) -> bool:
        return self.seconds is not None

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds or 0)

    def line(self, job_id: int) -> str:
        tres = f"billing=1,cpu={self.cpus},mem=4000M,node={self.nodes}"
        tres += f",gres/gpu={self.gpus}" if self.gpus else ""
        seconds = self.seconds or 0
        days, rest = divmod(seconds, 86400)
        elapsed = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
        submit = f"{self.start - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}"
        values = {
            "jobid": str(job_id), "jobidraw": str(job_id), "cluster": "phil", "qos": "normal",
            "partition": self.partition, "account": f"pi_{self.user}", "group": "users",
            "gid": "100", "user": self.user, "uid": "1000", "submit": submit, "eligible": submit,
            "start": f"{self.start:%Y-%m-%dT%H:%M:%S}",
            "end": "Unknown" if self.runs else f"{self.end:%Y-%m-%dT%H:%M:%S}",
            "elapsed": f"{days}-{elapsed}" if days else elapsed, "exitcode": "0:0",
            "state": "RUNNING" if self.runs else "COMPLETED" if self.placed else "CANCELLED by 1",
            "nnodes": str(self.nodes), "ncpus": str(self.cpus), "reqcpus": str(self.cpus),
            "reqmem": "4000Mn", "reqtres": f"cpu={self.cpus},node={self.nodes}",
            "alloctres": tres, "timelimit": "10-00:00:00",
            "nodelist": f"n[1-{self.nodes}]" if self.placed else "None assigned", "jobname": "a|b",
        }  # fmt: skip
        return "|".join(values[column] for column in COLUMNS)


def load(*entries: Entry) -> Cluster:
    """Import a log of these jobs, with its columns given, into a cluster of its own."""
    cluster = create_cluster(name=f"log{next(_numbers)}", time_zone="UTC", actor=SYSTEM)
    lines = [entry.line(number) for number, entry in enumerate(entries, start=1)]
    # Evidence is known by its bytes: no two clusters' logs may be alike.
    text = "\n".join(lines).replace("|phil|", f"|{cluster.name}|") + "\n"
    run = prepare_import(
        cluster=cluster,
        stream=io.BytesIO(text.encode()),
        origin="log",
        actor=SYSTEM,
        columns=COLUMNS,
    )
    run = run_import(run_id=run.pk, actor=SYSTEM)
    assert run.jobs == len(entries)
    return cluster


def counted(entries: list[Entry], zone: ZoneInfo) -> dict[str, Counter[str]]:
    """Go through every second of every job and note it under its local day."""
    days: dict[str, Counter[str]] = {
        str(FIRST + timedelta(days=number)): Counter() for number in range(3)
    }
    nowhere: Counter[str] = Counter()
    for entry in (entry for entry in entries if entry.placed):
        seen = set()
        for second in range(entry.seconds or 0):
            day = str((entry.start + timedelta(seconds=second)).astimezone(zone).date())
            sums = days.get(day, nowhere)
            sums["wall_seconds"] += 1
            sums["cpu_seconds"] += entry.cpus
            sums["gpu_seconds"] += entry.gpus
            sums["node_seconds"] += entry.nodes
            seen.add(day)
        first, last = (str(at.astimezone(zone).date()) for at in (entry.start, entry.end))
        days.get(first, nowhere)["jobs_started"] += 1
        days.get(last, nowhere)["jobs_ended"] += not entry.runs
        for day in seen | {first}:
            days.get(day, nowhere)["jobs_running"] += 1
            days.get(day, nowhere)["jobs_unfinished"] += entry.runs
    return days


def nonzero(sums: Sums) -> dict[str, int]:
    return {name: value for name in Sums.__slots__ if (value := getattr(sums, name))}


entries = st.builds(
    Entry,
    begin=st.integers(-40, 70).map(lambda hours: hours * 3600) | st.integers(-144000, 252000),
    seconds=st.none() | st.integers(0, 100) | st.sampled_from([3600, 43200, 90000, 95000]),
    cpus=st.integers(1, 128),
    gpus=st.integers(0, 8),
    nodes=st.integers(1, 9),
    user=st.sampled_from(["alice", "bob", "charlie"]),
    partition=st.sampled_from(["cpu", "gpu,cpu"]),
)
unfinished = st.builds(
    Entry,
    begin=st.integers(-144000, 252000),
    seconds=st.integers(0, 95000),
    cpus=st.integers(1, 8),
    runs=st.just(True),
)


@settings(max_examples=few(6), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries | unfinished, min_size=1, max_size=5), st.sampled_from(ZONES))
def test_every_second_is_in_the_day_it_belongs_to(log: list[Entry], zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    cluster = load(*log)
    found = usage_totals(cluster=cluster, first=FIRST, last=LAST, zone=zone)
    days = {day: nonzero(sums) for day, sums in found.rows}
    expected = counted(log, zone)
    assert days == {
        day: {name: value for name, value in sums.items() if value}
        for day, sums in expected.items()
    }
    for name in ("cpu_seconds", "gpu_seconds", "node_seconds", "wall_seconds", "jobs_started"):
        assert getattr(found.total, name) == sum(sums[name] for sums in expected.values())
    for by in (By.MONTH, By.USER, By.ACCOUNT, By.PARTITION):
        other = usage_totals(cluster=cluster, first=FIRST, last=LAST, zone=zone, by=by)
        assert other.total == found.total


def test_each_key_has_its_jobs() -> None:
    cluster = load(
        Entry(0, 86400, cpus=2, user="bob", partition="gpu"),
        Entry(0, 3600, cpus=4),
        Entry(0, None, cpus=9, user="charlie"),
    )

    def table(by: By) -> dict[str, tuple[int, int]]:
        found = usage_totals(cluster=cluster, first=FIRST, last=LAST, zone=ZoneInfo("UTC"), by=by)
        return {key: (sums.jobs_ended, sums.cpu_seconds) for key, sums in found.rows}

    assert table(By.USER) == {"alice": (1, 14400), "bob": (1, 172800)}
    assert table(By.ACCOUNT) == {"pi_alice": (1, 14400), "pi_bob": (1, 172800)}
    assert table(By.PARTITION) == {"cpu": (1, 14400), "gpu": (1, 172800)}
    assert table(By.MONTH) == {"2026-10": (2, 187200)}


def test_a_job_over_two_days_runs_once_in_total() -> None:
    cluster = load(Entry(0, 86400))
    found = usage_totals(cluster=cluster, first=FIRST, last=LAST, zone=ZoneInfo("UTC"))
    assert [sums.jobs_running for _day, sums in found.rows] == [1, 1, 0]
    assert found.total.jobs_running == 1


def test_time_suspended_is_left_out_of_cpu_hours_and_still_adds_up() -> None:
    """Without a Suspended column, Elapsed is trusted: 10 CPUs for 100,001 of 172,801 seconds."""
    cluster = load(Entry(0, 172801, cpus=10))
    line = Entry(0, 172801, cpus=10).line(1).replace("2-00:00:01", "1-03:46:41")
    line = line.replace("|phil|", f"|{cluster.name}|")
    run = prepare_import(
        cluster=cluster,
        stream=io.BytesIO(line.encode()),
        origin="log",
        actor=SYSTEM,
        columns=COLUMNS,
    )
    assert run_import(run_id=run.pk, actor=SYSTEM).jobs_changed == 1
    assert Job.objects.get(cluster=cluster).cpu_seconds == 1000010
    found = usage_totals(cluster=cluster, first=FIRST, last=LAST, zone=ZoneInfo("UTC"))
    cuts = [1000010 * seconds // 172801 for seconds in (0, 43200, 129600, 172801)]
    expected = [b - a for a, b in pairwise(cuts)]
    assert [sums.cpu_seconds for _day, sums in found.rows] == expected
    assert found.total.cpu_seconds == 1000010
    assert found.total.wall_seconds == 172801
