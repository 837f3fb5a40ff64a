"""Three clusters of the product read the same Slurm: by slurmrestd, by sacct and from files."""

import contextlib
import gzip
import io
import json
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F, Sum

from core.actor import Actor
from core.intervals import days
from tests.slurm.months import BERLIN, FALL, SPRING, Months
from tests.slurm.packages import program
from tests.slurm.stack import MAIN, Stack
from tests.slurm.test_three_ways import USED_COLUMNS
from usage.models import Cluster, ImportRun, Job, Source, Window
from usage.services import create_cluster
from usage.sources.factory import make_source
from usage.totals import By, usage_totals

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("billing", "connections", "months")]

BY_TEST = Actor.system("slurm tests")
# What each way may know differently, or was written when it was read.
OWN = ("id", "cluster_id", "run_id", "line", "revision", "first_seen_at", "name", "flags",
    "raw_offset", "raw_size", "raw_digest")  # fmt: skip
WITH_STEPS = ("-P", "--noconvert", "-o")
GROWING = ("fingerprint", "elapsed_seconds", "cpu_seconds", "gpu_seconds", "mem_mib_seconds",
    "node_seconds", "suspended_seconds")  # fmt: skip


def cluster(name: str, *sources: tuple[str, str]) -> Cluster:
    """One more cluster of ours that Slurm knows as the main one, on Berlin's clock.

    Its sources are taken from whichever had them: the database lets one place be read for one.
    """
    made = create_cluster(name=name, time_zone=str(BERLIN), actor=BY_TEST)
    Cluster.objects.filter(pk=made.pk).update(slurm_name=MAIN, reads_steps=True)
    made.refresh_from_db()
    for position, (kind, place) in enumerate(sources, 1):
        Source.objects.filter(kind=kind, place=place).delete()
        Source.objects.create(cluster=made, position=position, kind=kind, place=place)
    return made


def pull(made: Cluster, *spans: tuple[date, date]) -> Cluster:
    for first, last in spans:
        call_command("pull", made.name, since=first, until=last)
    return made


@pytest.fixture(scope="module")
def by_rest(months: Months, connections: Path, billing: object) -> Cluster:
    """Only the days on which something began or ended."""
    made, day = cluster("by-rest", ("slurmrestd", "rest")), timedelta(days=1)
    return pull(
        made,
        (FALL, FALL),
        (SPRING, SPRING),
        (months.first - day, months.first + day),
        (months.tenth - day, months.tenth + day),
        (months.last, months.last),
    )


@pytest.fixture(scope="module")
def by_sacct(months: Months, connections: Path, billing: object) -> Cluster:
    """Every day of the month, and the two nights."""
    made, day = cluster("by-sacct", ("sacct", "sacct")), timedelta(days=1)
    return pull(made, (FALL, FALL), (SPRING, SPRING), (months.first - day, months.last))


@pytest.fixture(scope="module")
def by_file(
    slurm: Stack, months: Months, connections: Path, tmp_path_factory: Any, billing: object
) -> Cluster:
    """A table of the month in Berlin's own time, packed; JSON of sacct and of slurmrestd."""
    day_before = months.first - timedelta(days=1)
    made, folder = cluster("by-file"), tmp_path_factory.mktemp("files")
    for name, content in {
        "spring.json.gz": gzip.compress(otherwise(printed(slurm, SPRING, SPRING, "--json"))),
        "fall.json": answered(FALL),
        "month.psv.zst": zstd(
            printed(slurm, day_before, months.last, *WITH_STEPS, f"{USED_COLUMNS},JobName")
        ),
    }.items():
        (folder / name).write_bytes(content)
        call_command("import_usage", made.name, path=str(folder / name))
    return made


def printed(slurm: Stack, first: date, last: date, *options: str) -> bytes:
    span = days(first, last, BERLIN)
    start, end = int(span.start.timestamp()), int(span.end.timestamp())
    return subprocess.run(
        [program("sacct"), "-a", "-D", f"-Suts{start}", f"-Euts{end}", *options],
        env=slurm.environment() | {"TZ": str(BERLIN)},
        check=True,
        capture_output=True,
    ).stdout


def answered(day: date) -> bytes:
    """A saved answer of slurmrestd."""
    with tempfile.TemporaryFile() as into:
        span = days(day - timedelta(days=1), day, BERLIN)
        make_source("slurmrestd", "socket", slurm_name=MAIN, reads_steps=True).fetch(span, into)
        into.seek(0)
        return otherwise(into.read())


def otherwise(answer: bytes) -> bytes:
    """The same JSON, as another program would have laid it out: an answer that was imported for
    one cluster is refused for any other, and sacct's records are slurmrestd's to the byte."""
    return json.dumps(json.loads(answer), separators=(",", ":")).encode()


def zstd(content: bytes) -> bytes:
    return subprocess.run(
        [program("zstd"), "-q"], input=content, check=True, capture_output=True
    ).stdout


def jobs(made: Cluster) -> Mapping[tuple[int, str], Mapping[str, object]]:
    found = {}
    for row in Job.objects.filter(cluster=made).values():
        left = {*OWN, *(GROWING if row["end"] is None else ())}
        found[row["job_id"], str(row["submit"])] = {
            name: value for name, value in row.items() if name not in left
        }
    return found


