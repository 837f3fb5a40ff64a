"""Slurm's own word, read apart from imports: recordings of a real Slurm, told in three ways."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from core.intervals import Interval
from usage.connections import SlurmrestdConnection
from usage.sources.base import Fetched, WindowTooLarge
from usage.sources.unpacking import unpacked
from usage.statements import rest
from usage.statements.rows import (
    ReportLine,
    StatedJob,
    StatementUnreadable,
    report_line,
    rest_job,
    sacct_job,
)

FIXTURES = Path(__file__).parents[1] / "fixtures/slurm"
SINCE, UNTIL = 0, 2**40


def records(name: str) -> list[dict[str, Any]]:
    with (FIXTURES / name).open("rb") as packed:
        return list(json.load(unpacked(packed))["jobs"])


def printed(version: str) -> dict[tuple[int, int], dict[str, str]]:
    """What sacct printed, by job id and submit time."""
    text = (FIXTURES / version / "sacct-X-D-epoch.psv").read_bytes().decode("utf-8", "replace")
    header, *lines = text.splitlines()
    names = header.split("|")
    rows = [dict(zip(names, line.split("|"), strict=False)) for line in lines]
    return {
        (int(row["JobIDRaw"]), int(row["Submit"])): row
        for row in rows
        if row.get("Submit", "").isdigit()
    }


@pytest.mark.parametrize(
    ("version", "name"),
    [("22.05", "22.05/sacct-X-D.json.zst"), ("25.05", "25.05/jobs-v0.0.40.json.zst"),
     ("25.05", "25.05/jobs-v0.0.41.json.zst"), ("25.05", "25.05/jobs-v0.0.43.json.zst")],
)  # fmt: skip
def test_text_and_json_of_a_real_slurm_state_the_same(version: str, name: str) -> None:
    rows, seen = printed(version), 0
    for record in records(name):
        job = rest_job(record, since=SINCE, until=UNTIL)
        row = rows.get((record["job_id"], record["time"]["submission"]))
        if job is None or row is None or job.end is None:
            continue
        line = "|".join(
            row[column]
            for column in (
                "JobIDRaw", "Submit", "Start", "End", "ElapsedRaw", "Suspended", "AllocTRES",
                "State", "Account", "User",
            )
        )  # fmt: skip
        told = sacct_job(line)
        # Cancelled before it started, a job starts at its end in JSON, and never in text.
        assert told == job or (told is None and job.start == job.end), row["JobID"]
        seen += job.cpu_seconds > 0
    assert seen > 25


def line(**changes: str) -> str:
    cells = {
        "job": "7", "submit": "90", "start": "100", "end": "200", "elapsed": "60",
        "suspended": "00:00:40", "tres": "cpu=4,mem=1.50G,node=2,gres/gpu:a=1,gres/gpu:b=2",
        "state": "COMPLETED", "account": "a", "user": "u",
    } | changes  # fmt: skip
    return "|".join(cells.values())


def test_what_is_suspended_frees_cpus_only_and_types_of_gpus_add_up() -> None:
    assert sacct_job(line()) == StatedJob(
        7,
        90,
        "a",
        "u",
        100,
        200,
        4 * 60,
        3 * 100,
        1536 * 100,
        2 * 100,
        was_suspended=True,
        cpu_held_seconds=400,
    )
    both = sacct_job(line(tres="cpu=1,gres/gpu=2,gres/gpu:a=2,fs/disk=9"))
    assert both is not None
    assert both.gpu_seconds == 200


def test_a_job_outside_of_the_window_holds_nothing() -> None:
    late = sacct_job(line(start="300", end="200", elapsed="0"))
    assert late is not None
    assert (late.cpu_seconds, late.gpu_seconds, late.node_seconds) == (0, 0, 0)
    assert sacct_job(line(start="None", end="Unknown")) is None
    runs = sacct_job(line(state="RUNNING"))
    assert runs is not None
    assert runs.end is None


@pytest.mark.parametrize(
    "text",
    [line() + "|x", line(elapsed="-5"), line(job="7.batch"), line(tres="cpu=x"),
     line(tres="mem=5X"), line(submit="٣"), ""],
)  # fmt: skip
def test_what_is_no_line_of_sacct_is_refused(text: str) -> None:
    with pytest.raises(StatementUnreadable):
        sacct_job(text)


def test_report_lines_name_users_and_leave_out_the_sums_of_accounts() -> None:
    assert report_line("c|pi|ann|Ann|gres/gpu|17") == ReportLine("pi", "ann", "gpu_seconds", 17)
    assert report_line("c|pi|||cpu|17") is None
    for text in ("c|pi|ann|Ann|disk|17", "c|pi|ann|17", "c|pi|ann|Ann|cpu|1.5"):
        with pytest.raises(StatementUnreadable):
            report_line(text)


def record(**changes: Any) -> dict[str, Any]:
    time = {"submission": 90, "start": 100, "end": 200, "elapsed": 60, "suspended": 40}
    return {
        "job_id": 7,
        "time": time | changes,
        "tres": {"allocated": [{"type": "cpu", "name": "", "count": 4}]},
        "account": "a",
        "user": "u",
        "cluster": "demo",
    }


def test_times_of_rest_are_cut_here_and_the_pieces_add_up() -> None:
    whole = rest_job(record(), since=0, until=999)
    assert whole is not None
    assert (whole.cpu_seconds, whole.was_suspended) == (4 * 60, True)
    pieces = [
        rest_job(record(), since=since, until=until) for since, until in ((0, 133), (133, 999))
    ]
    assert sum(piece.cpu_seconds for piece in pieces if piece) == whole.cpu_seconds
    runs = rest_job(record(end=0, suspended={"set": True, "number": 0}), since=0, until=999)
    assert runs is not None
    assert (runs.end, runs.cpu_seconds) == (None, 4 * 60)
    assert rest_job(record(start=0), since=0, until=999) is None
    unreadable: list[dict[str, Any]] = [{}, {"time": {}}, record() | {"tres": None}]
    for broken in unreadable:
        with pytest.raises(StatementUnreadable):
            rest_job(broken, since=0, until=999)


class Answers:
    """A source that answers each window with the jobs in it, and refuses long ones."""

    kind = "slurmrestd"

    def __init__(self, *_args: Any, **_more: Any) -> None:
        self.asked: list[int] = []

    def fetch(self, window: Interval, into: BinaryIO) -> Fetched:
        hours = int((window.end - window.start).total_seconds()) // 3600
        self.asked.append(hours)
        if hours > 12:
            raise WindowTooLarge("too_large", "more than twelve hours")
        into.write(json.dumps({"jobs": [record(), record() | {"cluster": "other"}]}).encode())
        return Fetched("pretended")


def test_rest_is_asked_by_the_day_and_halves_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Answers()
    monkeypatch.setattr(rest, "Slurmrestd", lambda *args, **more: source)
    window = Interval(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, 6, tzinfo=UTC))

    def stated() -> Iterator[StatedJob]:
        return rest.stated_jobs(SlurmrestdConnection("rest"), slurm_name="demo", window=window)

    jobs = list(stated())
    assert source.asked == [24, 12, 12, 6]
    assert jobs == [jobs[0]] * 3
    assert jobs[0].cpu_seconds == 240
