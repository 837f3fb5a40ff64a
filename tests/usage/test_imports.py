"""Importing: evidence kept, every row accounted for, held until whole, resumed when cut off."""

import gzip
import io
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.actor import Actor
from core.errors import Conflict, Invalid
from hpcbilling.workflows import finish_import, release_and_rate, resume_imports
from pricing.models import Charge
from tests import console
from tests.factories import (
    SYSTEM,
    Row,
    import_bytes,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    sacct,
)
from usage import services
from usage.evidence import EvidenceDamaged, blocks, open_evidence, read_range, store
from usage.intake import reader_for
from usage.models import Evidence, EvidenceChunk, ImportRun, Job, QuarantinedRow
from usage.raw import raw_row
from usage.selectors import IS_HELD, runs_waiting
from usage.services import cancel_import, confirm_import, prepare_import, run_import
from usage.sources.unpacking import zstd

pytestmark = pytest.mark.django_db


def rows(count: int) -> Iterator[Row]:
    return (Row(number) for number in range(1, count + 1))


def adds_up(run: ImportRun) -> bool:
    return run.rows_read == run.jobs + run.steps + run.quarantined


def test_input_is_kept_as_it_came_once() -> None:
    content = sacct(*rows(3))
    first, second = store(io.BytesIO(content)), store(io.BytesIO(content))
    assert first == second
    assert open_evidence(first).read() == content
    assert b"".join(blocks(first)) == content
    assert first.size_bytes == len(content)


def test_large_input_is_kept_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usage.evidence.CHUNK_BYTES", 100)
    content = sacct(*rows(50))
    evidence = store(io.BytesIO(content))
    assert evidence.chunks.count() > 10
    assert open_evidence(evidence).read() == content


