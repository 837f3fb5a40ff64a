"""A job as slurmrestd gives it is the job that sacct prints, in every version of the API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.usage.sacct_rows import GOOD, NOW, table
from tests.usage.sources.recordings import (
    SHAPES,
    UNSET,
    alike,
    answer,
    completed,
    job,
    jobs_of,
    parsed,
    recorded,
)
from usage.normalise import JobRow
from usage.reasons import Reason, RowError
from usage.sources.rest_jobs import normalise_record
from usage.sources.sacct import UTC as UTC_ZONE
from usage.times import Clock

CLOCK = Clock(UTC_ZONE, NOW)
# Without disable_truncate_usage_time these two, cancelled before they started, are shown as if
# they had started when they ended.
TRUNCATED = {71, 72}


def made(**changes: Any) -> JobRow:
    return normalise_record(job(**changes), CLOCK)


def refused(**changes: Any) -> Reason:
    with pytest.raises(RowError) as caught:
        made(**changes)
    return caught.value.reason


@pytest.mark.parametrize("shape", SHAPES)
def test_recorded_jobs_have_the_fingerprint_that_they_have_as_text(shape: str) -> None:
    version = SHAPES[shape].split("/", maxsplit=1)[0]
    text = jobs_of(parsed(recorded(f"{version}/sacct-X-D-epoch.psv")))
    rows = parsed(recorded(SHAPES[shape]))
    assert [row.reason for row in rows if row.kind == "bad"] == []
    rest = jobs_of(rows)
    assert len(rest) >= 74
    assert rest.keys() <= text.keys()
    for key, found in rest.items():
        if key[0] in TRUNCATED and shape.startswith("v"):
            continue
        assert alike(found, text[key]), key
        assert (found.display_id, found.started) == (text[key].display_id, text[key].started)
        # v0.0.38 tells a reservation by a number that means nothing.
        odd = shape == "v0.0.38" and text[key].reservation == "maint"
        assert found.absent == (("reservation",) if odd else ())
        assert found.req_tres


def test_steps_of_a_recording_tell_what_was_used_and_change_nothing_else() -> None:
    with_steps = jobs_of(parsed(recorded("22.05/sacct-D.json.zst")))
    without = jobs_of(parsed(recorded("22.05/sacct-X-D.json.zst")))
    assert len(with_steps) == 78
    assert {key: completed(job, with_steps[key]) for key, job in without.items()} == with_steps
    assert sum(job.used_mem_mib_seconds is not None for job in with_steps.values()) > 60
    assert {job.used_mem_mib_seconds for job in without.values()} == {None}


def test_the_job_of_these_tests_is_that_of_the_tables() -> None:
    (text,) = jobs_of(parsed(table([GOOD]))).values()
    assert made().fingerprint == text.fingerprint
    assert made().tres == text.tres
    assert made().submit == datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "empty",
    [
        {"account": None},
        {"account": ""},
        {"qos": None},
        {"tres__allocated": []},
    ],
)
def test_null_and_empty_texts_are_the_same(empty: dict[str, Any]) -> None:
    if "tres__allocated" in empty:
        assert refused(**empty) is Reason.NO_ALLOC_TRES
    else:
        (name, _value) = next(iter(empty.items()))
        assert getattr(made(**empty), name) == ""


@pytest.mark.parametrize("state", ["COMPLETED", ["COMPLETED"]])
def test_state_is_a_text_or_a_list(state: Any) -> None:
    assert made(state__current=state).state == "COMPLETED"


def test_of_several_states_the_one_that_sacct_prints_is_taken() -> None:
    assert made(state__current=["PENDING", "RESIZING"]).state == "RESIZING"
    assert made(state__current=["COMPLETED", "REQUEUED"]).state == "REQUEUED"
    assert made(state__current=["CANCELLED"]).state == "CANCELLED"


@pytest.mark.parametrize("state", [[], None, 3, [3], {"set": True}])
def test_states_that_are_none(state: Any) -> None:
    assert refused(state__current=state) is Reason.STATE


def test_numbers_come_plain_or_with_set() -> None:
    wrapped = {"set": True, "infinite": False, "number": 3600}
    assert made(time__elapsed=wrapped).fingerprint == made().fingerprint


def test_a_number_that_is_not_set_is_not_zero() -> None:
    assert refused(time__elapsed=UNSET) is Reason.ELAPSED
    assert refused(time__submission=UNSET) is Reason.TIME
    assert refused(job_id=UNSET) is Reason.JOB_ID
    assert made(time__end=UNSET, state__current="RUNNING").end is None


@pytest.mark.parametrize("value", [True, 1.5, "3600", [3600], {"set": True, "number": "1"}])
def test_a_number_must_be_one(value: Any) -> None:
    assert refused(time__elapsed=value) is Reason.VALUE


def test_infinite_is_no_number() -> None:
    assert refused(time__elapsed={"set": True, "infinite": True, "number": 0}) is Reason.VALUE


def test_times_of_zero_and_novalue_are_not_yet() -> None:
    assert made(time__end=0, state__current="RUNNING").end is None
    waiting = made(
        time__start=2**32 - 2, time__end=0, time__elapsed=0, nodes="None assigned",
        state__current="PENDING", tres__allocated=[],
    )  # fmt: skip
    assert (waiting.start, waiting.started, waiting.cpu_seconds) == (None, False, 0)


def test_rules_for_times_are_those_of_the_text() -> None:
    assert refused(time__submission=0, time__start=0) is Reason.EPOCH_ZERO
    assert refused(time__elapsed=10) is Reason.ELAPSED_MISMATCH
    assert refused(time__elapsed=-5) is Reason.ELAPSED
    assert refused(time__end=4_000_000_000) is Reason.FUTURE_END


def test_ids_as_sacct_shows_them() -> None:
    assert made(array__job_id=23, array__task_id=4).display_id == "23_4"
    task = {"set": True, "infinite": False, "number": 0}
    assert made(array__job_id=23, array__task_id=task).display_id == "23_0"
    assert made(array__job_id=25, array__task="1-19:3").display_id == "25_[1-19:3]"
    assert made(het__job_id=28, het__job_offset=1).display_id == "28+1"
    assert made(array={"job_id": 0, "task": None, "task_id": None}).display_id == "1001"


def test_an_optional_field_that_is_not_there_is_absent_and_not_empty() -> None:
    assert made().absent == ()
    assert made(qos=...).absent == ("qos",)
    assert made(time__suspended=...).absent == ("suspended",)
    assert made(tres__requested=...).absent == ("req_tres",)
    assert made(reservation=...).absent == ("reservation",)
    assert refused(user=...) is Reason.MISSING
    assert refused(tres=...) is Reason.MISSING
    assert refused(tres__allocated=...) is Reason.MISSING


def test_old_shape_of_tres_has_null_names() -> None:
    old = [{**item, "name": item["name"] or None} for item in job()["tres"]["allocated"]]
    assert made(tres__allocated=old).fingerprint == made().fingerprint


def test_tres_as_a_text() -> None:
    text = "cpu=4,mem=16000M,node=1,billing=4,gres/gpu=2,gres/gpu:a100=2"
    assert made(tres__allocated=text).fingerprint == made().fingerprint


@pytest.mark.parametrize("count", [-2, None])
def test_energy_that_was_not_measured_is_left_out(count: int | None) -> None:
    others = [item for item in job()["tres"]["allocated"] if item["type"] != "energy"]
    energy = {"type": "energy", "name": "", "id": 3, "count": count}
    assert made(tres__allocated=[*others, energy]).fingerprint == made().fingerprint


@pytest.mark.parametrize(
    "item",
    [
        {"type": "cpu", "name": "", "count": None},
        {"type": "cpu", "name": "", "count": -1},
        {"type": "cpu", "name": "", "count": 2**31},
        {"type": "cpu", "name": "", "count": 1.5},
        {"type": "gres", "name": "gpu=9,cpu", "count": 1},
        "cpu=4",
    ],
)
def test_tres_that_can_not_be_billed(item: Any) -> None:
    assert refused(tres__allocated=[item]) is Reason.TRES


def test_a_tres_given_twice_is_refused() -> None:
    twice = [*job()["tres"]["allocated"], {"type": "cpu", "name": "", "count": 4}]
    assert refused(tres__allocated=twice) is Reason.TRES


WITHOUT_GPUS = [item for item in job()["tres"]["allocated"] if item["type"] != "gres"]


def test_gpus_that_were_requested_but_are_not_listed() -> None:
    assert refused(tres__allocated=WITHOUT_GPUS) is Reason.GPU_MISSING


@pytest.mark.parametrize(
    "line",
    [
        "sbatch --time 1 --wrap sleep 30 && true --partition gpu --gpus 4",
        "sbatch -p gpu --gpus h100:1",
        "sbatch --gpus-per-node=h100:1,h200:1 job.sh",
        "sbatch --gpus-per-socket 2 --sockets-per-node 2",
        "sbatch -G2 job.sh",
        "srun --gres gpu:6 hostname",
        "srun --gres=lustre:1,gpu:2 hostname",
        "srun --tres-per-task=gres/gpu:1 -n 2 hostname",
    ],
)
def test_gpus_that_only_the_command_line_knows_of(line: str) -> None:
    """A site that doesn't track GPUs has them in neither list (seen in 24.05 and 25.05)."""
    lists = {"tres__allocated": WITHOUT_GPUS, "tres__requested": WITHOUT_GPUS}
    assert refused(**lists, submit_line=line) is Reason.GPU_MISSING
    asked_for_nothing = made(
        **lists, submit_line=line, time__start=0, time__elapsed=0, nodes="None assigned"
    )
    assert not asked_for_nothing.started


