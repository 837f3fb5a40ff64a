"""What jobs really used: from steps as sacct prints them, and as slurmrestd gives them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.usage.sacct_rows import COLUMNS, GOOD, read, row, table
from tests.usage.sources.recordings import answer, job, parsed
from usage.normalise import JobRow
from usage.used import MAX_USED, StepUse, Sum, Used, cpu_ms, step_of_cells, step_of_record, total

STEP_COLUMNS = (*COLUMNS, "TotalCPU", "AveRSS", "NTasks", "ConsumedEnergyRaw")
NO_STEP = dict.fromkeys(STEP_COLUMNS, "")
GIB = 2**30


def own(number: int = 1001, **cells: str) -> dict[str, str]:
    """An allocation's row in a table with steps."""
    own_id = {"JobIDRaw": str(number), "JobID": str(number)}
    return NO_STEP | GOOD | own_id | {"TotalCPU": "00:00:00"} | cells


def step(name: str, cpu: str, rss: str, of: int = 1001, **cells: str) -> dict[str, str]:
    """A step of an hour and of one task, unless the cells say otherwise."""
    number = f"{of}.{name}"
    told = {
        "JobIDRaw": number, "JobID": number, "State": "COMPLETED", "Submit": GOOD["Submit"],
        "Start": GOOD["Start"], "End": GOOD["End"], "ElapsedRaw": "3600", "TotalCPU": cpu,
        "AveRSS": rss, "NTasks": "1",
    }  # fmt: skip
    return NO_STEP | told | cells


def jobs(*rows: dict[str, str], columns: tuple[str, ...] = STEP_COLUMNS) -> list[JobRow]:
    return [each.job for each in read(table(rows, columns)) if each.job is not None]


def used(*rows: dict[str, str], columns: tuple[str, ...] = STEP_COLUMNS) -> Used:
    (found,) = jobs(*rows, columns=columns)
    return Used(found.used_cpu_seconds, found.used_mem_mib_seconds)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:00", 0),
        ("00:02.003", 2003),
        ("59:59.999", 3_599_999),
        ("01:06:41", 4_001_000),
        ("38-01:02:03", ((38 * 24 + 1) * 3600 + 123) * 1000),
        ("", 0),
    ],
)
def test_cpu_time_as_sacct_prints_it(text: str, expected: int) -> None:
    assert cpu_ms(text) == expected


@pytest.mark.parametrize("text", ["INVALID", "1", "-1:00", "1-00:01", "00:01.5", "٠٠:٠١", "1e9"])
def test_what_is_no_cpu_time(text: str) -> None:
    with pytest.raises(ValueError, match="not a CPU time"):
        cpu_ms(text)


def test_steps_are_summed_and_rounded_once() -> None:
    """CPU: 0.4 + 0.4 + 3600 s. Memory: 1 GiB x 2 tasks x 3600 s, and half a MiB for 3 s."""
    found = used(
        own(TotalCPU="01:00:00"),
        step("batch", "00:00.400", str(2**19), ElapsedRaw="3"),
        step("extern", "00:00.400", ""),
        step("0", "01:00:00", f"{GIB}", NTasks="2"),
    )
    assert found == (3601, 1024 * 2 * 3600 + 2)


def test_amounts_with_a_unit() -> None:
    assert used(own(), step("0", "00:01.000", "1.50G", ElapsedRaw="10")) == (1, 15360)
    assert used(own(), step("0", "00:01.000", "512K", ElapsedRaw="3")) == (1, 2)


def test_a_job_that_slept_used_nothing_and_one_that_was_not_measured_has_no_figure() -> None:
    assert used(own(), step("batch", "00:00:00", "0")) == (0, 0)
    assert used(own(), step("batch", "00:00:00", "")) == (None, None)
    assert used(own(), step("batch", "00:00.600", "")) == (1, None)
    assert used(own()) == (None, None)


def test_an_allocation_alone_tells_its_cpu_time_unless_that_is_nothing() -> None:
    """With -X it is always 0."""
    assert used(own(TotalCPU="02:00.500")) == (121, None)
    assert used(own(TotalCPU="00:00:00")) == (None, None)
    assert used(own(TotalCPU="INVALID")) == (None, None)
    # Steps say it better.
    assert used(own(TotalCPU="02:00.500"), step("0", "00:07.000", "0")) == (7, 0)


def test_no_figure_while_the_job_runs() -> None:
    running: Any = {"End": "Unknown", "State": "RUNNING"}
    assert used(own(**running), step("0", "00:07.000", "1000", **running)) == (None, None)


@pytest.mark.parametrize(
    "bad",
    [
        {"TotalCPU": "INVALID"},
        {"AveRSS": "12Q"},
        {"NTasks": ""},
        {"NTasks": "-1"},
        {"AveRSS": "nan"},
    ],
)
def test_never_half_a_sum(bad: dict[str, str]) -> None:
    first = step("batch", "00:07.000", "1000")
    assert used(own(), first, step("0", "00:07.000", "1000") | bad) == (None, None)


def test_columns_that_are_not_there() -> None:
    steps = (own(), step("0", "00:07.000", str(GIB), ElapsedRaw="60"))
    assert used(*steps, columns=(*COLUMNS, "TotalCPU")) == (7, None)
    assert used(*steps, columns=(*COLUMNS, "AveRSS", "NTasks")) == (None, 60 * 1024)
    assert used(*steps, columns=(*COLUMNS, "AveRSS")) == (None, None)
    assert used(*steps, columns=COLUMNS) == (None, None)


