"""Imports in the console: upload, dry run, confirmation, progress, release; quarantine; exports."""

import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from audit.models import AuditEvent
from hpcbilling.tasks import run_import
from pricing.models import Charge, JobRating
from tests import console
from tests.factories import (
    SYSTEM,
    Row,
    import_rows,
    latest_run,
    make_cluster,
    make_project,
    sacct,
)
from usage import services
from usage.models import AccountMapping, Cluster, ImportRun, Job, Pull, QuarantinedRow, Window
from usage.raw import raw_row
from usage.services import prepare_import

pytestmark = pytest.mark.django_db
Commits = Callable[..., Any]
BROKEN = Row(9, extra={"End": "rubbish"})


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """The tasks that were queued, instead of sending them to Redis."""
    tasks: list[tuple[str, tuple[Any, ...]]] = []
    monkeypatch.setattr("core.queue._send", lambda name, args: tasks.append((name, args)))
    return tasks


def upload(client: Client, cluster: Cluster, content: bytes, **more: str) -> Any:
    file = SimpleUploadedFile("october.psv", content)
    page = reverse("admin:usage_importrun_upload")
    data = {"cluster": cluster.pk, "file": file, **more}
    return client.post(page, data, follow=True)


def test_an_upload_is_looked_at_confirmed_and_run(
    clerk: Client, sent: list[Any], django_capture_on_commit_callbacks: Commits
) -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1), Row(2))
    changed = Row(2, tres="cpu=8,mem=8192M,node=1,billing=8")
    page = upload(clerk, cluster, sacct(Row(1), changed, Row(3), BROKEN))
    run = latest_run()
    assert console.messages_of(page) == ["The file is stored. Nothing is imported yet."]
    assert (run.status, run.origin) == ("prepared", "october.psv")

    before = _figures()
    preview = clerk.get(console.url(run, "preview", run.pk))
    tally = preview.context["found"].tally
    assert (tally.jobs_new, tally.jobs_changed, tally.jobs_unchanged) == (1, 1, 1)
    assert (tally.steps, tally.quarantined) == (0, 1)
    assert "rubbish" in preview.content.decode()
    assert _figures() == before, "a dry run wrote something"

    with django_capture_on_commit_callbacks(execute=True):
        page = clerk.post(console.url(run, "confirm", run.pk), follow=True)
    assert console.messages_of(page) == ["The import is on its way."]
    assert sent == [("hpcbilling.run_import", (run.pk,))]
    waiting = clerk.get(console.url(run, "progress", run.pk))
    assert "HX-Redirect" not in waiting.headers

    run_import(run.pk)
    done = clerk.get(console.url(run, "progress", run.pk))
    assert done.headers["HX-Redirect"] == console.url(run, "change", run.pk)
    run.refresh_from_db()
    counts = (run.jobs_new, run.jobs_changed, run.jobs_unchanged, run.quarantined)
    assert counts == (1, 1, 1, 1)
    assert run.status == "incomplete"
    assert run.requested_by is not None
    assert run.requested_by.username == "finance-person"
    assert console.actions().count("import.confirmed") == 1


