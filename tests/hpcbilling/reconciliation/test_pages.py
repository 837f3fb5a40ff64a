"""The console's pages of comparisons and evidence, for who may see them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from hpcbilling.reconciliation.services import reconcile
from hpcbilling.tasks import reconcile_cluster, reconcile_clusters, reconcile_period
from tests import console
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_user
from tests.hpcbilling.reconciliation.slurm import PretendedSlurm, Stated, report_of, stated
from usage.growth import evidence_growth, stored_bytes_by_cluster
from usage.models import Cluster, Evidence, Job, Reconciliation
from usage.reconciliations import last_reconciliations

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(client: Client) -> Client:
    client.force_login(make_user("clerk", groups=("finance",)))
    return client


def page(client: Client, result: Reconciliation) -> str:
    response = client.get(console.url(result, "change", result.pk))
    assert response.status_code == 200
    return response.content.decode()


def test_a_clerk_sees_buckets_differences_and_jobs(
    clerk: Client, cluster: Cluster, slurm: PretendedSlurm
) -> None:
    import_rows(cluster, Row(1), Row(2, seconds=7200))
    slurm.says(stated(Row(1)), stated(Row(2, seconds=7200, tres="cpu=5,node=1")), Stated(3))
    result = reconcile(cluster=cluster, period=OCTOBER, actor=SYSTEM)
    shown = page(clerk, result)
    job = Job.objects.get(job_id=2)
    assert console.url(job, "change", job.pk) in shown
    for text in ("Slurm says", "18.00", "Without price", "Slurm has it, we don&#x27;t", "-2.00"):
        assert text in shown
    home = clerk.get("/admin/").content.decode()
    assert console.url(Reconciliation) + "?outcome__exact=unexplained" in home
    listed = clerk.get(console.url(Reconciliation)).content.decode()
    assert "Differs, cause unknown" in listed
    assert clerk.get(console.url(Reconciliation, "export_csv")).status_code == 200


def test_agreement_failure_and_history_are_told(
    clerk: Client, cluster: Cluster, slurm: PretendedSlurm
) -> None:
    slurm.says(status=1, error="<b>slurmdbd is down</b>")
    failed = reconcile(cluster=cluster, period=OCTOBER, actor=SYSTEM)
    assert "&lt;b&gt;slurmdbd is down" in page(clerk, failed)
    slurm.says()
    empty = reconcile(cluster=cluster, period=OCTOBER, actor=SYSTEM)
    shown = page(clerk, empty)
    assert "names no job in this period" in shown
    assert console.url(failed, "change", failed.pk) in shown
    import_rows(cluster, Row(1))
    slurm.says(stated(Row(1)))
    slurm.reports(*report_of(stated(Row(1))))
    agreed = reconcile(cluster=cluster, period=OCTOBER, actor=SYSTEM)
    assert "the same, to the second" in page(clerk, agreed)
    slurm.reports(*report_of(Stated(1, seconds=3599)))
    unlike = reconcile(cluster=cluster, period=OCTOBER, actor=SYSTEM)
    assert unlike.outcome == Reconciliation.Outcome.UNEXPLAINED
    shown = page(clerk, unlike)
    for text in ("CPU-core-seconds", "MiB-seconds", "14,396", "Unknown"):
        assert text in shown


def test_a_clerk_asks_for_a_month_and_the_worker_compares_it(
    clerk: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "hpcbilling.reconciliation.admin.after_commit", lambda *message: sent.append(message)
    )
    other = make_cluster("beta")
    url = console.url(Reconciliation, "compare")
    form = {"cluster": cluster.pk, "month": "2026-10"}
    assert clerk.post(url, form | {"cluster": other.pk}).status_code == 200
    assert clerk.post(url, form | {"month": "2199-01"}).status_code == 200
    assert sent == []
    assert clerk.post(url, form).status_code == 302
    ((task, *arguments),) = sent
    assert task == "hpcbilling.reconcile_period"
    reconcile_period(*arguments)
    result = Reconciliation.objects.get()
    assert result.requested_by is not None
    assert result.requested_by.username == "clerk"
    assert (result.end - result.start) == timedelta(days=31)


def test_who_may_not_ask_slurm_has_no_button(client: Client, cluster: Cluster) -> None:
    client.force_login(make_user("auditor", groups=("auditor",)))
    assert client.get(console.url(Reconciliation)).status_code == 200
    assert client.get(console.url(Reconciliation, "compare")).status_code == 403


def test_the_night_compares_every_cluster_that_can_tell(
    cluster: Cluster, slurm: PretendedSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    monkeypatch.setattr(
        "hpcbilling.tasks.current_app.send_task", lambda name, args: sent.append((name, args))
    )
    make_cluster("files-only")
    reconcile_clusters()
    assert sent == [("hpcbilling.reconcile_cluster", (cluster.pk,))]
    before = last_reconciliations()["alpha"]
    reconcile_cluster(cluster.pk)
    assert Reconciliation.objects.count() >= 1
    assert list(last_reconciliations()) == ["alpha"]
    assert last_reconciliations()["alpha"] > before


def test_growth_of_evidence_is_shown_by_month_and_cluster(clerk: Client) -> None:
    import_rows(make_cluster("a"), Row(1))
    import_rows(make_cluster("b"), Row(2), Row(3))
    first, second = evidence_growth()
    assert (first.cluster, first.inputs, second.cluster) == ("a", 1, "b")
    stored = stored_bytes_by_cluster()
    assert stored == {"a": first.stored_bytes, "b": second.stored_bytes}
    assert sum(stored.values()) == sum(Evidence.objects.values_list("stored_bytes", flat=True))
    shown = clerk.get(console.url(Evidence)).content.decode()
    assert f"{first.month:%Y-%m}" in shown
    text = clerk.get("/metrics").content.decode()
    assert f'hpcbilling_evidence_stored_bytes{{cluster="a"}} {float(stored["a"])}' in text


def test_a_jobs_page_shows_where_each_revision_came_from(clerk: Client) -> None:
    cluster = make_cluster()
    import_rows(cluster, Row(1, state="RUNNING", seconds=60))
    import_rows(cluster, Row(1, seconds=60))
    job = Job.objects.get()
    url = console.url(job, "raw", job.pk)
    shown = clerk.get(url).content.decode()
    assert "|RUNNING|" in shown
    assert "|COMPLETED|" in shown
    assert job.run.evidence.sha256 in shown
    assert "It is as it came." not in shown
    assert "It is as it came." in clerk.get(url + "?check=1").content.decode()