@pytest.mark.parametrize(
    "line",
    ["", None, "sbatch job.sh", "sbatch --gpus 0 j.sh", "sbatch --gres=gpu:0 j", "srun gpu-burn"],
)
def test_jobs_that_asked_for_no_gpus(line: Any) -> None:
    lists = {"tres__allocated": WITHOUT_GPUS, "tres__requested": WITHOUT_GPUS}
    assert made(**lists, submit_line=line).gpu_seconds == 0


def test_a_part_of_a_het_job_answers_for_its_own_part_of_the_line() -> None:
    lists = {"tres__allocated": WITHOUT_GPUS, "tres__requested": WITHOUT_GPUS}
    line = "sbatch -n2 : -n1 --gres=gpu:1 : -n1 -p h100"
    assert made(**lists, submit_line=line, het__job_id=28, het__job_offset=0).gpu_seconds == 0
    assert made(**lists, submit_line=line, het__job_id=28, het__job_offset=2).gpu_seconds == 0
    second = {"submit_line": line, "het__job_id": 28, "het__job_offset": 1}
    assert refused(**lists, **second) is Reason.GPU_MISSING


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\0b", Reason.NUL),
        ("a\x1fb", Reason.CONTROL_CHARACTER),
        ("a\ud800b", Reason.CONTROL_CHARACTER),
        (["a"], Reason.VALUE),
        ({"a": 1}, Reason.VALUE),
    ],
)
def test_texts_that_are_none(name: Any, reason: Reason) -> None:
    assert refused(name=name) is reason
    assert refused(account=name) is reason


def test_names_that_break_tables_are_harmless_here() -> None:
    forged = "x\n1002|1002|malee|COMPLETED"
    rows = parsed(answer(job(name=forged)))
    assert [row.job.name for row in rows if row.job] == [forged]


def test_a_record_that_is_no_job_is_bad_and_the_rest_is_read() -> None:
    rows = parsed(answer({}, job(), {"job_id": 1, "time": 3}))
    assert [row.kind for row in rows] == ["bad", "job", "bad"]
    assert {row.reason for row in rows if row.kind == "bad"} == {"missing"}
    assert [row.detail for row in rows] == ["job ?: no time", "", "job 1: no time"]


def test_a_job_of_another_cluster_is_bad() -> None:
    rows = parsed(answer(job(), job(cluster="other")), cluster_names=("demo",))
    assert [(row.kind, row.reason) for row in rows] == [("job", ""), ("bad", "other_cluster")]