def test_what_is_being_read_again_is_seen_to_add_up(
    clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, known = make_cluster(), [Row(number) for number in range(1, 9)]
    import_rows(cluster, *known)
    upload(clerk, cluster, sacct(*known, BROKEN, Row(20), Row(21)))
    shown: list[list[int]] = []

    def look(run: ImportRun) -> None:
        content = clerk.get(console.url(run, "progress", run.pk)).content.decode()
        shown.append([int(figure) for figure in re.findall(r'class="value">(\d+)<', content)])

    monkeypatch.setattr("usage.services.BATCH_ROWS", 2)
    services.run_import(run_id=latest_run().pk, actor=SYSTEM, progress=look)
    assert len(shown) > 1
    assert [figures[0] for figures in shown] == [sum(figures[1:]) for figures in shown]
    assert shown[-1] == [11, 2, 0, 8, 0, 1]


def _figures() -> tuple[int, ...]:
    models = (Job, QuarantinedRow, Charge, JobRating, AuditEvent, ImportRun)
    return tuple(model.objects.count() for model in models)


def test_confirming_twice_or_late_is_told(clerk: Client, sent: list[Any]) -> None:
    upload(clerk, make_cluster(), sacct(Row(1)))
    run = latest_run()
    run_import(run.pk)
    page = clerk.post(console.url(run, "confirm", run.pk), follow=True)
    assert console.messages_of(page) == ["This import is not waiting for confirmation."]
    assert console.actions().count("import.confirmed") == 0


def test_an_upload_can_be_cancelled_and_made_again(clerk: Client) -> None:
    cluster = make_cluster()
    upload(clerk, cluster, sacct(Row(1)))
    first = latest_run()
    clerk.post(console.url(first, "cancel", first.pk))
    first.refresh_from_db()
    assert first.status == "cancelled"
    assert console.actions()[-1] == "import.cancelled"
    upload(clerk, cluster, sacct(Row(1)))
    assert latest_run().pk != first.pk
    assert not Job.objects.exists()


def test_a_file_that_was_imported_leads_to_its_run(clerk: Client) -> None:
    cluster = make_cluster()
    run = import_rows(cluster, Row(1)).run
    page = upload(clerk, cluster, sacct(Row(1)))
    assert console.messages_of(page) == ["This cluster's file was imported before, by this run."]
    assert page.redirect_chain[-1][0] == console.url(run, "change", run.pk)
    assert ImportRun.objects.count() == 1


def test_a_file_that_would_be_refused_says_so_and_can_only_be_cancelled(clerk: Client) -> None:
    upload(clerk, make_cluster(), b"a,b,c\n1,2,3\n")
    run = latest_run()
    preview = clerk.get(console.url(run, "preview", run.pk)).content.decode()
    assert "This file would be refused" in preview
    assert console.url(run, "confirm", run.pk) not in preview
    assert console.url(run, "cancel", run.pk) in preview


def test_a_refusal_is_told_in_the_readers_language(clerk: Client) -> None:
    upload(clerk, make_cluster(), b"a,b,c\n1,2,3\n")
    run = latest_run()
    clerk.post("/i18n/setlang/", {"language": "th"})
    preview = clerk.get(console.url(run, "preview", run.pk)).content.decode()
    run_import(run.pk)
    page = clerk.get(console.url(run, "change", run.pk)).content.decode()
    refused = ImportRun.objects.get(pk=run.pk)
    with translation.override("th"):
        told = refused.explanation
    with translation.override("en"):
        assert told != refused.explanation, "the text has no translation"
    assert told in preview
    assert told in page


def test_columns_and_time_zone_are_taken_from_the_form(clerk: Client) -> None:
    cluster = make_cluster()
    body = sacct(Row(1)).split(b"\n", 1)
    columns = body[0].decode().replace("|", ", ")
    upload(clerk, cluster, body[1], columns=columns, time_zone="Asia/Bangkok")
    run = latest_run()
    assert run.columns == body[0].decode().split("|")
    assert run.time_zone == "Asia/Bangkok"
    page = clerk.get(console.url(run, "change", run.pk)).content.decode()
    assert ", ".join(run.columns) in page
    tally = clerk.get(console.url(run, "preview", run.pk)).context["found"].tally
    assert tally.jobs_new == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("time_zone", "Mars/Olympus", "is not a time zone"),
        ("file", SimpleUploadedFile("empty.psv", b""), "empty"),
        ("cluster", "0", "valid choice"),
    ],
)
def test_a_bad_form_stores_nothing(clerk: Client, field: str, value: Any, said: str) -> None:
    file = SimpleUploadedFile("a.psv", sacct(Row(1)))
    data = {"cluster": make_cluster().pk, "file": file} | {field: value}
    page = clerk.post(reverse("admin:usage_importrun_upload"), data)
    assert said in str(page.context["form"].errors)
    assert not ImportRun.objects.exists()


