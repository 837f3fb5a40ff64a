from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.usage.sacct_rows import GOOD, NOW, UTC_ZONE, row
from usage.normalise import FIELD_COLUMNS, JobRow, absent_fields, normalise_cells
from usage.reasons import Reason, RowError
from usage.times import Clock


def normalised(row: Mapping[str, str], zone: ZoneInfo = UTC_ZONE) -> JobRow | None:
    """The job of a row given by the names of its columns."""
    cells: Any = tuple(row.get(column) for column in FIELD_COLUMNS)
    return normalise_cells(cells, Clock(zone, NOW), absent_fields(tuple(row)))


def job(*without: str, **changes: str) -> JobRow:
    """The good row without some columns and with some cells changed."""
    cells = {name: text for name, text in row(**changes).items() if name not in without}
    found = normalised(cells)
    assert found is not None
    return found


def refused(*without: str, **changes: str) -> Reason:
    with pytest.raises(RowError) as caught:
        job(*without, **changes)
    return caught.value.reason


def test_a_job_in_base_units() -> None:
    found = job()
    assert found.job_id == 1001
    assert found.submit == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert found.start == datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)
    assert found.end == datetime(2026, 11, 1, 11, 0, 5, tzinfo=UTC)
    assert (found.user, found.account, found.partition) == ("somchai", "pi_suda", "gpu")
    assert (found.qos, found.state, found.name) == ("normal", "COMPLETED", "train")
    assert (found.elapsed_seconds, found.suspended_seconds) == (3600, 0)
    assert (found.nodes, found.node_list, found.display_id) == (1, "n1", "1001")
    assert (found.estimated, found.started, found.flags, found.absent) == (False, True, (), ())
    assert found.cpu_seconds == 4 * 3600
    assert found.gpu_seconds == 2 * 3600
    assert found.tres.gpu_types == (("a100", 2),)
    assert found.mem_mib_seconds == 16000 * 3600
    assert found.node_seconds == 3600


def test_a_job_can_not_be_changed() -> None:
    found = job()
    with pytest.raises(AttributeError):
        setattr(found, "elapsed_seconds", 1)  # noqa: B010 - the type checker forbids it too
    assert found == JobRow(*found)
    assert hash(found) == hash(job())


def test_suspended_time_is_off_the_cpus_only() -> None:
    found = job(ElapsedRaw="3000", Suspended="00:10:00")
    assert (found.elapsed_seconds, found.suspended_seconds, found.held_seconds) == (3000, 600, 3600)
    assert found.cpu_seconds == 4 * 3000
    assert found.gpu_seconds == 2 * 3600
    assert found.mem_mib_seconds == 16000 * 3600
    assert found.node_seconds == 3600


def test_without_a_suspended_column_elapsed_is_trusted() -> None:
    found = job("Suspended", ElapsedRaw="3000")
    assert (found.elapsed_seconds, found.suspended_seconds) == (3000, 0)
    assert found.gpu_seconds == 2 * 3000
    assert found.flags == ("elapsed_short",)
    assert found.absent == ("suspended",)
    assert refused("Suspended", ElapsedRaw="3601") is Reason.ELAPSED_MISMATCH


def test_printed_elapsed_has_days() -> None:
    changes = {
        "Start": "2026-10-01T00:00:00",
        "End": "2026-11-08T01:02:03",
        "Elapsed": "38-01:02:03",
    }
    found = job("ElapsedRaw", Submit="2026-10-01T00:00:00", **changes)
    assert found.elapsed_seconds == 38 * 86400 + 3723
    assert job(Elapsed="00:00:09").elapsed_seconds == 3600  # ElapsedRaw is preferred
    assert job(ElapsedRaw="", Elapsed="01:00:00").elapsed_seconds == 3600


def test_memory_below_a_mebibyte_second_is_rounded_down() -> None:
    found = job(AllocTRES="cpu=1,mem=1K", ReqTRES="cpu=1", ElapsedRaw="3600")
    assert found.mem_mib_seconds == 3600 // 1024


@pytest.mark.parametrize(
    ("state", "word"),
    [("CANCELLED by 1002", "CANCELLED"), ("completed", "COMPLETED"), ("NODE_FAIL", "NODE_FAIL")],
)
def test_state_is_its_first_word(state: str, word: str) -> None:
    assert job(State=state).state == word


@pytest.mark.parametrize("end", ["Unknown", "0", "None", ""])
def test_without_an_end_it_is_running_whatever_its_state(end: str) -> None:
    found = job(End=end, ElapsedRaw="777", State="COMPLETED")
    assert (found.end, found.elapsed_seconds, found.started) == (None, 777, True)
    assert found.cpu_seconds == 4 * 777


