"""The log in the console: filters, content, export for auditors, verification."""

import pytest
from django.db import connection
from django.test import Client

from audit.models import AuditEvent
from tests import console, scenes
from tests.factories import Row, import_rows, make_cluster, make_project
from usage.models import Cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def auditor() -> Client:
    return console.visitor("auditor")


@scenes.standing
def scene() -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(1))


@pytest.mark.parametrize(
    "query",
    ["action__exact=import.finished", "q=import.fin", "target=usage.importrun:{run}",
     "actor_name__exact=system:test&action__exact=import.finished"],
)  # fmt: skip
def test_events_are_found(auditor: Client, scene: None, query: str) -> None:
    event = AuditEvent.objects.get(action="import.finished")
    address = f"{console.url(AuditEvent)}?{query.format(run=event.target_id)}"
    found = auditor.get(address).context["cl"].queryset
    assert event in found
    assert set(found.values_list("target_type", flat=True)) == {"usage.importrun"}


def test_an_event_shows_its_content_and_leads_to_its_object(auditor: Client, scene: None) -> None:
    connection.check_constraints()
    event = AuditEvent.objects.get(action="import.finished")
    page = auditor.get(console.url(event, "change", event.pk)).content.decode()
    assert "&quot;jobs_new&quot;: 1" in page
    assert f"/admin/usage/importrun/{event.target_id}/change/" in page
    assert (event.hash or "") in page


def test_content_never_becomes_markup(auditor: Client) -> None:
    clerk = console.visitor("finance")
    clerk.get(console.url(AuditEvent) + "?q=<script>")
    clerk.get("/admin/usage/job/export-csv/?q=<script>alert(1)</script>")
    event = AuditEvent.objects.get(action="export.made")
    page = auditor.get(console.url(event, "change", event.pk)).content.decode()
    assert "<script>alert(1)" not in page


def test_history_of_an_object_leads_to_its_events(auditor: Client, scene: None) -> None:
    cluster = Cluster.objects.get()
    page = auditor.get(console.url(cluster, "change", cluster.pk)).content.decode()
    history = f"{console.url(AuditEvent)}?target=usage.cluster:{cluster.pk}"
    assert history in page
    events = auditor.get(history).context["cl"].queryset
    assert [event.action for event in events] == ["cluster.created"]
    clerk = console.visitor("finance")
    assert history not in clerk.get(console.url(cluster, "change", cluster.pk)).content.decode()
    old = auditor.get(console.url(cluster, "history", cluster.pk))
    assert old["Location"] == history


def test_only_auditors_take_the_log_along(auditor: Client, scene: None) -> None:
    address = console.url(AuditEvent, "export_csv")
    text = console.streamed(auditor.get(address + "?action__exact=import.finished"))
    assert len(text.splitlines()) == 2
    assert '""jobs_new"":1' in text
    assert console.last_event("export.made")["name"] == "audit-auditevent"
    for role in ("finance", "operator"):
        assert console.visitor(role).get(address).status_code == 403


def test_the_chain_is_verified_on_demand(auditor: Client, scene: None) -> None:
    address = console.url(AuditEvent, "verify")
    assert "hashed again" in auditor.get(address).content.decode()
    connection.check_constraints()
    page = auditor.post(address, follow=True)
    assert "events hold" in console.messages_of(page)[-1]


def test_a_broken_chain_is_named(
    auditor: Client, scene: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.check_constraints()
    broken = AuditEvent.objects.get(action="import.finished")
    monkeypatch.setattr(
        "audit.models.AuditEvent.columns_payload",
        lambda event: "" if event.pk == broken.pk else event.payload,
    )
    page = auditor.post(console.url(AuditEvent, "verify"), follow=True)
    said = console.messages_of(page)[-1]
    assert f"broken at event {broken.sequence}" in said