def test_an_incomplete_import_is_released_with_a_reason(
    clerk: Client, sent: list[Any], django_capture_on_commit_callbacks: Commits
) -> None:
    make_project("genomics")
    run = import_rows(make_cluster(), Row(1), BROKEN).run
    assert Job.objects.get().held
    address = console.url(run, "release", run.pk)
    assert "reason" in clerk.post(address, {"reason": ""}).context["form"].errors
    with django_capture_on_commit_callbacks(execute=True):
        clerk.post(address, {"reason": "the cluster is gone"})
    run.refresh_from_db()
    assert (run.status, run.release_reason) == ("released", "the cluster is gone")
    assert not Job.objects.get().held
    assert sent == [("hpcbilling.rate_pending", ())]
    assert console.last_event("import.released")["reason"] == "the cluster is gone"
    again = clerk.post(address, {"reason": "once more"}, follow=True)
    assert "someone else" in console.messages_of(again)[-1]


def test_the_original_can_be_taken_along_and_is_logged(clerk: Client) -> None:
    content = sacct(Row(1))
    run = import_rows(make_cluster(), Row(1)).run
    response = clerk.get(console.url(run, "original", run.pk))
    assert console.streamed(response).encode() == content
    assert console.last_event("export.made")["filters"]["sha256"] == run.evidence.sha256


def test_raw_rows_are_shown_and_never_become_markup(clerk: Client) -> None:
    run = import_rows(
        make_cluster(), Row(1), Row(8, name="<script>alert(1)</script>", extra={"End": "rubbish"})
    ).run
    row = QuarantinedRow.objects.get()
    assert "<script>alert(1)" not in clerk.get(console.url(row)).content.decode()
    page = clerk.get(console.url(row, "change", row.pk)).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert clerk.get(console.url(row) + f"?run={run.pk}").context["cl"].result_count == 1
    assert clerk.get(console.url(row) + "?run=999999").context["cl"].result_count == 0
    assert clerk.get(console.url(row) + "?run=x").context["cl"].result_count == 0


def test_a_job_leads_back_to_its_row_and_on_to_its_charges(clerk: Client) -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(7, name="=evil()"))
    job = Job.objects.get()
    raw = clerk.get(console.url(job, "raw", job.pk)).content.decode()
    assert "|genomics|COMPLETED|" in raw
    page = clerk.get(console.url(job, "change", job.pk)).content.decode()
    for charge in Charge.objects.all():
        assert console.url(charge, "change", charge.pk) in page


def test_a_row_that_the_evidence_does_not_have_is_nothing() -> None:
    import_rows(make_cluster(), Row(1))
    job = Job.objects.get()
    assert raw_row(job)
    job.raw_offset = 10**6
    assert raw_row(job) == ""


def test_exports_follow_the_filters_and_hold_no_formula(clerk: Client) -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1, name="=HYPERLINK(1)"), Row(2, user="bob"))
    page = clerk.get(console.url(Job) + "?q=alice")
    exports = [item["path"] for item in page.context["actions_list"] if "export" in item["path"]]
    assert exports == [console.url(Job, "export_csv") + "?q=alice"]
    text = console.streamed(clerk.get(exports[0]))
    lines = text.splitlines()
    assert len(lines) == 2
    assert "'=HYPERLINK(1)" in lines[1]
    assert ",bob," not in text
    assert console.last_event("export.made") == {"name": "usage-job", "filters": {"q": "alice"}}