@pytest.mark.parametrize(
    "changes",
    [
        {"Start": "None", "NodeList": "None assigned", "State": "CANCELLED by 5"},
        {"Start": "Unknown", "NodeList": "None assigned", "AllocTRES": "", "State": "CANCELLED"},
        {"Start": "2026-11-01T11:00:05", "NodeList": "None assigned", "State": "CANCELLED by 5"},
        {"Start": "None", "End": "Unknown", "NodeList": "None assigned", "State": "PENDING"},
        {"Start": "None", "NodeList": "", "State": "CANCELLED by 5"},
        *(
            {"Start": start, "End": end, "NodeList": nodes, "State": "PENDING", "AllocTRES": ""}
            for start in ("2026-11-01T11:00:05", "2099-01-01T00:00:00")
            for end in ("Unknown", "0")
            for nodes in ("None assigned", "")
        ),
    ],
)
def test_a_job_that_never_started_uses_nothing(changes: dict[str, str]) -> None:
    found = job(ElapsedRaw="0", **changes)
    assert not found.started
    assert (found.cpu_seconds, found.gpu_seconds, found.mem_mib_seconds) == (0, 0, 0)
    assert found.node_seconds == 0


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        ({"Start": "2026-11-01T11:00:05", "ElapsedRaw": "0", "AllocTRES": ""}, False),
        ({"Start": "2026-11-01T11:00:05", "ElapsedRaw": "0"}, True),
        ({"End": "Unknown", "ElapsedRaw": "5"}, True),
        ({}, True),
    ],
)
def test_started_without_a_node_list(changes: dict[str, str], started: bool) -> None:
    assert job("NodeList", **changes).started is started


def test_a_job_that_failed_at_once_was_placed() -> None:
    found = job(Start="2026-11-01T11:00:05", ElapsedRaw="0", State="FAILED")
    assert (found.started, found.cpu_seconds) == (True, 0)


def test_a_resized_job_is_clipped_to_its_submit() -> None:
    # As 22.05 prints it: the first record, then one that keeps the Start of the first.
    first = job(State="RESIZING", End="2026-11-01T10:30:00", ElapsedRaw="1795")
    second = job(Submit="2026-11-01T10:30:00", ElapsedRaw="3600")
    assert first.flags == ("resized",)
    assert second.flags == ("resized",)
    assert (first.start, first.end) == (job().start, second.start)
    assert second.start == second.submit
    assert first.elapsed_seconds + second.elapsed_seconds == 3600


@pytest.mark.parametrize(
    ("changes", "elapsed", "suspended"),
    [
        ({"End": "Unknown", "ElapsedRaw": "2000"}, 2000 - 1795, 0),
        ({"End": "Unknown", "ElapsedRaw": "100"}, 0, 0),
        ({"ElapsedRaw": "3500", "Suspended": "00:01:40"}, 1705, 100),
        ({"ElapsedRaw": "0", "Suspended": "01:00:00"}, 0, 1805),
        ({"ElapsedRaw": "9"}, 9, 0),
    ],
)
def test_a_resized_job_never_counts_more_than_its_window(
    changes: dict[str, str], elapsed: int, suspended: int
) -> None:
    found = job(Submit="2026-11-01T10:30:00", **changes)
    assert (found.elapsed_seconds, found.suspended_seconds) == (elapsed, suspended)


def test_requested_resources_only_without_the_allocated_column() -> None:
    found = job("AllocTRES")
    assert found.estimated
    assert (found.tres.cpus, found.tres.gpus, found.tres.gpu_types) == (4, 2, ())
    assert refused(AllocTRES="") is Reason.NO_ALLOC_TRES
    assert refused("AllocTRES", ReqTRES="") is Reason.NO_REQ_TRES


@pytest.mark.parametrize(
    ("tres", "memory", "mib"),
    [
        ("cpu=8,node=2", "4Gn", 8192),
        ("cpu=8,node=2", "4Gc", 32768),
        ("cpu=8,node=2", "4G", 4096),
        ("cpu=8,mem=5M,node=2", "4G", 5),
        ("cpu=8,node=2", "", 0),
    ],
)
def test_requested_memory_of_old_versions(tres: str, memory: str, mib: int) -> None:
    found = job("AllocTRES", ReqTRES=tres, ReqMem=memory)
    assert found.tres.mem_kib == mib * 1024


@pytest.mark.parametrize(
    ("raw", "shown", "job_id"),
    [
        ("23", "23_9", 23),
        ("64", "23_0", 64),
        ("29", "28+1", 29),
        ("25", "25_[1-19:3]", 25),
        ("4294967295", "4294967295", 4294967295),
    ],
)
def test_the_raw_id_is_the_identity(raw: str, shown: str, job_id: int) -> None:
    found = job(JobIDRaw=raw, JobID=shown)
    assert (found.job_id, found.display_id) == (job_id, shown)


