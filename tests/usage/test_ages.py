"""Inputs in any order of age: an older one never undoes what a newer one told."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.errors import Invalid
from pricing.models import Charge
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
from usage.models import Cluster, ImportRun, Job
from usage.raw import raw_row
from usage.services import prepare_import, run_import

pytestmark = pytest.mark.django_db

LATE = datetime(2026, 10, 20, tzinfo=UTC)
KNOWN = Row(1, tres="cpu=4,mem=8192M,node=1")
OLD = Row(1, tres="cpu=64,mem=8192M,node=1")
LATER = Row(9, end=LATE)


def read(cluster: Cluster, *rows: Row, as_of: datetime | None = None) -> ImportRun:
    run = prepare_import(
        cluster=cluster,
        stream=io.BytesIO(sacct(*rows)),
        origin="a file",
        actor=SYSTEM,
        as_of=as_of,
        confirmed=True,
    )
    return run_import(run_id=run.pk, actor=SYSTEM)


def while_it_ran(row: Row, seconds: int) -> Row:
    """The row as it was told so many seconds after the job's start."""
    begun = int(row.end.timestamp()) - row.seconds
    return Row(
        row.job_id,
        tres=row.tres,
        state="RUNNING",
        seconds=seconds,
        extra={"Submit": str(begun - 60), "Start": str(begun)},
    )


def test_a_file_is_as_of_the_latest_moment_that_it_tells() -> None:
    cluster = make_cluster()
    assert read(cluster, Row(1), LATER, Row(2)).as_of == LATE
    running = while_it_ran(Row(3, end=LATE, seconds=7200), 3600)
    assert read(cluster, running).as_of == LATE - timedelta(hours=1)
    asked = timezone.now()
    assert read(cluster, Row(4), as_of=asked).as_of == asked


@pytest.mark.parametrize("batch", [1, 2, 20_000])
def test_an_older_file_that_was_never_read_changes_nothing(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.services.BATCH_ROWS", batch)
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, KNOWN, LATER)
    charges = Charge.objects.count()
    run = import_rows(cluster, OLD, Row(2)).run
    assert (run.status, run.jobs_new, run.jobs_changed) == ("complete", 1, 0)
    assert (run.jobs_unchanged, run.jobs_older) == (1, 1)
    job = Job.objects.get(job_id=1)
    assert (job.revision, job.cpu_seconds) == (1, 4 * 3600)
    assert Charge.objects.filter(job=job).count() == charges // 2