class Dribble(io.BytesIO):
    """Gives a few bytes at a time, as a pipe may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7))


def test_a_place_is_found_again_however_the_input_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usage.evidence.CHUNK_BYTES", 100)
    content = sacct(*rows(50))
    evidence = store(Dribble(content))
    assert evidence.chunks.count() == -(-len(content) // 100)
    assert read_range(evidence, 555, 333) == content[555:888]


def test_the_same_content_is_kept_once_however_it_is_wrapped() -> None:
    content = sacct(*rows(3))
    packed = store(io.BytesIO(gzip.compress(content)))
    assert store(io.BytesIO(content)) == store(io.BytesIO(zstd.compress(content))) == packed
    assert packed.sha256 != packed.content_sha256 == sha256(content).hexdigest()
    assert gzip.decompress(b"".join(blocks(packed))) == content


RECORDED = Path(__file__).parents[1] / "fixtures/slurm/25.05"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
@pytest.mark.parametrize("name", ["sacct-X-D-epoch.psv", "jobs-v0.0.43.json.zst"])
def test_a_job_leads_to_its_bytes_without_what_is_before(
    name: str, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.evidence.CHUNK_BYTES", 1000)
    content = (RECORDED / name).read_bytes()
    content = zstd.decompress(content) if name.endswith(".zst") else content
    run = import_bytes(make_cluster(), pack(content)).run
    said = {row.line: row.raw for row in reader_for(run)}
    jobs = Job.objects.select_related("run__evidence")
    assert jobs.count() > 50
    for job in jobs.order_by("pk")[:: 1 if pack is bytes else 20]:
        assert raw_row(job) == said[job.line]
    if pack is bytes:
        job = jobs.latest("line")
        with CaptureQueriesContext(connection) as queries:
            raw_row(job)
        assert len(queries) == 1


def test_damaged_evidence_is_noticed() -> None:
    zeros = "0" * 64
    evidence = Evidence.objects.create(
        sha256=zeros, content_sha256=zeros, size_bytes=1, stored_bytes=1
    )
    with pytest.raises(EvidenceDamaged):
        list(blocks(evidence))
    assert not EvidenceChunk.objects.exists()


def test_steps_are_counted_and_never_billed() -> None:
    make_project("genomics")
    step = (
        "1.batch|1.batch||genomics|COMPLETED|1792060000|1792060000|1792063600|3600"
        "|cpu=4,mem=8192M,node=1|n1|batch"
    )
    run = import_rows(make_cluster(), Row(1), step).run
    assert (run.jobs, run.steps, run.quarantined) == (1, 1, 0)
    assert Charge.objects.count() == 2


def test_good_rows_of_a_bad_file_are_imported_and_wait() -> None:
    make_project("genomics")
    cluster = make_cluster()
    bad = Row(2, extra={"ElapsedRaw": "-5"})
    imported = import_rows(cluster, Row(1), bad, Row(3))
    run = imported.run
    assert (run.status, run.jobs, run.quarantined) == ("incomplete", 2, 1)
    assert adds_up(run)
    assert imported.rating.charges == 0
    row = QuarantinedRow.objects.get()
    assert (row.line, row.raw) == (3, bad.text())
    assert row.explanation not in ("", row.reason)
    alice = make_user("alice")
    with pytest.raises(Invalid):
        release_and_rate(run_id=run.pk, actor=Actor.of(alice), reason=" ")
    with pytest.raises(Invalid):
        release_and_rate(run_id=run.pk, actor=SYSTEM, reason="checked")
    outcome = release_and_rate(run_id=run.pk, actor=Actor.of(alice), reason="checked by hand")
    assert (outcome.rated, outcome.charges) == (2, 4)
    with pytest.raises(Conflict):
        release_and_rate(run_id=run.pk, actor=Actor.of(alice), reason="again")


def test_the_whole_file_releases_what_a_cut_off_one_held_back() -> None:
    make_project("genomics")
    cluster = make_cluster()
    whole = sacct(*rows(3))
    cut = import_bytes(cluster, whole[:-20])
    assert (cut.run.status, cut.run.truncated, cut.rating.charges) == ("incomplete", True, 0)
    assert adds_up(cut.run)
    imported = import_bytes(cluster, whole)
    assert imported.run.status == "complete"
    assert imported.rating.rated == 3
    assert not Job.objects.filter(IS_HELD).exists()


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"hello\n", b"JobID,User,State\n1,a,COMPLETED\n"]
)
def test_what_is_no_accounting_file_is_refused_with_a_message(content: bytes) -> None:
    run = import_bytes(make_cluster(), content).run
    assert run.status == "failed"
    assert len(run.error) > 20
    assert run.explanation not in ("", run.error_code)
    assert not Job.objects.exists()
    assert Evidence.objects.count() == 1


def test_a_refused_file_can_be_tried_again_with_its_columns() -> None:
    make_project("genomics")
    cluster = make_cluster()
    body = sacct(Row(1)).split(b"\n", 1)[1]
    assert import_bytes(cluster, body).run.status == "failed"
    columns = sacct().decode().strip().split("|")
    run = prepare_import(
        cluster=cluster, stream=io.BytesIO(body), origin="x", actor=SYSTEM, columns=columns
    )
    assert finish_import(run_id=run.pk, actor=SYSTEM).run.status == "complete"


def test_the_same_job_id_on_two_clusters_is_two_jobs() -> None:
    import_rows(make_cluster("alpha"), *rows(2))
    import_rows(make_cluster("beta"), Row(1, user="bob"), Row(2, user="bob"))
    assert Job.objects.count() == 4


def test_a_file_is_not_read_in_a_second_way_that_would_bill_its_jobs_twice() -> None:
    make_project("genomics")
    content, beta = sacct(*rows(2)), make_cluster("beta")
    alpha = import_bytes(make_cluster("alpha"), content).run.cluster
    for cluster, zone in ((beta, ""), (alpha, "Asia/Bangkok")):
        with pytest.raises(Conflict, match="billed twice"):
            prepare_import(
                cluster=cluster,
                stream=io.BytesIO(content),
                origin="again",
                actor=SYSTEM,
                time_zone=zone,
            )
    assert (Job.objects.count(), Charge.objects.count(), Evidence.objects.count()) == (2, 4, 1)


def test_of_two_readings_that_wait_only_one_can_be_confirmed() -> None:
    content = io.BytesIO(sacct(*rows(2)))
    first = prepare_import(cluster=make_cluster(), stream=content, origin="a", actor=SYSTEM)
    content.seek(0)
    second = prepare_import(cluster=make_cluster("b"), stream=content, origin="b", actor=SYSTEM)
    assert first.evidence == second.evidence
    run_import(run_id=first.pk, actor=SYSTEM)
    with pytest.raises(Conflict, match="billed twice"):
        confirm_import(run_id=second.pk, actor=SYSTEM)


def test_a_job_that_a_whole_file_confirms_leads_to_its_row_there() -> None:
    cluster = make_cluster()
    cut = import_bytes(cluster, sacct(Row(1), Row(2))[:-20]).run
    assert cut.status == "incomplete"
    import_rows(cluster, Row(2), Row(3), Row(1))
    job = Job.objects.get(job_id=1)
    assert (job.line, raw_row(job).split("|")[0]) == (4, "1")


def test_a_recycled_job_id_is_another_job() -> None:
    cluster = make_cluster()
    import_rows(
        cluster,
        Row(1),
        Row(1, extra={"Submit": "1700000000", "Start": "1700000100", "End": "1700003700"}),
    )
    assert Job.objects.filter(job_id=1).count() == 2


def test_an_older_file_does_not_undo_a_newer_one() -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1))
    run = import_rows(
        cluster,
        Row(
            1,
            state="RUNNING",
            seconds=60,
            extra={
                "Submit": str(int(Row().end.timestamp()) - 3660),
                "Start": str(int(Row().end.timestamp()) - 3600),
            },
        ),
    ).run
    assert run.jobs_unchanged == 1
    assert Job.objects.get().state == "COMPLETED"


def test_a_cut_off_run_goes_on_where_its_last_batch_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    make_project("genomics")
    cluster = make_cluster()
    monkeypatch.setattr(services, "BATCH_ROWS", 10)
    run = prepare_import(
        cluster=cluster, stream=io.BytesIO(sacct(*rows(35))), origin="x", actor=SYSTEM
    )

    class Died(Exception):
        pass

    def die(run: ImportRun) -> None:
        if run.rows_read == 20:
            raise Died

    with pytest.raises(Died):
        run_import(run_id=run.pk, actor=SYSTEM, progress=die)
    run.refresh_from_db()
    assert (run.status, run.rows_read, Job.objects.count()) == ("running", 20, 20)
    assert not Charge.objects.exists()
    assert resume_imports(actor=SYSTEM) == 1
    run.refresh_from_db()
    assert (run.status, run.rows_read, run.jobs_new) == ("complete", 35, 35)
    assert Charge.objects.count() == 70
    connection.check_constraints()


def test_an_estimate_never_replaces_a_figure_of_record() -> None:
    make_project("genomics")
    cluster = make_cluster()
    estimate = sacct(Row(1, tres="cpu=64,mem=8192M,node=1")).replace(b"AllocTRES", b"ReqTRES")
    import_bytes(cluster, estimate)
    assert Job.objects.get().estimated
    import_rows(cluster, Row(1))
    later = import_bytes(cluster, estimate + b"\n").run
    assert (later.jobs_changed, later.jobs_unchanged) == (0, 1)
    job = Job.objects.get()
    assert (job.estimated, job.cpu_seconds) == (False, 4 * 3600)


def test_what_a_source_does_not_say_is_not_a_change() -> None:
    make_project("genomics")
    cluster = make_cluster()
    rich = sacct(Row(1)).decode().splitlines()
    rich = [f"Partition|{rich[0]}", f"gpu|{rich[1]}"]
    import_bytes(cluster, ("\n".join(rich) + "\n").encode())
    poor = import_rows(cluster, Row(1)).run
    assert (poor.jobs_changed, poor.jobs_unchanged) == (0, 1)
    changed = import_rows(cluster, Row(1, tres="cpu=8,mem=8192M,node=1")).run
    assert changed.jobs_changed == 1
    job = Job.objects.get()
    assert (job.partition, job.cpu_seconds) == ("gpu", 8 * 3600)


def test_a_prepared_run_can_be_cancelled_and_prepared_again() -> None:
    cluster = make_cluster()
    content = sacct(Row())
    first = prepare_import(cluster=cluster, stream=io.BytesIO(content), origin="x", actor=SYSTEM)
    cancel_import(run_id=first.pk, actor=SYSTEM)
    with pytest.raises(Conflict):
        cancel_import(run_id=first.pk, actor=SYSTEM)
    second = prepare_import(cluster=cluster, stream=io.BytesIO(content), origin="x", actor=SYSTEM)
    assert second.pk != first.pk


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(Invalid, match="Asia/Bangkok"):
        services.create_cluster(name="x", time_zone="Asia/Atlantis", actor=SYSTEM)


def test_the_zone_of_a_cluster_stays_once_jobs_came_from_it(admin_client: Client) -> None:
    cluster = make_cluster()
    page = reverse("admin:usage_cluster_change", args=[cluster.pk])
    values = {"name": cluster.name, **console.CLUSTER_FORM}
    admin_client.post(page, {**values, "time_zone": "Asia/Tokyo"})
    cluster.refresh_from_db()
    assert cluster.time_zone == "Asia/Tokyo"
    import_rows(cluster, Row(1))
    admin_client.post(page, {**values, "time_zone": "Asia/Bangkok"})
    cluster.refresh_from_db()
    assert cluster.time_zone == "Asia/Tokyo"


def test_a_change_is_held_back_until_its_own_import_is_whole() -> None:
    cluster = make_cluster()
    import_rows(cluster, Row(1), Row(2))
    changed = Row(1, tres="cpu=8,mem=8192M,node=1")
    cut = import_bytes(cluster, sacct(changed, Row(2), Row(3))[:-20]).run
    assert cut.status == "incomplete"
    assert set(Job.objects.filter(IS_HELD).values_list("job_id", flat=True)) == {1}
    assert not Job.objects.get(job_id=2).held
    # An incomplete file that says the same takes the job over; it stays held back.
    again = import_bytes(cluster, sacct(changed, Row(4))[:-20]).run
    assert Job.objects.get(job_id=1).run == again
    assert runs_waiting().get() == again
    release_and_rate(run_id=again.pk, actor=Actor.of(make_user("alice")), reason="checked")
    assert not Job.objects.filter(IS_HELD).exists()


@pytest.mark.parametrize(
    ("job", "to"), [(1, "running"), (1, "complete"), (2, "complete"), (2, "incomplete")]
)
def test_no_job_goes_over_to_another_import_behind_the_application(job: int, to: str) -> None:
    """Job 1 is free, job 2 held back by an incomplete run."""
    cluster = make_cluster()
    import_rows(cluster, Row(1))
    import_bytes(cluster, sacct(Row(2), Row(3))[:-20])
    import_rows(cluster, Row(4))
    import_bytes(cluster, sacct(Row(5), Row(6))[:-20])
    started = prepare_import(
        cluster=cluster, stream=io.BytesIO(sacct(Row(7))), origin="x", actor=SYSTEM
    )
    ImportRun.objects.filter(pk=started.pk).update(status="running")
    target = ImportRun.objects.filter(status=to).latest("pk")
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(job_id=job).update(run=target)