@pytest.mark.parametrize(
    ("changes", "without", "reason"),
    [
        ({"JobID": "23_4"}, ("JobIDRaw",), Reason.ARRAY_WITHOUT_RAW_ID),
        ({"JobID": "25_[1-19:3]"}, ("JobIDRaw",), Reason.ARRAY_WITHOUT_RAW_ID),
        ({"JobID": "28+1"}, ("JobIDRaw",), Reason.ARRAY_WITHOUT_RAW_ID),
        ({"JobIDRaw": "", "JobID": "7"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "0"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "-4"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "4294967296"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "9" * 5000}, (), Reason.JOB_ID),
        ({"JobIDRaw": "١٢"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "1_000"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "12", "JobID": "12.batch"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "12.batch|"}, (), Reason.JOB_ID),
        ({"JobIDRaw": ".batch"}, (), Reason.JOB_ID),
        ({"JobIDRaw": "x.batch"}, (), Reason.JOB_ID),
    ],
)
def test_without_an_identity_it_is_refused(
    changes: dict[str, str], without: tuple[str, ...], reason: Reason
) -> None:
    assert refused(*without, **changes) is reason


def test_a_plain_job_id_will_do() -> None:
    found = job("JobIDRaw", JobID="77")
    assert (found.job_id, found.display_id) == (77, "77")
    assert job("JobID").display_id == "1001"


@pytest.mark.parametrize("step", ["12.batch", "12.extern", "12.0", "12.interactive", "23_4.batch"])
@pytest.mark.parametrize("without", [(), ("JobIDRaw",)])
def test_steps_are_no_jobs(step: str, without: tuple[str, ...]) -> None:
    raw = f"12.{step.split('.')[1]}"
    cells = row(JobID=step, JobIDRaw=raw, User="", AllocTRES="junk")
    cells = {name: text for name, text in cells.items() if name not in without}
    assert normalised(cells) is None


def test_a_job_named_like_a_step_is_a_job() -> None:
    assert job(JobName="123.batch").name == "123.batch"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ElapsedRaw": "-5"}, Reason.ELAPSED),
        ({"ElapsedRaw": ""}, Reason.ELAPSED),
        ({"ElapsedRaw": "NaN"}, Reason.ELAPSED),
        ({"ElapsedRaw": "1e400"}, Reason.ELAPSED),
        ({"ElapsedRaw": "3_600"}, Reason.ELAPSED),
        ({"ElapsedRaw": "٣٦٠٠"}, Reason.ELAPSED),
        ({"ElapsedRaw": "9" * 5000}, Reason.ELAPSED),
        ({"ElapsedRaw": "3601"}, Reason.ELAPSED_MISMATCH),
        ({"ElapsedRaw": "3599"}, Reason.ELAPSED_MISMATCH),
        ({"Suspended": "00:00:01"}, Reason.ELAPSED_MISMATCH),
        ({"Suspended": "INVALID"}, Reason.SUSPENDED),
        ({"Suspended": "-1"}, Reason.SUSPENDED),
        ({"End": "2026-11-01T10:00:04", "ElapsedRaw": "0"}, Reason.END_BEFORE_START),
        ({"Start": "2026-10-30T10:00:00", "End": "2026-10-30T11:00:00"}, Reason.END_BEFORE_START),
        ({"Start": "None", "ElapsedRaw": "5"}, Reason.ELAPSED_MISMATCH),
        ({"NodeList": "None assigned"}, Reason.NO_NODES),
        ({"State": ""}, Reason.STATE),
        ({"State": "by 1002"}, Reason.STATE),
        ({"State": "<script>"}, Reason.STATE),
        ({"AllocTRES": "cpu=-4"}, Reason.TRES),
        ({"AllocTRES": "cpu=4,cpu=4"}, Reason.TRES),
        ({"AllocTRES": "cpu=NaN"}, Reason.TRES),
        ({"AllocTRES": "cpu=2147483648"}, Reason.TRES),
        ({"AllocTRES": "cpu=4,mem=16000M,node=1"}, Reason.GPU_MISSING),
        ({"User": "u" * 129}, Reason.TOO_LONG),
        ({"Account": "a" * 129}, Reason.TOO_LONG),
        ({"QOS": "q" * 129}, Reason.TOO_LONG),
        ({"Partition": "p" * 256}, Reason.TOO_LONG),
    ],
)
def test_what_can_not_be_billed_is_refused_with_its_reason(
    changes: dict[str, str], reason: Reason
) -> None:
    assert refused(**changes) is reason


