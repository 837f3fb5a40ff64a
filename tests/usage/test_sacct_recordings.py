"""Whole recordings of a real Slurm 22.05 and 25.05, against totals counted by a plain loop."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from tests.usage.sacct_rows import FIXTURES, VERSIONS, read, read_all
from tests.usage.sources.recordings import alike
from usage.normalise import JobRow
from usage.sources.sacct import Parsed

TABLES = ("sacct-X-D.psv", "sacct-D.psv", "sacct-X-D-epoch.psv", "sacct-X-D-ALL.psv")
# Rows, jobs that never started, and what of the resized job is in two records.
JOBS = {"22.05": 78, "25.05": 80}
STEPS = {"22.05": 156, "25.05": 156}
NEVER_STARTED = {"22.05": 0, "25.05": 2}


def recording(version: str, name: str) -> list[Parsed]:
    data = (FIXTURES / version / name).read_bytes()
    return read(data, delimiter="\x1f" if name.endswith(".us") else "|")


def jobs(version: str, name: str) -> list[JobRow]:
    return [parsed.job for parsed in recording(version, name) if parsed.job]


def counted(version: str) -> dict[str, int]:
    """Totals of the epoch recording by nothing but splitting: no code in common with the reader."""
    totals: Counter[str] = Counter()
    lines = (FIXTURES / version / "sacct-X-D-epoch.psv").read_text().splitlines()
    place = {name: index for index, name in enumerate(lines[0].split("|"))}
    for line in lines[1:]:
        cells = line.split("|")
        if len(cells) < 40:  # the second half of a name with a line feed
            continue
        tres = dict(item.split("=") for item in cells[place["AllocTRES"]].split(","))
        minutes, rest = cells[place["Suspended"]].split(":")[1:]
        suspended = int(minutes) * 60 + int(rest)
        elapsed = int(cells[place["ElapsedRaw"]])
        if cells[place["Start"]].isdigit():  # the resized job of 22.05 keeps its first Start
            elapsed -= max(0, int(cells[place["Submit"]]) - int(cells[place["Start"]]))
        held = elapsed + suspended
        totals["cpu"] += int(tres["cpu"]) * elapsed
        totals["gpu"] += int(tres.get("gres/gpu", "0")) * held
        totals["mem"] += int(tres["mem"].removesuffix("M")) * held
        totals["node"] += int(tres["node"]) * held
        for key, count in tres.items():
            if ":" in key:
                totals[key] += int(count) * held
        totals["rows"] += 1
    return totals


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [*TABLES, "sacct-X-D.us"])
def test_totals_are_those_of_a_plain_loop(version: str, name: str) -> None:
    found = jobs(version, name)
    totals: Counter[str] = Counter(rows=len(found))
    for job in found:
        totals["cpu"] += job.cpu_seconds
        totals["gpu"] += job.gpu_seconds
        totals["mem"] += job.mem_mib_seconds
        totals["node"] += job.node_seconds
        for kind, count in job.tres.gpu_types:
            totals[f"gres/gpu:{kind}"] += count * job.held_seconds
    assert totals == counted(version)
    assert totals["rows"] == JOBS[version]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [*TABLES, "sacct-X-D.us"])
def test_nothing_is_bad_and_nothing_is_left_over(version: str, name: str) -> None:
    kinds = Counter(parsed.kind for parsed in recording(version, name))
    expected = {"job": JOBS[version]}
    if name == "sacct-D.psv":
        expected["step"] = STEPS[version]
    assert kinds == expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["sacct-D.psv", "sacct-X-D-epoch.psv", "sacct-X-D-ALL.psv"])
def test_every_form_gives_the_same_jobs(version: str, name: str) -> None:
    # The text forms were recorded with TZ=UTC, the epoch form needs no zone; ALL has other columns.
    expected = {(job.job_id, job.submit): job for job in jobs(version, "sacct-X-D.psv")}
    found = {(job.job_id, job.submit): job for job in jobs(version, name)}
    assert len(expected) == JOBS[version]
    assert found.keys() == expected.keys()
    # What was used is told by steps alone, which one of these has.
    assert [key for key, job in found.items() if not alike(job, expected[key])] == []
    # In the usual forms Comment stands beside JobName, and which of them holds a bar is unknown.
    differing = {job.name for key, job in found.items() if job.name != expected[key].name}
    assert differing <= {"sbatch", "renamed|while running"}


@pytest.mark.parametrize("version", VERSIONS)
def test_steps_tell_what_their_jobs_used(version: str) -> None:
    """Counted again here by nothing but splitting: the allocation's own total, where it is short
    of an hour, is that of its steps to the millisecond."""
    lines = (FIXTURES / version / "sacct-D.psv").read_text().splitlines()
    place = {name: index for index, name in enumerate(lines[0].split("|"))}
    told: dict[str, list[str]] = {}
    for line in lines[1:]:
        cells = line.split("|")
        if len(cells) > place["TotalCPU"] and "." in cells[place["JobIDRaw"]]:
            number = cells[place["JobIDRaw"]].split(".")[0]
            told.setdefault(number, []).append(cells[place["TotalCPU"]])
    seconds = {
        number: sum(
            sum(float(t) * 60**i for i, t in enumerate(text.split(":")[::-1])) for text in texts
        )
        for number, texts in told.items()
    }
    again = Counter(job.job_id for job in jobs(version, "sacct-D.psv"))
    seen = 0
    for job in jobs(version, "sacct-D.psv"):
        assert job.used_mem_mib_seconds is None  # there is no AveRSS in it
        if again[job.job_id] == 1 and job.end is not None:
            spent = seconds.get(str(job.job_id), 0)
            assert job.used_cpu_seconds == (int(spent + 0.5) if spent else None), job.job_id
            seen += bool(spent)
    assert seen > 50
    assert {job.used_cpu_seconds for job in jobs(version, "sacct-X-D.psv")} == {None}


@pytest.mark.parametrize("version", VERSIONS)
def test_attempts_are_told_apart_by_submit(version: str) -> None:
    found = jobs(version, "sacct-X-D.psv")
    assert len({(job.job_id, job.submit) for job in found}) == len(found)
    again = Counter(job.job_id for job in found)
    requeued = [job for job in found if job.state == "REQUEUED"]
    assert requeued
    assert all(again[job.job_id] == 2 and job.cpu_seconds for job in requeued)


@pytest.mark.parametrize("version", VERSIONS)
def test_arrays_and_het_jobs_have_their_own_raw_ids(version: str) -> None:
    found = jobs(version, "sacct-X-D.psv")
    tasks = {job.display_id: job.job_id for job in found if job.display_id.startswith("23_")}
    assert len(tasks) == len(set(tasks.values())) == 10
    assert tasks["23_9"] == 23
    het = {job.display_id: job.job_id for job in found if "+" in job.display_id}
    assert het == {"28+0": 28, "28+1": 29, "28+2": 30}


@pytest.mark.parametrize("version", VERSIONS)
def test_jobs_that_never_started(version: str) -> None:
    idle = [job for job in jobs(version, "sacct-X-D.psv") if not job.started]
    assert len(idle) == NEVER_STARTED[version]
    assert sum(job.cpu_seconds + job.mem_mib_seconds for job in idle) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_allocation_counts_not_the_request(version: str) -> None:
    exclusive = next(job for job in jobs(version, "sacct-X-D.psv") if job.job_id == 12)
    assert (exclusive.tres.cpus, exclusive.tres.gpus) == (64, 4)
    assert exclusive.tres.gpu_types == (("a100", 4),)
    assert exclusive.tres.mem_kib == 128000 * 1024


def test_the_resized_job_of_22_05_is_in_two_records_that_do_not_overlap() -> None:
    first, second = (job for job in jobs("22.05", "sacct-X-D.psv") if job.job_id == 56)
    assert (first.state, first.flags) == ("RESIZING", ("resized",))
    assert (
        first.end == second.start == second.submit == datetime(2026, 11, 21, 7, 26, 55, tzinfo=UTC)
    )
    assert (first.elapsed_seconds, second.elapsed_seconds) == (3, 37)


def test_the_suspended_job_of_22_05() -> None:
    job = next(job for job in jobs("22.05", "sacct-X-D.psv") if job.job_id == 47)
    assert (job.elapsed_seconds, job.suspended_seconds) == (24, 1)
    assert (job.cpu_seconds, job.mem_mib_seconds) == (24, 2500)


@pytest.mark.parametrize("version", VERSIONS)
def test_hostile_names(version: str) -> None:
    names = {job.job_id: job.name for job in jobs(version, "sacct-X-D-ALL.psv")}
    assert names[15] == "a|b||c"
    assert names[16] == "จำลองอากาศ ชุดที่ ๑"
    assert names[17] == "line1\nline2"
    assert names[19] == "🧬 DNA"
    assert names[22] == "123.batch"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["sacct-X-D.psv", "sacct-X-D-ALL.psv"])
def test_every_cut_of_a_recording_is_noticed(version: str, name: str) -> None:
    data = (FIXTURES / version / name).read_bytes()[:12_000]
    whole = {parsed.line: parsed.job for parsed in read_all(data)[1]}
    for size in range(8_000, len(data), 7):
        reader, rows = read_all(data[:size])
        assert reader.truncated or data[size - 1 : size] == b"\n"
        for parsed in rows:
            # A cut never turns a job into another.
            expected = whole.get(parsed.line)
            assert parsed.job is None or (
                expected is not None and parsed.job.fingerprint == expected.fingerprint
            )
