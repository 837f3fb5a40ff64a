"""The list of hostile inputs, each item with its outcome, as text and as JSON, through the import.

Always: rows read = jobs + steps + quarantined, and the neighbours of a hostile row are read.
"""

import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hpcbilling.workflows import import_usage
from tests.factories import SYSTEM, make_cluster, make_project
from tests.usage.sacct_rows import NOW, row, table
from tests.usage.sources.recordings import UNSET, answer, job
from usage.models import Cluster, ImportRun, Job, QuarantinedRow
from usage.reasons import FileRefused
from usage.services import create_cluster
from usage.sources.formats import open_reader

pytestmark = pytest.mark.django_db

OK = "job"
HUGE = "9" * 5000
EARLY = ("JobIDRaw", "JobName", *(name for name in row() if name not in ("JobIDRaw", "JobName")))
TRES = {"type": "cpu", "name": "", "id": 1}


def cpus(count: Any) -> list[dict[str, Any]]:
    return [TRES | {"count": count}, {"type": "node", "name": "", "id": 4, "count": 1}]


def load(content: bytes, cluster: Cluster | None = None, **options: Any) -> ImportRun:
    run = import_usage(
        cluster=cluster or create_cluster(name="demo", time_zone="UTC", actor=SYSTEM),
        stream=io.BytesIO(content),
        origin="hostile",
        actor=SYSTEM,
        **options,
    ).run
    assert run.rows_read == run.jobs + run.steps + run.quarantined
    assert Job.objects.count() == run.jobs_new
    return run


def outcome(run: ImportRun) -> str:
    """What became of the row between two good ones."""
    assert Job.objects.filter(job_id__in=(1, 3)).count() == 2
    if run.quarantined:
        assert run.status == "incomplete"
        return QuarantinedRow.objects.order_by("line").values_list("reason", flat=True)[0]
    assert run.status == "complete"
    if run.steps:
        return "step"
    return OK


def between(middle: dict[str, str]) -> list[dict[str, str]]:
    return [row(JobIDRaw="1", JobID="1"), middle, row(JobIDRaw="3", JobID="3")]


