"""Exemptions of clusters: what they match, who makes them, and that none is rewritten."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from core.actor import Actor
from core.errors import Conflict, Invalid
from tests import console
from tests.factories import COLUMNS, Row, exempt, import_bytes, make_cluster, make_user, sacct
from usage.exemption_decisions import approve_exemption, refuse_exemption
from usage.exemptions import exempted, exemption_of
from usage.models import Cluster, Exemption, Job

pytestmark = pytest.mark.django_db

END = Row().end


def one_job(cluster: Cluster) -> Job:
    """A job with a partition and a QOS."""
    lines = sacct(Row(state="FAILED")).decode().splitlines()
    header = f"Partition|QOS|Reservation|{'|'.join(COLUMNS)}"
    import_bytes(cluster, f"{header}\ngpu|high|maint|{lines[1]}\n".encode())
    return Job.objects.get(cluster=cluster)


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
        ({"reservation": "maint"}, True),
        ({"reservation": "maint", "partition": "cpu"}, False),
        ({"reservation": "course"}, False),
        ({"ends_at": END + timedelta(seconds=1)}, True),
        ({"partition": "gpu", "ends_at": END}, False),
        ({"partition": "gpu", "starts_at": END}, True),
        ({"partition": "gpu", "starts_at": END + timedelta(seconds=1)}, False),
        ({"partition": "gpu", "starts_at": END, "ends_at": END}, False),
    ],
)
def test_all_that_is_given_has_to_match(values: dict[str, Any], matches: bool) -> None:
    job = one_job(make_cluster())
    made = exempt(job.cluster, **values)
    assert exempted([job.pk]) == ({job.pk: made.pk} if matches else {})
    assert exemption_of(job) == (made if matches else None)


def test_another_cluster_is_another_matter_and_the_oldest_rule_is_named() -> None:
    job = one_job(make_cluster())
    assert exempted([job.pk]) == {}
    author = make_user("head")
    exempt(make_cluster("beta"), partition="gpu", author=author)
    assert exempted([job.pk]) == {}
    first = exempt(job.cluster, partition="gpu", author=author)
    exempt(job.cluster, qos="high", author=author)
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
    made = exempt(make_cluster(), partition="gpu")
    client = console.visitor(role)
    assert "gpu" in client.get(console.url(made)).content.decode()
    assert client.get(console.url(Exemption, "add")).status_code == 403
    assert made.starts_at < datetime.now(UTC)


BACK_DATED = {"partition": "gpu", "starts_at": END - timedelta(days=1), "reason": "agreed"}


def enter(cluster: Cluster, **values: Any) -> Exemption:
    """An exemption as one person enters it."""
    author = User.objects.get_or_create(username="head")[0]
    made = Exemption.objects.create(cluster=cluster, author=author, **{**BACK_DATED, **values})
    made.refresh_from_db()
    return made


def test_one_of_the_past_has_no_effect_before_a_second_person_approves_it() -> None:
    job = one_job(make_cluster())
    made = enter(job.cluster)
    assert (made.status, exempted([job.pk])) == ("waiting", {})
    with pytest.raises(Invalid):
        approve_exemption(exemption_id=made.pk, ends_at=None, actor=Actor.of(made.author))
    for nobody in (Actor.system("command"), Actor.of(made.author)):
        with pytest.raises(Invalid):
            refuse_exemption(exemption_id=made.pk, reason="no", actor=nobody)
    second = Actor.of(make_user("second"))
    with pytest.raises(Conflict):
        approve_exemption(exemption_id=made.pk, ends_at=END, actor=second)
    approve_exemption(exemption_id=made.pk, ends_at=None, actor=second)
    assert exempted([job.pk]) == {job.pk: made.pk}
    assert console.last_event("exemption.approved")["criteria"]["partition"] == "gpu"
    with pytest.raises(Conflict):
        approve_exemption(exemption_id=made.pk, ends_at=None, actor=second)
    with pytest.raises(Conflict):
        refuse_exemption(exemption_id=made.pk, reason="no", actor=second)


def test_one_that_is_refused_never_has_an_effect() -> None:
    job = one_job(make_cluster())
    made = enter(job.cluster)
    second = Actor.of(make_user("second"))
    with pytest.raises(Invalid):
        refuse_exemption(exemption_id=made.pk, reason=" ", actor=second)
    made = refuse_exemption(exemption_id=made.pk, reason="not agreed", actor=second)
    assert (made.status, exempted([job.pk])) == ("refused", {})
    assert console.last_event("exemption.refused")["reason"] == "not agreed"


def test_one_of_the_future_needs_nobody() -> None:
    job = one_job(make_cluster())
    now = timezone.now()
    made = enter(job.cluster, starts_at=now)
    assert made.status == "in_force"
    assert exempted([job.pk]) == {}
    running = Row(9, state="RUNNING", end=now, account="x")
    import_bytes(job.cluster, sacct(running))
    enter(job.cluster, starts_at=now - timedelta(minutes=1), partition="", account="x")
    assert len(exempted(list(Job.objects.values_list("pk", flat=True)))) == 1


def test_around_the_orm_nobody_backdates_alone() -> None:
    job = one_job(make_cluster())
    long_ago = END - timedelta(days=9)
    # The moment of entry is the database's word, and a decision is a step of its own.
    made = enter(job.cluster, created_at=long_ago)
    Exemption.objects.bulk_create(
        [Exemption(cluster=job.cluster, author=made.author, created_at=long_ago, **BACK_DATED)]
    )
    assert exempted([job.pk]) == {}
    decided = {"decision": "approved", "decided_by": made.author, "decided_at": END}
    for values in (decided, {**decided, "decided_by": make_user("second")}):
        with pytest.raises(IntegrityError), transaction.atomic():
            enter(job.cluster, **values)
    alone = "decision = 'approved', decided_by_id = author_id, decided_at = now()"
    for sql in (
        f"UPDATE usage_exemption SET {alone}",
        "UPDATE usage_exemption SET decision = 'approved'",
        "UPDATE usage_exemption SET created_at = created_at - interval '1 year'",
        "UPDATE usage_exemption SET starts_at = starts_at - interval '1 year'",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert exempted([job.pk]) == {}


def test_one_that_ended_does_not_begin_again() -> None:
    job = one_job(make_cluster())
    made = exempt(job.cluster, partition="gpu", ends_at=END - timedelta(hours=1))
    assert exempted([job.pk]) == {}
    for ends_at in (None, END + timedelta(days=1)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Exemption.objects.filter(pk=made.pk).update(ends_at=ends_at)
    page = console.visitor("finance").post(
        console.url(made, "change", made.pk), form(ends_at_0="2026-12-31", ends_at_1="00:00:00")
    )
    assert "ended does not begin again" in page.content.decode()


def test_the_console_asks_a_second_person() -> None:
    cluster = make_cluster()
    job = one_job(cluster)
    first = console.visitor("finance")
    values = form(cluster=str(cluster.pk), partition="gpu")
    first.post(console.url(Exemption, "add"), values)
    made = Exemption.objects.get()
    assert made.status == "waiting"
    approve = console.url(made, "approve", made.pk)
    assert "Someone else than its author" in first.post(approve, {"ends_at": ""}).text
    second = console.visitor("admin")
    home = second.get("/admin/").text
    assert "Exemptions to approve" in home
    assert "gpu" in second.get(console.url(Exemption), {"waiting": "1"}).text
    page = second.get(approve).text
    assert "gives away what is used already" in page
    second.post(approve, {"ends_at": ""})
    assert exempted([job.pk]) == {job.pk: made.pk}
    page = second.get(console.url(made, "change", made.pk)).text
    assert "Approved, admin-person" in page
    assert second.get(console.url(Exemption), {"waiting": "1"}).text.count("gpu") == 0
    assert console.visitor("auditor").post(approve, {}).status_code == 403


def test_the_console_refuses_with_a_reason_and_begins_now_by_itself() -> None:
    cluster, first = make_cluster(), console.visitor("finance")
    values = form(cluster=str(cluster.pk), partition="gpu")
    first.post(console.url(Exemption, "add"), values)
    made = Exemption.objects.get()
    refuse = console.url(made, "refuse", made.pk)
    second = console.visitor("admin")
    second.post(refuse, {"reason": "not agreed"})
    made.refresh_from_db()
    assert made.status == "refused"
    assert "not agreed" in first.get(console.url(made, "change", made.pk)).text
    first.post(console.url(Exemption, "add"), {**values, "starts_at_0": "", "starts_at_1": ""})
    assert Exemption.objects.latest("pk").status == "in_force"