def test_three_ways_give_the_same_jobs(
    by_rest: Cluster, by_sacct: Cluster, by_file: Cluster
) -> None:
    expected = jobs(by_rest)
    assert len(expected) > 60
    assert jobs(by_sacct) == expected
    assert jobs(by_file) == expected


def test_what_jobs_really_used(
    slurm: Stack, months: Months, by_rest: Cluster, by_sacct: Cluster, by_file: Cluster
) -> None:
    """Slurm adds up the steps' CPU time itself; memory is added up here again, step by step."""
    burned = months.history.jobs["burned"]
    told = printed(
        # Late in the day of UTC it is the eleventh in Berlin.
        slurm, months.tenth, months.tenth + timedelta(days=1), *WITH_STEPS,
        "TotalCPU,AveRSS,NTasks,ElapsedRaw", "-n", f"-j{burned}",
    )  # fmt: skip
    job, *steps = [line.split("|") for line in told.decode().splitlines()]
    assert len(steps) >= 2
    minutes, seconds = job[0].split(":")
    # Six seconds in all; what a process used since Slurm last looked dies with it.
    assert (minutes, 3 < float(seconds) < 6.6) == ("00", True)
    memory = sum(int(rss or 0) * int(tasks) * int(time) for _, rss, tasks, time in steps)
    for made in (by_rest, by_sacct, by_file):
        found = Job.objects.get(cluster=made, job_id=burned)
        assert abs((found.used_cpu_seconds or 0) - float(seconds)) <= 0.51
        assert found.used_mem_mib_seconds == (memory + 2**19) // 2**20 > 0
        assert found.cpu_seconds >= 2 * found.elapsed_seconds
        counts = ImportRun.objects.filter(cluster=made).aggregate(
            rows=Sum("rows_read"), steps=Sum("steps"),
            rest=Sum(F("jobs_new") + F("jobs_changed") + F("jobs_unchanged")),
        )  # fmt: skip
        assert counts["rows"] == counts["steps"] + counts["rest"]
        assert bool(counts["steps"]) == (made != by_rest)


def test_every_import_was_whole(by_rest: Cluster, by_sacct: Cluster, by_file: Cluster) -> None:
    runs = ImportRun.objects.filter(cluster__in=(by_rest, by_sacct, by_file))
    assert set(runs.values_list("status", "quarantined")) == {("complete", 0)}
    windows = Window.objects.filter(cluster__in=(by_rest, by_sacct))
    assert set(windows.values_list("status", flat=True)) <= {"read", "empty"}
    sources = set(windows.exclude(source="").values_list("source", flat=True))
    assert sources == {"slurmrestd v0.0.38 (rest)", "sacct (sacct)"}


def reconciled(made: Cluster, period: str) -> Mapping[str, Any]:
    told = io.StringIO()
    with contextlib.suppress(CommandError):  # what it told says more than its exit code
        call_command("reconcile", made.name, period, json=True, stdout=told)
    found: Mapping[str, Any] = json.loads(told.getvalue())
    return found


@pytest.mark.parametrize("way", ["by_sacct", "by_rest"])
def test_what_we_have_is_what_slurm_says(
    way: str, months: Months, request: pytest.FixtureRequest
) -> None:
    """Each second of each job is in one bucket; two jobs are unlike, and it is known why: 22.05
    counts the time before a resize twice, and sacct's cut takes a suspension for running."""
    found = reconciled(request.getfixturevalue(way), months.period)
    ids = months.history.jobs
    known = {ids["resized"]: "resized", ids["suspended_now"]: "suspended"}
    assert {row["job_id"]: row["cause"] for row in found["differences"]}.items() <= known.items()
    assert found["quarantined_rows"] == 0
    for resource, figures in found["difference"].items():
        listed = (row[resource] for row in found["differences"])
        assert figures == sum(each["ours"] - each["slurm"] for each in listed)
    assert not found.get("error"), found
    assert found["slurm"]["cpu_seconds"] > 64 * 3600
    assert found["slurm"]["gpu_seconds"] > 2 * 86400


def test_sreport_says_the_same(by_sacct: Cluster, months: Months) -> None:
    """Of the job that is suspended now sreport has our figure, to a few seconds, not sacct's."""
    found = reconciled(by_sacct, months.period)
    report, suspended = found["report"], months.history.jobs["suspended_now"]
    assert report["rolled_up"]
    unlike = {
        (line["account"], line["user"], line["resource"]): line["sreport"] - line["jobs"]
        for line in report["differences"]
    }
    assert unlike.keys() <= {("genomics", "news", "cpu_seconds")}
    ours = sum(
        row["cpu_seconds"]["ours"] - row["cpu_seconds"]["slurm"]
        for row in found["differences"]
        if row["job_id"] == suspended
    )
    assert abs(sum(unlike.values()) - ours) <= 10


def test_nights_on_which_the_clock_changes(by_sacct: Cluster, by_file: Cluster) -> None:
    for made in (by_sacct, by_file):
        for day in (FALL, SPRING):
            totals = usage_totals(cluster=made, first=day, last=day, zone=BERLIN, by=By.DAY)
            assert totals.total.wall_seconds == 4001
            assert totals.total.cpu_seconds == 2 * 4001