def test_memory_times_time_fits_the_database() -> None:
    found = job(AllocTRES="cpu=1,mem=30P,node=1", ReqTRES="")
    assert found.mem_mib_seconds == 30 * 1024**3 * 3600
    long = {"Submit": "2001-01-01T00:00:00", "Start": "2001-01-01T00:00:00", "Suspended": ""}
    start = datetime(2001, 1, 1, tzinfo=UTC)
    elapsed = str(int((datetime(2026, 11, 1, tzinfo=UTC) - start).total_seconds()))
    reason = refused(
        AllocTRES="cpu=1,mem=30P", ReqTRES="", End="2026-11-01T00:00:00", ElapsedRaw=elapsed, **long
    )
    assert reason is Reason.TRES


def test_names_that_just_fit() -> None:
    found = job(User="u" * 128, Account="a" * 128, QOS="q" * 128, Partition="p" * 255)
    assert len(found.user + found.account + found.qos + found.partition) == 3 * 128 + 255
    assert len(job(JobID="25_[" + "1," * 500 + "2]").display_id) == 255


def test_the_fingerprint_does_not_need_a_node_list() -> None:
    cancelled = {"Start": "2026-11-01T11:00:05", "ElapsedRaw": "0", "State": "CANCELLED by 5"}
    idle = job(NodeList="None assigned", **cancelled)
    unknown = job("NodeList", **cancelled)
    assert (idle.started, unknown.started) == (False, True)
    assert idle.fingerprint == unknown.fingerprint


def test_gpus_are_not_missed_before_they_count() -> None:
    never = job(
        AllocTRES="", ElapsedRaw="0", Start="None", NodeList="None assigned", State="CANCELLED"
    )
    assert never.gpu_seconds == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"JobIDRaw": "1002"},
        {"Submit": "2026-11-01T10:00:01"},
        {"User": "malee"},
        {"Account": "pi_niran"},
        {"Partition": "cpu"},
        {"QOS": "premium"},
        {"State": "FAILED"},
        {"Start": "2026-11-01T10:00:06", "ElapsedRaw": "3599"},
        {"End": "2026-11-01T11:00:06", "ElapsedRaw": "3601"},
        {"End": "Unknown"},
        {"ElapsedRaw": "3599", "Suspended": "00:00:01"},
        {"AllocTRES": "cpu=5,gres/gpu=2"},
        {"AllocTRES": "billing=5,cpu=4,gres/gpu:a100=2,gres/gpu=2,mem=16000M,node=1"},
        {"AllocTRES": "billing=4,cpu=4,gres/gpu:h100=2,gres/gpu=2,mem=16000M,node=1"},
        {"ReqTRES": "cpu=1"},
        {"Reservation": "maintenance"},
        {"AllocTRES": f"{GOOD['AllocTRES']},energy=12"},
        {"ConsumedEnergyRaw": "12"},
    ],
)
def test_the_fingerprint_sees_what_is_billed(changes: dict[str, str]) -> None:
    assert job(**changes).fingerprint != job().fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"JobName": "renamed"},
        {"JobID": "1001_7"},
        {"NodeList": "n2"},
        {"ReqTRES": "node=1,cpu=4,billing=4,mem=16000M,gres/gpu=2"},
        {"Comment": "later"},
        {"State": "COMPLETED by 7"},
        {"AllocTRES": "node=1,gres/gpu:a100=2,mem=16000M,cpu=4,billing=4,energy=0"},
        {"Submit": "1793527200"},
        {"Start": "2026-11-01T17:00:05+07:00"},
        {"Suspended": ""},
    ],
)
def test_the_fingerprint_does_not_see_the_rest(changes: dict[str, str]) -> None:
    assert job(**changes).fingerprint == job().fingerprint
    assert len(job().fingerprint) == 64


def test_the_fingerprint_is_the_same_in_every_time_zone() -> None:
    local = row(
        Submit="2026-11-01T17:00:00", Start="2026-11-01T17:00:05", End="2026-11-01T18:00:05"
    )
    assert normalised(local, ZoneInfo("Asia/Bangkok")) == job()


def test_an_absent_field_is_no_change() -> None:
    stored = job(ElapsedRaw="3000", Suspended="00:10:00")
    thin = job("Partition", "QOS", "Suspended", "NodeList", "JobName", ElapsedRaw="3000")
    assert thin.absent == ("partition", "qos", "suspended", "node_list", "name")
    assert thin.fingerprint != stored.fingerprint
    filled = thin.filled(partition="gpu", qos="normal", suspended_seconds=600)
    assert filled.fingerprint == stored.fingerprint
    moved = job("QOS", Partition="cpu")
    filled = moved.filled(partition="gpu", qos="premium", suspended_seconds=600)
    assert (filled.partition, filled.qos, filled.suspended_seconds) == ("cpu", "premium", 0)
    assert stored.filled(partition="x", qos="y", suspended_seconds=1) == stored
