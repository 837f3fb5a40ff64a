"""Exempt jobs cost nothing: what was charged and not billed is taken back, what is billed stays."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from core.actor import Actor
from hpcbilling.workflows import rate_pending
from pricing.explain import explain_job
from pricing.models import Charge, JobRating
from pricing.selectors import live_charges
from pricing.wording import _why_not
from receipts.services import create_receipt
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    exempt,
    import_rows,
    make_cluster,
    make_project,
    make_user,
)
from usage.models import Job

pytestmark = pytest.mark.django_db

END = Row().end


def rating(job_id: int) -> tuple[str, str]:
    found = JobRating.objects.get(job__job_id=job_id)
    return found.status, found.reason


def test_a_job_under_an_exemption_is_exempt_with_its_reason() -> None:
    make_project("genomics")
    cluster = make_cluster()
    exempt(cluster, state="NODE_FAIL", reason="a node failed")
    import_rows(cluster, Row(1, state="NODE_FAIL"), Row(2))
    assert rating(1) == ("exempt", "exempted")
    assert rating(2) == ("rated", "")
    assert set(Charge.objects.values_list("job__job_id", flat=True)) == {2}
    told = explain_job(Job.objects.get(job_id=1).pk)
    assert told.exempt_because == "a node failed"
    assert "a node failed" in str(_why_not(told))


def test_also_where_nobody_pays_for_the_account() -> None:
    cluster = make_cluster()
    exempt(cluster, account="tests")
    import_rows(cluster, Row(1, account="tests"))
    assert rating(1) == ("exempt", "exempted")


def test_what_was_charged_and_is_not_billed_is_taken_back_and_charged_again_if_withdrawn() -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1), Row(2, user="bob"))
    made = exempt(cluster, user_name="alice")
    outcome = rate_pending(actor=SYSTEM)
    assert outcome.exempt == 1
    assert rating(1) == ("exempt", "exempted")
    amounts = Charge.objects.filter(job__job_id=1).values_list("amount", flat=True)
    assert len(amounts) == 4
    assert sum(amounts) == Decimal(0)
    assert set(live_charges().values_list("job__job_id", flat=True)) == {2}
    made.ends_at = made.starts_at
    made.save()
    rate_pending(actor=SYSTEM)
    assert rating(1) == ("rated", "")
    assert live_charges().filter(job__job_id=1).count() == 2


def test_what_is_billed_stays() -> None:
    pi = make_user("pi", groups=("finance",))
    project = make_project("genomics", pi=pi)
    cluster = make_cluster()
    import_rows(cluster, Row(1))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=Actor.of(pi))
    exempt(cluster, user_name="alice")
    outcome = rate_pending(actor=SYSTEM)
    assert outcome.waiting
    assert outcome.exempt == 0
    assert rating(1) == ("rated", "")
    assert live_charges().filter(job__job_id=1).count() == 2
    receipt.refresh_from_db()
    assert receipt.status == "issued"


def test_nobody_makes_a_job_exempt_by_hand() -> None:
    cluster = make_cluster()
    import_rows(cluster, Row(1, account="nowhere"))
    change = "UPDATE pricing_jobrating SET status = 'exempt', reason = 'exempted'"
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    exempt(cluster, account="elsewhere")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    exempt(cluster, account="nowhere", starts_at=END)
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert rating(1) == ("exempt", "exempted")


def test_the_pages_of_the_job_say_why(client: Client, admin_client: Client) -> None:
    alice = make_user("alice")
    make_project("genomics", pi=alice)
    cluster = make_cluster()
    exempt(cluster, user_name="alice", reason="<free> trial")
    import_rows(cluster, Row(1))
    job = Job.objects.get()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    for name in ("job", "why"):
        page = client.get(reverse(f"insights:{name}", args=[job.pk])).content.decode()
        assert "An exemption of the cluster covers it" in page
        assert "trial" not in page
    answer = client.get(reverse("api-usage-explanation", args=[job.pk])).json()
    assert (answer["status"], answer["reason"]) == ("exempt", "exempted")
    assert answer["exempt_because"] == ""
    answer = admin_client.get(reverse("api-usage-explanation", args=[job.pk])).json()
    assert answer["exempt_because"] == "<free> trial"
    console_page = admin_client.get(f"/admin/usage/job/{job.pk}/change/").content.decode()
    assert "&lt;free&gt; trial" in console_page