TEXT: dict[str, tuple[dict[str, str], str]] = {
    "a delimiter in a name": ({"JobName": "a|b"}, OK),
    "a newline in a name": ({"JobName": "a\nb"}, OK),
    "a unit separator in a field": ({"JobName": "a\x1fb"}, "control_character"),
    "NUL": ({"JobName": "a\0b"}, "nul"),
    "negative elapsed": ({"ElapsedRaw": "-5"}, "elapsed"),
    "end before start": ({"End": "2026-11-01T09:00:00", "ElapsedRaw": "0"}, "end_before_start"),
    "end unknown is running": ({"End": "Unknown", "State": "RUNNING"}, OK),
    "start none never ran": (
        {"Start": "None", "ElapsedRaw": "0", "NodeList": "None assigned", "AllocTRES": ""},
        OK,
    ),
    "elapsed differs": ({"ElapsedRaw": "3599"}, "elapsed_mismatch"),
    "future end": ({"End": "2099-11-01T11:00:05", "ElapsedRaw": "2147403600"}, "future_end"),
    "epoch zero": ({"Submit": "0", "Start": "0"}, "epoch_zero"),
    "NaN": ({"AllocTRES": "cpu=NaN"}, "tres"),
    "Infinity": ({"AllocTRES": "cpu=Infinity"}, "tres"),
    "1e400": ({"AllocTRES": "cpu=1e400"}, "tres"),
    "5,000 digits": ({"AllocTRES": f"cpu={HUGE}"}, "tres"),
    "non-ASCII digits": ({"ElapsedRaw": "٣٦٠٠"}, "elapsed"),
    "digits with an underscore": ({"ElapsedRaw": "3_600"}, "elapsed"),
    "unknown TRES": ({"AllocTRES": "cpu=4,node=1,gres/npu=2,gres/gpu=2"}, OK),
    "duplicate TRES key": ({"AllocTRES": "cpu=4,cpu=4"}, "tres"),
    "negative CPUs": ({"AllocTRES": "cpu=-4"}, "tres"),
    "2^31 CPUs": ({"AllocTRES": "cpu=2147483648"}, "tres"),
    "a step": ({"JobIDRaw": "12.batch", "JobID": "12.batch"}, "step"),
    "a non-existent local hour": ({"Submit": "2026-02-30T10:00:00"}, "time"),
    "a formula as account": ({"Account": "=cmd()"}, OK),
    "markup as name": ({"User": "<script>"}, OK),
    "cancelled by someone": ({"State": "CANCELLED by 1000"}, OK),
}
JSON: dict[str, tuple[dict[str, Any], str]] = {
    "a delimiter in a name": ({"name": "a|b"}, OK),
    "a newline in a name": ({"name": "a\nb"}, OK),
    "a whole row in a name": ({"name": "a\n" + table([row()], header=False).decode()}, OK),
    "a unit separator in a field": ({"name": "a\x1fb"}, "control_character"),
    "NUL": ({"name": "a\0b"}, "nul"),
    "negative elapsed": ({"time__elapsed": -5}, "elapsed"),
    "end before start": ({"time__end": 1793523600, "time__elapsed": 0}, "end_before_start"),
    "end 0 is running": ({"time__end": 0, "state__current": ["RUNNING"]}, OK),
    "start 0 never ran": (
        {"time__start": 0, "time__elapsed": 0, "nodes": "None assigned", "tres__allocated": []},
        OK,
    ),
    "elapsed differs": ({"time__elapsed": 3599}, "elapsed_mismatch"),
    "future end": ({"time__end": 4097214005, "time__elapsed": 2303686800}, "elapsed"),
    "future end, soon": ({"time__end": 1893527205, "time__elapsed": 100000000}, "future_end"),
    "epoch zero": ({"time__submission": 0}, "epoch_zero"),
    "a float": ({"time__elapsed": 3600.0}, "value"),
    "digits as a text": ({"time__elapsed": "٣٦٠٠"}, "value"),
    "true as a number": ({"time__elapsed": True}, "value"),
    "an infinite time": (
        {"time__elapsed": {"set": True, "infinite": True, "number": 0}},
        "value",
    ),
    "a job id that is not set": ({"job_id": UNSET}, "job_id"),
    "unknown TRES": (
        {"tres__allocated": [*cpus(4), {"type": "gres", "name": "npu", "id": 9, "count": 2}],
         "tres__requested": cpus(4), "submit_line": ""},
        OK,
    ),
    "duplicate TRES key": ({"tres__allocated": [*cpus(4), *cpus(4)]}, "tres"),
    "negative CPUs": ({"tres__allocated": cpus(-4)}, "tres"),
    "2^31 CPUs": ({"tres__allocated": cpus(2**31)}, "tres"),
    "a TRES without a count": ({"tres__allocated": cpus(None)}, "tres"),
    "GPUs that the answer lost": ({"tres__allocated": cpus(4)}, "gpu_missing"),
    "another cluster": ({"cluster": "other"}, "other_cluster"),
    "a formula as account": ({"account": "=cmd()"}, OK),
    "markup as name": ({"user": "<script>"}, OK),
    "cancelled": ({"state__current": ["CANCELLED"]}, OK),
    "half a character": ({"name": "\ud83d"}, "control_character"),
    "no time at all": ({"time": ...}, "missing"),
}  # fmt: skip


@pytest.mark.parametrize("item", TEXT)
def test_text(item: str) -> None:
    make_project("pi_suda")
    changes, expected = TEXT[item]
    assert outcome(load(table(between(row(**changes))))) == expected


@pytest.mark.parametrize("item", JSON)
def test_json(item: str) -> None:
    make_project("pi_suda")
    changes, expected = JSON[item]
    run = load(answer(job(job_id=1), job(**changes), job(job_id=3)))
    assert outcome(run) == expected


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", HUGE])
def test_json_numbers_that_nothing_can_hold(number: str) -> None:
    text = json.dumps({"jobs": [job(job_id=1), job(time__elapsed=424242), job(job_id=3)]})
    assert outcome(load(text.replace("424242", number).encode())) == "value"


@pytest.mark.parametrize("what", ["text", "json"])
def test_bad_utf8_is_replaced_and_flagged(what: str) -> None:
    content = table([row()]) if what == "text" else answer(job())
    assert load(content.replace(b"train", b"tr\xff\xfein")).status == "complete"
    found = Job.objects.get()
    assert "\ufffd" in found.name
    assert found.flags == ["name_bad_utf8"]


