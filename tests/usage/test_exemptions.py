"""Exemptions of clusters: what they match, who makes them, and that none is rewritten."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import console
from tests.factories import COLUMNS, Row, import_bytes, make_cluster, make_user, sacct
from usage.exemptions import exempted, exemption_of
from usage.models import Cluster, Exemption, Job

pytestmark = pytest.mark.django_db

END = Row().end


def make(cluster: Cluster, **values: Any) -> Exemption:
    given = {"starts_at": END - timedelta(days=1), "reason": "agreed", **values}
    author = given.pop("author", None) or make_user("head")
    return Exemption.objects.create(cluster=cluster, author=author, **given)


def one_job(cluster: Cluster, job_id: int = 1) -> Job:
    """A job with a partition and a QOS."""
    lines = sacct(Row(job_id, state="FAILED")).decode().splitlines()
    import_bytes(cluster, f"Partition|QOS|{'|'.join(COLUMNS)}\ngpu|high|{lines[1]}\n".encode())
    return Job.objects.get(cluster=cluster, job_id=job_id)


@pytest.mark.parametrize(
    ("values", "matches"),
    [
        ({"partition": "gpu"}, True),
        ({"partition": "cpu"}, False),
        ({"qos": "high", "account": "genomics"}, True),
        ({"qos": "high", "account": "climate"}, False),
        ({"user_name": "alice"}, True),
        ({"user_name": "Alice"}, False),
        ({"state": "FAILED"}, True),
        ({"state": "NODE_FAIL"}, False),
        ({"ends_at": END + timedelta(seconds=1)}, True),
        ({"partition": "gpu", "ends_at": END}, False),
        ({"partition": "gpu", "starts_at": END}, True),
        ({"partition": "gpu", "starts_at": END + timedelta(seconds=1)}, False),
        ({"partition": "gpu", "starts_at": END, "ends_at": END}, False),
    ],
)
def test_all_that_is_given_has_to_match(values: dict[str, Any], matches: bool) -> None:
    job = one_job(make_cluster())
    made = make(job.cluster, **values)
    assert exempted([job.pk]) == ({job.pk: made.pk} if matches else {})
    assert exemption_of(job) == (made if matches else None)


def test_another_cluster_is_another_matter_and_the_oldest_rule_is_named() -> None:
    job = one_job(make_cluster())
    assert exempted([job.pk]) == {}
    author = make_user("head")
    make(make_cluster("beta"), partition="gpu", author=author)
    assert exempted([job.pk]) == {}
    first = make(job.cluster, partition="gpu", author=author)
    make(job.cluster, qos="high", author=author)
    assert exempted([job.pk]) == {job.pk: first.pk}


def form(**values: str) -> dict[str, str]:
    return {
        "reason": "test nodes",
        "starts_at_0": "2026-10-01",
        "starts_at_1": "00:00:00",
        "ends_at_0": "",
        "ends_at_1": "",
        **values,
    }


def test_finance_makes_exemptions_and_ends_them() -> None:
    clerk, cluster = console.visitor("finance"), make_cluster()
    page = clerk.get(console.url(Exemption, "add")).content.decode()
    assert "what is billed stays" in page
    nothing = clerk.post(console.url(Exemption, "add"), form(cluster=str(cluster.pk)))
    assert "every job of the cluster is exempt" in nothing.content.decode()
    clerk.post(console.url(Exemption, "add"), form(cluster=str(cluster.pk), state="node_fail "))
    made = Exemption.objects.get()
    assert (made.state, made.author.username) == ("NODE_FAIL", "finance-person")
    assert console.last_event("exemption.created")["changes"]["reason"][1] == "test nodes"
    change = console.url(made, "change", made.pk)
    clerk.post(change, form(state="", ends_at_0="2026-11-01", ends_at_1="00:00:00", reason="x"))
    made.refresh_from_db()
    assert made.ends_at is not None
    assert (made.state, made.reason) == ("NODE_FAIL", "test nodes")
    assert "ends_at" in console.last_event("exemption.changed")["changes"]
    assert clerk.post(console.url(made, "delete", made.pk)).status_code == 403
    text = console.streamed(clerk.get(console.url(Exemption, "export_csv")))
    assert "NODE_FAIL" in text


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_others_look_at_them(role: str) -> None:
    made = make(make_cluster(), partition="gpu")
    client = console.visitor(role)
    assert "gpu" in client.get(console.url(made)).content.decode()
    assert client.get(console.url(Exemption, "add")).status_code == 403
    assert made.starts_at < datetime.now(UTC)