@pytest.mark.parametrize(
    ("bucket", "ids"),
    [("running", {5}), ("held", {4}), ("rated", {1}), ("exempt", {3}), ("unpriced", {2}),
     ("pending", set())],
)  # fmt: skip
def test_buckets_part_the_jobs(clerk: Client, bucket: str, ids: set[int]) -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(
        cluster, Row(1), Row(2, account="nobody-has-it"), Row(3, seconds=0), Row(5, state="RUNNING")
    )
    import_rows(cluster, Row(4), BROKEN)
    found = clerk.get(console.url(Job) + f"?bucket={bucket}").context["cl"].queryset
    assert {job.job_id for job in found} == ids


def test_a_list_of_jobs_is_narrowed_to_what_the_latest_are(
    clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.list_filters.LOOKED_AT", 2)
    import_rows(make_cluster(), Row(1, state="TIMEOUT"), Row(2, state="FAILED"), Row(3))
    shown = {
        str(spec.title): list(getattr(spec, "lookup_choices", ()))
        for spec in clerk.get(console.url(Job)).context["cl"].filter_specs
    }
    assert shown["state"] == ["COMPLETED", "FAILED"]
    found = clerk.get(console.url(Job) + "?state=TIMEOUT").context["cl"].queryset
    assert [job.job_id for job in found] == [1]


def test_clusters_and_mappings_are_edited_with_a_trace(
    sent: list[Any], django_capture_on_commit_callbacks: Commits
) -> None:
    operator = console.visitor("operator")
    cluster = make_cluster()
    data = {"name": "alpha", "time_zone": "Nowhere/At all", **console.CLUSTER_FORM}
    page = operator.post(console.url(cluster, "change", cluster.pk), data)
    assert "is not a time zone" in str(page.context["adminform"].form.errors)
    operator.post(console.url(cluster, "change", cluster.pk), data | {"time_zone": "Asia/Bangkok"})
    cluster.refresh_from_db()
    assert cluster.time_zone == "Asia/Bangkok"
    assert console.last_event("cluster.changed")["changes"] == {
        "time_zone": ["UTC", "Asia/Bangkok"]
    }
    project = make_project("genomics")
    mapping = {"cluster": cluster.pk, "account": "gen-2", "project": project.pk}
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(console.url(AccountMapping, "add"), mapping)
    assert AccountMapping.objects.get().project == project
    assert console.actions()[-1] == "accountmapping.created"
    assert sent == [("hpcbilling.rate_pending", ())]


def test_a_large_upload_is_previewed_in_part(
    clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.previews.BATCH_ROWS", 2)
    monkeypatch.setattr("usage.admin.import_pages.PREVIEW_SECONDS", -1.0)
    content = sacct(*(Row(number) for number in range(1, 6)))
    upload(clerk, make_cluster(), content)
    run = latest_run()
    page = clerk.get(console.url(run, "preview", run.pk))
    assert page.context["rows"] == 2
    assert "these are its first 2 rows" in page.content.decode()


def test_prepared_runs_of_others_are_on_the_home_page(clerk: Client) -> None:
    prepare_import(
        cluster=make_cluster(), stream=io.BytesIO(sacct(Row(1))), origin="x.psv", actor=SYSTEM
    )
    cards = clerk.get(reverse("admin:index")).context["cards"]
    waiting = {str(card.name): card.count for card in cards}
    assert waiting["Uploads to confirm"] == 1


def test_a_long_list_of_pulls_takes_no_more_queries_than_a_short_one() -> None:
    cluster, client = make_cluster(), console.visitor("operator")

    def queries(pulls: int) -> int:
        for number in range(pulls):
            pull = Pull.objects.create(
                cluster=cluster, kind="manual", slot=date(2026, 10, 1), finished_at=timezone.now()
            )
            at = datetime(2026, 10, 1 + number, tzinfo=UTC)
            Window.objects.create(
                cluster=cluster, pull=pull, start=at, end=at + timedelta(1), status="failed"
            )
        with CaptureQueriesContext(connection) as captured:
            page = client.get(console.url(Pull))
        assert page.text.count("Not all was read") == Pull.objects.count()
        return len(captured)

    queries(1)
    assert queries(1) == queries(7)