@pytest.mark.parametrize("batch", [1, 20_000])
def test_a_newer_file_changes_jobs_wherever_its_latest_row_stands(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.services.BATCH_ROWS", batch)
    cluster = make_cluster()
    read(cluster, KNOWN, LATER)
    run = read(cluster, OLD, Row(3), Row(4, end=LATE + timedelta(days=1)))
    assert (run.jobs_changed, run.jobs_older) == (1, 0)
    assert Job.objects.get(job_id=1).cpu_seconds == 64 * 3600


@pytest.mark.parametrize("is_first", [False, True])
def test_an_older_file_changes_nothing_of_a_newer_one_that_is_just_being_read(
    is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows yet how old the newer one is: its latest row was not reached."""
    monkeypatch.setattr("usage.services.BATCH_ROWS", 1)
    cluster = make_cluster()
    inputs = [sacct(OLD, Row(2)), sacct(KNOWN, Row(3), LATER)]
    outer, inner = reversed(inputs) if is_first else inputs
    others = iter([inner])

    def begin_another(_run: ImportRun) -> None:
        for content in others:
            import_bytes(cluster, content)

    run = prepare_import(cluster=cluster, stream=io.BytesIO(outer), origin="a file", actor=SYSTEM)
    run = run_import(run_id=run.pk, actor=SYSTEM, progress=begin_another)
    assert (run.status, run.as_of) == ("complete", LATE if is_first else KNOWN.end)
    assert Job.objects.get(job_id=1).cpu_seconds == 4 * 3600


def test_somebody_may_say_that_a_file_is_newer_than_it_looks() -> None:
    cluster = make_cluster()
    read(cluster, KNOWN, LATER)
    left = read(cluster, OLD)
    assert left.jobs_older == 1
    assert read(cluster, OLD, as_of=left.as_of).pk == left.pk
    again = read(cluster, OLD, as_of=timezone.now())
    assert (again.retry_of, again.jobs_changed, again.jobs_older) == (left, 1, 0)
    assert Job.objects.get(job_id=1).cpu_seconds == 64 * 3600
    with pytest.raises(Invalid):
        read(cluster, Row(7), as_of=timezone.now() + timedelta(hours=1))


def test_what_a_file_that_waited_changed_is_set_right_by_the_same_answer_again() -> None:
    cluster, asked = make_cluster(), timezone.now() - timedelta(days=3)
    read(cluster, KNOWN, as_of=asked)
    waited = prepare_import(
        cluster=cluster,
        stream=io.BytesIO(sacct(OLD)),
        origin="an upload",
        actor=SYSTEM,
        as_of=asked + timedelta(hours=1),
    )
    night = read(cluster, KNOWN, LATER, as_of=asked + timedelta(days=1))
    assert run_import(run_id=waited.pk, actor=SYSTEM).jobs_changed == 1
    again = read(cluster, KNOWN, LATER, as_of=asked + timedelta(days=2))
    assert (again.retry_of, again.jobs_changed) == (night, 1)
    assert Job.objects.get(job_id=1).cpu_seconds == 4 * 3600
    assert read(cluster, KNOWN, LATER, as_of=asked + timedelta(days=3)) == again


def test_the_end_of_a_job_arrives_from_a_file_of_any_age() -> None:
    """As after ``sacctmgr fix runawayjobs``: it ended long ago, where it was seen running since."""
    cluster = make_cluster()
    read(cluster, while_it_ran(Row(1), 30 * 86400), as_of=timezone.now())
    run = read(cluster, KNOWN)
    assert (run.jobs_changed, run.jobs_older) == (1, 0)
    assert Job.objects.get(job_id=1).end == KNOWN.end
    # And what was told while it ran, even later, does not make it run again.
    run = read(cluster, while_it_ran(Row(1), 60 * 86400), as_of=timezone.now())
    assert (run.jobs_changed, run.jobs_older) == (0, 0)
    assert Job.objects.get(job_id=1).end == KNOWN.end


def test_a_job_that_runs_grows_without_a_revision() -> None:
    cluster, job = make_cluster(), Row(1, seconds=7200)
    read(cluster, while_it_ran(job, 60))
    for seconds in (600, 3600, 1800):
        run = read(cluster, while_it_ran(job, seconds))
        assert run.jobs_changed == 0
    found = Job.objects.get(job_id=1)
    # The file of half an hour is older than the one of an hour, and does not set it back.
    assert (found.revision, found.elapsed_seconds, found.cpu_seconds) == (1, 3600, 4 * 3600)
    assert found.node_seconds == 3600
    assert found.run.as_of == KNOWN.end - timedelta(hours=1)
    assert "3600" in raw_row(found)
    read(cluster, job)
    found.refresh_from_db()
    assert (found.revision, found.elapsed_seconds) == (2, 7200)
    assert found.revisions.get().values["elapsed_seconds"] == 3600


def revise(values: str) -> str:
    return f"""
        INSERT INTO usage_jobrevision
               (job_id, revision, "values", run_id, line, raw_offset, raw_size, replaced_at)
        SELECT id, revision, '{{}}', run_id, line, raw_offset, raw_size, now()
          FROM usage_job WHERE job_id = 1;
        UPDATE usage_job SET revision = revision + 1, {values} WHERE job_id = 1"""


def run_of(cluster: Cluster, as_of: datetime | None) -> int:
    """A second import that is being read."""
    stored = prepare_import(
        cluster=cluster, stream=io.BytesIO(b"x"), origin="x", actor=SYSTEM, confirmed=True
    )
    ImportRun.objects.filter(pk=stored.pk).update(as_of=as_of)
    return stored.pk


@pytest.mark.parametrize(
    ("as_of", "values", "refused"),
    [
        (LATE + timedelta(1), "state = 'FAILED'", ""),
        (LATE + timedelta(1), "state = 'RUNNING', \"end\" = NULL", "older input"),
        (LATE - timedelta(1), "state = 'FAILED'", "older input"),
    ],
)
def test_the_database_refuses_what_sets_a_job_back(
    as_of: datetime, values: str, refused: str
) -> None:
    cluster = make_cluster()
    read(cluster, KNOWN, LATER)
    statement = revise(f"{values}, run_id = {run_of(cluster, as_of)}")
    if not refused:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        assert Job.objects.get(job_id=1).state == "FAILED"
        return
    with (
        pytest.raises(IntegrityError, match=refused),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_the_database_lets_an_import_say_of_a_job_one_thing() -> None:
    cluster = make_cluster()
    read(cluster, KNOWN)
    run = run_of(cluster, LATE)
    with connection.cursor() as cursor:
        cursor.execute(revise(f"state = 'FAILED', run_id = {run}"))
    with (
        pytest.raises(IntegrityError, match="one thing"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(revise("state = 'TIMEOUT'"))


def test_a_preview_and_the_page_tell_of_them(client: Client) -> None:
    cluster = make_cluster()
    read(cluster, KNOWN, LATER)
    client.force_login(make_user("olga", groups=("finance",)))
    content = io.BytesIO(sacct(OLD, Row(2)))
    content.name = "old.psv"
    page = client.post(
        reverse("admin:usage_importrun_upload"), {"cluster": cluster.pk, "file": content}
    )
    run = ImportRun.objects.latest("pk")
    assert page.status_code == 302
    preview = client.get(reverse("admin:usage_importrun_preview", args=[run.pk]))
    assert "1 job says something else than a later input told" in preview.content.decode()
    assert '<span class="value">0</span>' in preview.content.decode()
    run = run_import(run_id=run.pk, actor=SYSTEM)
    assert (run.jobs_new, run.jobs_changed, run.jobs_older) == (1, 0, 1)
    page = client.get(reverse("admin:usage_importrun_change", args=[run.pk]))
    assert "upload it again and state when it was made" in page.content.decode()
    content.seek(0)
    values = {"cluster": cluster.pk, "file": content, "as_of": "2026-11-01T08:00"}
    client.post(reverse("admin:usage_importrun_upload"), values)
    again = ImportRun.objects.latest("pk")
    assert again.retry_of == run
    assert run_import(run_id=again.pk, actor=SYSTEM).jobs_changed == 1


def test_the_command_tells_of_them_and_takes_their_age(tmp_path: Path) -> None:
    cluster, out = make_cluster(), io.StringIO()
    read(cluster, KNOWN, LATER)
    path = tmp_path / "old.psv"
    path.write_bytes(sacct(OLD))
    call_command("import_usage", cluster.name, "--path", str(path), stdout=out)
    assert "1 job says something else than a later input told, and stays as it is" in out.getvalue()
    assert "as of 2026-10-15 12:00:00 UTC" in out.getvalue()
    call_command("import_usage", cluster.name, "--path", str(path), "--as-of", "now", stdout=out)
    assert Job.objects.get(job_id=1).cpu_seconds == 64 * 3600
    with pytest.raises(CommandError, match="no moment"):
        call_command("import_usage", cluster.name, "--path", str(path), "--as-of", "soon")