def test_steps_belong_to_the_row_before_them() -> None:
    """Attempts of one id each have their own; a step without its job is only counted."""
    again: Any = {"Submit": "2026-11-01T10:30:00", "Start": "2026-11-01T10:30:05"}
    rows = [
        step("batch", "00:09.000", "0", of=999),
        own(),
        step("batch", "00:01.000", "0"),
        own(ElapsedRaw="1800", **again),
        step("batch", "00:02.000", "0"),
        step("0", "00:03.000", "0", of=1002),
        own(1003, JobID="1001_7"),
        step("batch", "00:04.000", "0", of=1003, JobID="1001_7.batch"),
    ]
    found = read(table(rows, STEP_COLUMNS))
    assert [each.job.used_cpu_seconds for each in found if each.job] == [1, 2, 4]
    kinds = [each.kind for each in found]
    assert (kinds.count("job"), kinds.count("step"), len(kinds)) == (3, 5, 8)


def test_steps_of_a_job_that_cannot_be_read_are_counted() -> None:
    rows = read(table([own(State="?"), step("batch", "00:01.000", "0"), own(7)], STEP_COLUMNS))
    assert sorted(each.kind for each in rows) == ["bad", "job", "step"]
    assert [each.job.used_cpu_seconds for each in rows if each.job] == [None]


def test_energy_is_what_was_measured() -> None:
    allocated = f"{GOOD['AllocTRES']},energy=5400"
    assert jobs(own(AllocTRES=allocated, ConsumedEnergyRaw="7"))[0].energy_joules == 5400
    assert jobs(own(ConsumedEnergyRaw="7"))[0].energy_joules == 7
    for unmeasured in ("", "0", str(2**64 - 2)):
        assert jobs(own(ConsumedEnergyRaw=unmeasured))[0].energy_joules is None
    listed = job()["tres"]["allocated"]
    measured = [*listed[:2], {"type": "energy", "name": "", "id": 3, "count": 5400}, *listed[3:]]
    for entries, expected in ((listed, None), (measured, 5400)):
        (found,) = parsed(answer(job(tres__allocated=entries)))
        assert found.job is not None
        assert found.job.energy_joules == expected


def test_too_much_is_not_known() -> None:
    much = Sum()
    much.add(StepUse(MAX_USED * 1000, MAX_USED * 2**20))
    assert much.used() == (None, None)
    assert total([object()], None) == (None, None)


def record(name: str, ms: int, rss: int | None, tasks: int, elapsed: int) -> dict[str, Any]:
    """A step as slurmrestd has it, with CPU time to the microsecond."""
    average = [{"type": "cpu", "name": "", "id": 1, "count": 3}]
    average += [] if rss is None else [{"type": "mem", "name": "", "id": 2, "count": rss}]
    seconds, rest = divmod(ms, 1000)
    return {
        "time": {
            "elapsed": elapsed, "total": {"seconds": seconds, "microseconds": rest * 1000 + 9},
        },
        "tasks": {"count": tasks},
        "tres": {"requested": {"average": average}},
        "step": {"id": f"1001.{name}", "name": name},
    }  # fmt: skip


def printed(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    if seconds >= 3600:
        days, hours = divmod(seconds // 3600, 24)
        clock = f"{hours:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{days}-{clock}" if days else clock
    minutes = f"{seconds // 60:02}:{seconds % 60:02}"
    return f"{minutes}.{rest:03}" if rest else f"00:{minutes}"


STEPS = st.lists(
    st.tuples(
        st.integers(0, 4_000_000) | st.integers(0, 10**12),
        st.none() | st.integers(0, 2**40),
        st.integers(1, 5000),
        st.integers(0, 10**6),
    ),
    max_size=6,
)


@given(STEPS)
def test_steps_say_the_same_in_every_form(steps: list[tuple[int, int | None, int, int]]) -> None:
    text = [
        step(
            str(number), printed(ms), "" if rss is None else str(rss),
            NTasks=str(tasks), ElapsedRaw=str(seconds),
        )
        for number, (ms, rss, tasks, seconds) in enumerate(steps)
    ]  # fmt: skip
    (by_text,) = jobs(own(), *text)
    records = [record(str(number), *facts) for number, facts in enumerate(steps)]
    (by_json,) = parsed(answer(job(steps=records)))
    assert by_json.job is not None
    assert by_json.job.fingerprint == by_text.fingerprint
    assert by_json.job.used_cpu_seconds == by_text.used_cpu_seconds
    assert by_json.job.used_mem_mib_seconds == by_text.used_mem_mib_seconds
    cut = [ms if ms < 3_600_000 else ms // 1000 * 1000 for ms, *_ in steps]
    if any(cut):
        assert by_text.used_cpu_seconds == (sum(cut) + 500) // 1000


@pytest.mark.parametrize("path", ["time", "tasks", "tres"])
@pytest.mark.parametrize("value", [None, 5, "x", {}, [], {"count": "many"}, {"total": 1}])
def test_a_step_that_is_none_is_unreadable_and_never_an_error(path: str, value: object) -> None:
    broken = record("0", 5, 5, 1, 1) | {path: value}
    assert not step_of_record(broken).readable
    (found,) = parsed(answer(job(steps=[record("0", 5, 5, 1, 1), broken])))
    assert found.job is not None
    assert (found.job.used_cpu_seconds, found.job.used_mem_mib_seconds) == (None, None)


def test_a_step_where_a_job_is_expected_is_bad() -> None:
    (found,) = parsed(answer(record("0", 5, 5, 1, 1)))
    assert (found.kind, found.job) == ("bad", None)


def test_a_cell_without_its_columns() -> None:
    assert step_of_cells(None, None, None, None) == (None, None, True)
    assert step_of_cells("00:01.000", "5", "2", None) == (1000, None, True)
    assert jobs(row(), columns=COLUMNS)[0].used_cpu_seconds is None
