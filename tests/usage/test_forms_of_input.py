"""Every form of accounting through the whole import: stored, read, and walked back to."""

import gzip
import io
import json
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from tests import console
from tests.factories import SYSTEM, import_bytes, make_cluster
from tests.usage.sources.packing import zstd
from tests.usage.sources.recordings import JOB, SHAPES, answer, job, recorded
from usage.models import Cluster, ImportRun, Job, QuarantinedRow
from usage.previews import preview_stream
from usage.raw import raw_row
from usage.services import prepare_import, run_import

pytestmark = pytest.mark.django_db

S = ImportRun.Status
TABLE = recorded("25.05/sacct-X-D-epoch.psv")
REST = recorded(SHAPES["sacct --json of 25.05"])
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
}


@pytest.fixture
def alpha() -> Cluster:
    return make_cluster("demo25")


def imported(cluster: Cluster, content: bytes) -> ImportRun:
    return import_bytes(cluster, content).run


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize(("first", "second"), [(TABLE, REST), (REST, TABLE)])
def test_by_text_and_by_json_jobs_are_the_same(
    alpha: Cluster, packer: str, first: bytes, second: bytes
) -> None:
    run = imported(alpha, PACKERS[packer](first))
    assert (run.status, run.jobs_new, run.quarantined) == (S.COMPLETE, 80, 0)
    again = imported(alpha, PACKERS[packer](second))
    assert (again.status, again.jobs_new, again.jobs_changed) == (S.COMPLETE, 0, 0)
    assert again.jobs_unchanged == 80


def test_a_job_leads_to_its_record(alpha: Cluster) -> None:
    imported(alpha, zstd.compress(answer(job(job_id=1, cluster="demo25"), JOB | {"cluster": ""})))
    found = Job.objects.get(job_id=1001)
    assert found.line == 2
    assert json.loads(raw_row(found)) == JOB | {"cluster": ""}


def test_bad_records_are_kept_with_their_reason(alpha: Cluster) -> None:
    good = job(cluster="demo25")
    bad = [
        job(cluster="demo25", job_id=2, time__elapsed=7),
        job(cluster="other", job_id=3),
        job(cluster="demo25", job_id=4, tres__allocated=[{"type": "cpu", "count": 1}] * 2),
    ]
    run = imported(alpha, answer(good, *bad))
    assert (run.status, run.jobs_new, run.quarantined) == (S.INCOMPLETE, 1, 3)
    kept = QuarantinedRow.objects.filter(run=run).order_by("line")
    assert [row.reason for row in kept] == ["elapsed_mismatch", "other_cluster", "tres"]
    assert [json.loads(row.raw) for row in kept] == bad


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (REST[:-50], "json_cut"),
        (REST.replace(b'"errors": [', b'"errors": ["failed"'), "answer_errors"),
        (answer(), "no_rows"),
        (b'{"jobs": [{"a": 1, "a": 1}]}', "duplicate_key"),
        (b"<html>Bad gateway</html>", "web_page"),
        (zstd.compress(REST)[:-9], "compression"),
        (b"PK\x03\x04" + bytes(100), "compression"),
    ],
)
def test_of_what_is_not_whole_nothing_is_imported(
    alpha: Cluster, content: bytes, code: str
) -> None:
    run = imported(alpha, content)
    assert (run.status, run.error_code, run.rows_read) == (S.FAILED, code, 0)
    assert run.explanation != code
    assert not Job.objects.exists()


def test_good_rows_of_a_packed_table_that_is_cut_wait(
    alpha: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.services.BATCH_ROWS", 10)
    monkeypatch.setattr("usage.sources.unpacking.CHUNK", 4096)
    lines = TABLE.splitlines(keepends=True)
    packed = b"".join(gzip.compress(b"".join(lines[n : n + 8])) for n in range(0, len(lines), 8))
    run = imported(alpha, packed[:-40])
    assert (run.status, run.error_code) in (
        (S.INCOMPLETE, "compression"),
        (S.FAILED, "compression"),
    )
    assert run.truncated == bool(run.rows_read)


def test_an_import_of_json_goes_on_where_it_broke_off(
    alpha: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.services.BATCH_ROWS", 30)
    run = prepare_import(
        cluster=alpha, stream=io.BytesIO(zstd.compress(REST)), origin="x.json.zst", actor=SYSTEM
    )

    def break_off(run: ImportRun) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_import(run_id=run.pk, actor=SYSTEM, progress=break_off)
    assert Job.objects.count() == 30
    finished = run_import(run_id=run.pk, actor=SYSTEM)
    assert (finished.status, finished.rows_read, finished.jobs_new) == (S.COMPLETE, 80, 80)


def test_a_preview_reads_every_form(alpha: Cluster) -> None:
    for content in (TABLE, REST, gzip.compress(REST)):
        found = preview_stream(cluster=alpha, stream=io.BytesIO(content))
        assert (found.tally.jobs_new, found.whole) == (80, True)
    assert preview_stream(cluster=alpha, stream=[REST[:-50]]).error_code == "json_cut"


def test_packed_json_is_uploaded_in_the_console(alpha: Cluster) -> None:
    clerk = console.visitor("finance")
    file = SimpleUploadedFile("answer.json.zst", zstd.compress(REST))
    page = reverse("admin:usage_importrun_upload")
    shown = clerk.post(page, {"cluster": alpha.pk, "file": file}, follow=True)
    assert "answer.json.zst" in shown.content.decode()
    run = ImportRun.objects.get()
    assert (run.status, run.origin) == (S.PREPARED, "answer.json.zst")