@pytest.mark.parametrize("what", ["text", "json"])
def test_bom_and_crlf_are_accepted(what: str) -> None:
    content = table([row()]) if what == "text" else answer(job())
    load(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert Job.objects.get().name == "train"


REORDERED = tuple(reversed(tuple(row())))


def test_columns_are_read_by_name() -> None:
    assert load(table([row()], REORDERED)).status == "complete"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (table([row()], header=False), "no_header"),
        (table([row()]).replace(b"JobName", b"User"), "duplicate_column"),
        (table([row()], delimiter=","), "wrong_delimiter"),
        (b"", "empty"),
        (table([]), "no_rows"),
        (answer(), "no_rows"),
        (answer(job(), errors=[{"error_number": 1007, "error": "no"}]), "answer_errors"),
        (answer(job())[:-200], "json_cut"),
        (b"<html><body>502</body></html>", "web_page"),
        (answer(job()).replace(b'"user":', b'"user": "x", "user":'), "duplicate_key"),
        (b'{"jobs": [{"a": ' + b"[" * 100_000, "nested"),
        (answer(job(cluster="other"), job(job_id=2, cluster="third")), "other_cluster"),
    ],
)
def test_what_refuses_the_whole_input(content: bytes, code: str) -> None:
    run = load(content)
    assert (run.status, run.error_code, run.rows_read) == ("failed", code, 0)
    assert len(run.error) > 20


def test_a_truncated_last_line_is_incomplete_and_the_whole_file_mends_it() -> None:
    cluster = make_cluster("demo")
    whole = table(between(row()))
    run = load(whole[:-60], cluster)
    assert (run.status, run.truncated, run.jobs, run.quarantined) == ("incomplete", True, 2, 1)
    stream = io.BytesIO(whole)
    again = import_usage(cluster=cluster, stream=stream, origin="x", actor=SYSTEM).run
    assert (again.status, again.jobs_new, again.jobs_unchanged) == ("complete", 1, 2)


def test_dst_fold_is_right_in_utc_and_a_skipped_hour_is_quarantined() -> None:
    berlin = create_cluster(name="demo", time_zone="Europe/Berlin", actor=SYSTEM)
    fold = row(
        Submit="2026-10-25T01:00:00",
        Start="2026-10-25T02:08:00",
        End="2026-10-25T02:14:41",
        ElapsedRaw="4001",
    )
    skipped = row(JobIDRaw="7", JobID="7", Submit="2026-03-29T02:30:00")
    run = load(table([fold, skipped]), berlin)
    assert (run.jobs, run.quarantined) == (1, 1)
    found = Job.objects.get()
    assert found.start == datetime(2026, 10, 25, 0, 8, tzinfo=UTC)
    assert found.end == datetime(2026, 10, 25, 1, 14, 41, tzinfo=UTC)
    assert QuarantinedRow.objects.get().reason == "nonexistent_time"


def test_gpus_with_and_without_a_type_count_once() -> None:
    cluster = make_cluster("demo")
    load(table([row()]), cluster)
    assert Job.objects.get().gpu_seconds == 2 * 3600


@pytest.mark.parametrize(("memory", "mib"), [("4Gn", 4096 * 2), ("4Gc", 4096 * 8)])
def test_old_memory_requests_are_per_node_or_cpu(memory: str, mib: int) -> None:
    columns = (*(name for name in row() if name != "AllocTRES"), "ReqMem")
    asked = row(ReqTRES="cpu=8,node=2") | {"ReqMem": memory}
    load(table([asked], [*columns[:-2], "ReqMem", "JobName"]))
    found = Job.objects.get()
    assert (found.mem_mib_seconds, found.estimated) == (mib * 3600, True)


def test_a_whole_row_in_a_name_of_a_text_is_at_least_seen_where_it_contradicts() -> None:
    forged = "|".join(row(User="malee", ElapsedRaw="1", End="2026-11-01T10:00:06").values())
    rows = [row(), row(JobIDRaw="3", JobID="3", JobName="x\n" + forged)]
    assert load(table(rows)).status == "incomplete"
    assert QuarantinedRow.objects.get().reason == "identity_clash"


@pytest.mark.parametrize("what", ["text", "json"])
def test_a_10_gb_line_is_given_up_in_bounded_memory(what: str) -> None:
    """A stream, not a file: what it would hold is never made."""
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        begin = table([row()])[:-1] if what == "text" else answer(job())[:-40] + b'"'
        yield begin
        block = b"x" * (1 << 20)
        for _ in range(10 * 1024):
            given += len(block)
            yield block

    tracemalloc.start()
    try:
        with pytest.raises(FileRefused):
            list(open_reader(endless(), now=NOW))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert given < 200 << 20
