"""The quarantine in the console: who sees, dismisses, opens again and reads again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from core.actor import Actor
from core.errors import Conflict
from hpcbilling.workflows import resume_imports
from tests import console, scenes
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from usage.models import (
    Cluster,
    ImportRun,
    Pull,
    QuarantineDecision,
    QuarantinedRow,
    Source,
    Window,
)
from usage.quarantine import ask_again, days_of, dismiss
from usage.quarantine_states import open_rows

pytestmark = pytest.mark.django_db

BAD = Row(2, name="=cmd()", extra={"ElapsedRaw": "-5"})


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


@scenes.standing
def run() -> ImportRun:
    make_project("genomics")
    odd = Row(3, extra={"State": "<b>odd"})
    return import_rows(make_cluster(), Row(1), BAD, odd).run


def page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_row_is_seen_with_its_reason_and_what_to_do(clerk: Client, run: ImportRun) -> None:
    row = QuarantinedRow.objects.get(reason="state")
    text = page(clerk, console.url(row, "change", row.pk))
    for shown in (row.explanation.split("'")[0], "&lt;b&gt;odd", str(run), "alpha"):
        assert shown in text
    assert "<b>odd" not in text
    assert "dismiss it" in text or "dismiss the row" in text


def test_rows_are_found_by_status_reason_cluster_and_import(clerk: Client, run: ImportRun) -> None:
    other = import_rows(make_cluster("beta"), Row(9, extra={"State": "?"})).run
    row = QuarantinedRow.objects.get(reason="elapsed")
    dismiss(row_ids=[row.pk], actor=console_actor(), reason="x")
    expected = {
        "": 3,
        "state=open": 2,
        "state=dismissed": 1,
        "state=resolved": 0,
        "reason=state": 2,
        f"run={other.pk}": 1,
        f"run__cluster__id__exact={run.cluster_id}": 2,
        f"state=open&run={run.pk}": 1,
    }
    for query, count in expected.items():
        found = clerk.get(f"{console.url(QuarantinedRow)}?{query}").context["cl"].result_count
        assert (query, found) == (query, count)


def console_actor() -> Actor:
    return Actor.of(make_user("someone"))


def test_the_list_goes_along_as_csv_without_formulas(clerk: Client, run: ImportRun) -> None:
    text = console.streamed(clerk.get(console.url(QuarantinedRow, "export_csv") + "?state=open"))
    lines = text.splitlines()
    assert lines[0] == "\ufeffrun,cluster,origin,line,state,reason,detail,raw"
    assert len(lines) == 3
    assert ",open,elapsed," in text
    evil = import_rows(run.cluster, "=HYPERLINK(1)|x|" + Row(4).text()).run
    text = console.streamed(
        clerk.get(console.url(QuarantinedRow, "export_csv") + f"?run={evil.pk}")
    )
    assert "'=HYPERLINK(1)" in text
    assert ",=HYPERLINK" not in text


def test_a_row_is_dismissed_with_a_reason_and_opened_again(clerk: Client, run: ImportRun) -> None:
    row = QuarantinedRow.objects.get(reason="elapsed")
    address = console.url(row, "dismiss_one", row.pk)
    assert "billed to nobody" in page(clerk, address)
    assert clerk.post(address, {"reason": " "}).status_code == 200
    assert not QuarantineDecision.objects.exists()
    done = clerk.post(address, {"reason": "a test <job>"}, follow=True)
    assert console.messages_of(done) == ["1 row is dismissed."]
    shown = page(clerk, console.url(row, "change", row.pk))
    assert "a test &lt;job&gt;" in shown
    assert "finance-person" in shown
    assert "/reopen/" in shown
    assert "/dismiss/" not in shown
    assert console.last_event("quarantine.dismissed")["reason"] == "a test <job>"
    clerk.post(console.url(row, "reopen_one", row.pk), {"reason": "it was real"}, follow=True)
    kinds = list(QuarantineDecision.objects.order_by("number").values_list("kind", flat=True))
    assert kinds == ["dismissed", "reopened"]
    assert open_rows().count() == 2


def test_all_that_is_shown_is_dismissed_and_the_import_can_be_released(
    clerk: Client, run: ImportRun
) -> None:
    shown = clerk.get(f"{console.url(QuarantinedRow)}?run={run.pk}")
    (address,) = (
        item["path"] for item in shown.context["actions_list"] if "dismiss-shown" in item["path"]
    )
    assert address.endswith(f"?run={run.pk}")
    assert f"#{run.pk}" in page(clerk, address)
    done = clerk.post(address, {"reason": "test jobs"}, follow=True)
    assert "it can be released" in console.messages_of(done)[0]
    assert done.redirect_chain[-1][0] == console.url(run, "change", run.pk)
    assert "1 job waits for this import to be released" in done.content.decode()
    release = page(clerk, console.url(run, "release", run.pk))
    assert "All 2 quarantined rows are resolved or dismissed." in release
    run.refresh_from_db()
    assert run.status == "incomplete"
    clerk.post(console.url(run, "release", run.pk), {"reason": "settled"})
    run.refresh_from_db()
    assert run.status == "released"


def test_rows_are_chosen_by_their_boxes(clerk: Client, run: ImportRun) -> None:
    ids = list(QuarantinedRow.objects.values_list("pk", flat=True))
    chosen = {"action": "dismiss_chosen", "_selected_action": ids[:1]}
    step = clerk.post(console.url(QuarantinedRow), chosen, follow=True)
    address = step.redirect_chain[-1][0]
    clerk.post(address, {"reason": "x"})
    assert QuarantineDecision.objects.get().row_id == ids[0]


def test_an_import_is_read_again_from_a_row(clerk: Client, run: ImportRun) -> None:
    row = QuarantinedRow.objects.get(reason="elapsed")
    asked = clerk.get(console.url(row, "try_again", row.pk), follow=True)
    address = asked.redirect_chain[-1][0]
    assert "stored original" in asked.content.decode()
    done = clerk.post(address, follow=True)
    made = ImportRun.objects.latest("pk")
    assert (made.retry_of, made.status) == (run, "running")
    assert console.url(run, "change", run.pk) in done.content.decode()
    assert resume_imports(actor=SYSTEM) == 1
    assert open_rows().count() == 2
    refused = clerk.post(address, follow=True)
    assert "read again already" in console.messages_of(refused)[0]


@pytest.mark.parametrize("role", ["auditor", "operator", "finance", "admin"])
def test_who_may_decide(role: str, run: ImportRun) -> None:
    client, row = console.visitor(role), QuarantinedRow.objects.latest("pk")
    assert client.get(console.url(row, "change", row.pk)).status_code == 200
    may = role != "auditor"
    answer = client.post(console.url(row, "dismiss_one", row.pk), {"reason": "x"})
    assert answer.status_code == (302 if may else 403)
    assert QuarantineDecision.objects.exists() == may
    again = client.post(console.url(run, "again", run.pk))
    assert again.status_code == (302 if may else 403)
    assert run.retries.exists() == may


def test_the_home_page_counts_what_is_open(clerk: Client, run: ImportRun) -> None:
    cards = {card.url: card.count for card in clerk.get("/admin/").context["cards"]}
    address = f"{console.url(QuarantinedRow)}?state=open"
    assert cards[address] == 2
    dismiss(
        row_ids=list(QuarantinedRow.objects.values_list("pk", flat=True)),
        actor=console_actor(),
        reason="x",
    )
    cards = {card.url: card.count for card in clerk.get("/admin/").context["cards"]}
    assert cards[address] == 0


def test_days_that_came_from_a_source_are_asked_for_again(clerk: Client, run: ImportRun) -> None:
    assert days_of(run) is None
    with pytest.raises(Conflict):
        ask_again(run_id=run.pk, actor=console_actor())
    begin = datetime(2026, 10, 14, 17, tzinfo=UTC)
    Cluster.objects.update(time_zone="Asia/Bangkok")
    for day in (0, 1):
        Window.objects.create(
            cluster=run.cluster,
            start=begin + timedelta(days=day),
            end=begin + timedelta(days=day + 1),
            status="read",
            asked_at=begin + timedelta(days=9),
            run=run,
            source="slurmrestd main",
        )
    Source.objects.create(cluster=run.cluster, kind="slurmrestd", place="main")
    row = QuarantinedRow.objects.get(reason="elapsed")
    assert "slurmrestd main" in page(clerk, console.url(row, "change", row.pk))
    address = console.url(run, "again", run.pk)
    assert "2026-10-15 – 2026-10-16" in page(clerk, address)
    done = clerk.post(address, {"how": "source"}, follow=True)
    pull = Pull.objects.get()
    assert done.redirect_chain[-1][0] == console.url(pull, "change", pull.pk)
    assert [window.start for window in pull.windows.order_by("start")] == [
        begin,
        begin + timedelta(days=1),
    ]
    clerk.post(address, {"how": "original"})
    assert run.retries.count() == 1
