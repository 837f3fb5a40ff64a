"""Periods in the console: who sees, closes and opens them, and what the pages say."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import Period, PeriodReopening
from accounts.periods import ensure
from hpcbilling import workflows
from hpcbilling.closing import attempts, close_period, month_end
from hpcbilling.tasks import close_month
from pricing.models import Charge
from receipts.models import BillingRun
from tests import scenes
from tests.console import last_event, messages_of, url, visitor
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.pricing.lists import flat, publish
from usage.models import Cluster

pytestmark = pytest.mark.django_db
MONTH = date(2026, 10, 1)
END = datetime(2026, 10, 15, 12, tzinfo=UTC)


@scenes.standing
def cluster() -> Cluster:
    """One job of October, rated."""
    publish(flat("cpu", "1"), flat("mem", "0"))
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(1, end=END))
    workflows.rate_pending(actor=SYSTEM)
    return cluster


@pytest.fixture
def clerk() -> Client:
    return visitor("finance")


def page(client: Client, name: str = "change", month: date = MONTH) -> str:
    response = client.get(url(Period, name, month))
    assert response.status_code == 200
    return str(response.content.decode())


@pytest.mark.usefixtures("cluster")
def test_the_list_shows_how_each_month_stands(clerk: Client) -> None:
    ensure(date(2026, 9, 1))
    close_period(month=date(2026, 9, 1), actor=SYSTEM)
    text = clerk.get(url(Period)).content.decode()
    for said in ("September 2026", "October 2026", "Closed", "To be closed", "4.00"):
        assert said in text
    assert visitor("auditor").get(url(Period)).status_code == 200
    assert visitor("operator").get(url(Period)).status_code == 403
    assert visitor("").get(url(Period)).status_code == 302


def test_a_month_says_what_stands_against_closing_it(cluster: Cluster, clerk: Client) -> None:
    assert "All of its usage is explained" in page(clerk)
    import_rows(cluster, Row(2, end=END, account="nowhere"))
    text = page(clerk)
    assert "1 job has no price." in text
    assert 'href="/admin/pricing/jobrating/"' in text
    assert url(Period, "close", MONTH) in text
    assert url(Period, "close", MONTH) not in page(visitor("auditor"))


@pytest.mark.usefixtures("cluster")
def test_a_clerk_closes_a_month(
    clerk: Client,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    assert "Nothing stands against it" in page(clerk, "close")
    with django_capture_on_commit_callbacks() as sent:
        response = clerk.post(url(Period, "close", MONTH), follow=True)
    assert messages_of(response) == ["The month is being closed. This page shows how far it is."]
    assert len(sent) == 1
    close_month(MONTH.isoformat(), response.wsgi_request.user.pk)
    text = page(clerk)
    assert "Its charges never change" in text
    assert "finance-person" in text
    assert messages_of(clerk.get(url(Period, "close", MONTH), follow=True)) == [
        "This period is closed already."
    ]


def test_what_is_unexplained_needs_a_reason_and_the_right(cluster: Cluster, clerk: Client) -> None:
    import_rows(cluster, Row(2, end=END, account="nowhere"))
    refused = clerk.post(url(Period, "close", MONTH), {"reason": " "})
    assert refused.context["form"].errors["reason"]
    sent = clerk.post(url(Period, "close", MONTH), {"reason": "it waits for a grant"})
    assert sent.status_code == 302
    close_month(MONTH.isoformat(), sent.wsgi_request.user.pk, "it waits for a grant")
    text = page(clerk)
    assert "it waits for a grant" in text
    assert "1 job has no price." in text
    assert visitor("auditor").get(url(Period, "close", MONTH)).status_code == 403


def test_an_earlier_month_comes_first(cluster: Cluster, clerk: Client) -> None:
    import_rows(cluster, Row(2, end=END, account="nowhere"))
    ensure(date(2026, 9, 1))
    text = page(clerk)
    assert "First September 2026 has to be closed." in text
    assert url(Period, "change", "2026-09-01") in text
    assert url(Period, "close", MONTH) not in text


@pytest.mark.usefixtures("cluster")
def test_a_closed_month_leads_to_its_run(clerk: Client) -> None:
    run = month_end.close_and_draft(period=MONTH, actor=SYSTEM)
    assert url(BillingRun, "change", run.pk) in page(clerk)


def test_a_task_that_is_refused_changes_nothing(cluster: Cluster) -> None:
    import_rows(cluster, Row(2, end=END, account="nowhere"))
    close_month(MONTH.isoformat(), make_user("alice").pk)
    assert Period.objects.get(month=MONTH).status == "open"


@pytest.mark.usefixtures("cluster")
def test_two_people_open_a_month_again(clerk: Client) -> None:
    close_period(month=MONTH, actor=SYSTEM)
    clerk.post(url(Period, "reopen", MONTH), {"reason": "a late bill"})
    wish = PeriodReopening.objects.get()
    assert last_event("period.reopening_requested")["reason"] == "a late bill"
    own = page(clerk)
    assert "Waits for another person" in own
    assert url(Period, "approve", MONTH) not in own
    assert url(Period, "decline", MONTH) in own
    assert (
        "Another person" in messages_of(clerk.post(url(Period, "approve", MONTH), follow=True))[0]
    )
    boss = visitor("admin")
    assert "a late bill" in page(boss, "approve")
    boss.post(url(Period, "approve", MONTH))
    wish.refresh_from_db()
    assert wish.approved_by is not None
    assert Period.objects.get(month=MONTH).status == "open"
    assert boss.post(url(Period, "decline", MONTH)).status_code == 404


@pytest.mark.usefixtures("cluster")
def test_late_usage_is_told_apart(cluster: Cluster, clerk: Client) -> None:
    close_period(month=MONTH, actor=SYSTEM)
    import_rows(cluster, Row(2, end=END))
    text = page(clerk, month=date(2026, 11, 1))
    assert "Late usage of earlier months in it" in text
    assert "The month goes on" in text
    assert Charge.objects.filter(period=date(2026, 11, 1), resource="cpu").count() == 1


@pytest.mark.usefixtures("cluster")
def test_a_second_click_closes_nothing_twice(
    clerk: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as sent:
        clerk.post(url(Period, "close", MONTH))
        again = clerk.post(url(Period, "close", MONTH), follow=True)
    assert len(sent) == 1
    assert messages_of(again)[-1] == "This month is being closed already."
    text = page(clerk)
    assert "Waiting for a worker" in text
    assert url(Period, "close", MONTH) not in text
    part = clerk.get(url(Period, "progress", MONTH))
    assert "HX-Refresh" not in part


def test_a_refused_closing_says_why_on_the_months_page(cluster: Cluster, clerk: Client) -> None:
    asked = clerk.post(url(Period, "close", MONTH))
    import_rows(cluster, Row(2, end=END, account="nowhere"))
    close_month(MONTH.isoformat(), asked.wsgi_request.user.pk)
    text = page(clerk)
    assert "The month was not closed." in text
    assert "1 thing stands against closing this period" in text
    assert url(Period, "close", MONTH) in text
    assert clerk.get(url(Period, "progress", MONTH))["HX-Refresh"] == "true"


@pytest.mark.usefixtures("cluster")
def test_a_closing_that_breaks_off_says_what_to_do(
    clerk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(**_values: object) -> None:
        raise OSError("power cut")

    asked = clerk.post(url(Period, "close", MONTH))
    monkeypatch.setattr(month_end, "close", power_cut)
    with pytest.raises(OSError, match="power cut"):
        close_month(MONTH.isoformat(), asked.wsgi_request.user.pk)
    text = page(clerk)
    assert "The closing broke off." in text
    assert "OSError" in text


@pytest.mark.usefixtures("cluster")
def test_a_silent_worker_is_noticed(clerk: Client) -> None:
    clerk.post(url(Period, "close", MONTH))
    with time_machine.travel(timezone.now() + attempts.PATIENCE * 2):
        assert "perhaps no worker is running" in page(clerk)
