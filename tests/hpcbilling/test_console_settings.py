"""Schedule and lockouts in the console: changed by admins only, and never without a trace."""

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from tests import console
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    return console.visitor("admin")


def schedule_form(planned: PeriodicTask, **changes: str) -> dict[str, str]:
    crontab = str(planned.crontab_id or "")
    values = {
        "name": planned.name, "task": planned.task, "enabled": "on", "crontab": crontab,
        "interval": "", "description": "",
    }  # fmt: skip
    return values | changes


def test_a_schedule_is_changed_with_its_before_and_after(admin: Client) -> None:
    task = PeriodicTask.objects.filter(crontab__isnull=False).earliest("pk")
    form = schedule_form(task)
    del form["enabled"]
    admin.post(console.url(task, "change", task.pk), form)
    task.refresh_from_db()
    assert not task.enabled
    assert console.last_event("periodictask.changed")["changes"] == {"enabled": [True, False]}


def test_only_tasks_of_the_product_can_be_scheduled(admin: Client) -> None:
    task = PeriodicTask.objects.filter(crontab__isnull=False).earliest("pk")
    form = schedule_form(task, task="os.system")
    page = admin.post(console.url(task, "change", task.pk), form)
    assert "task" in page.context["adminform"].form.errors
    task.refresh_from_db()
    assert task.task != "os.system"


def test_times_of_day_are_made_with_a_trace(admin: Client) -> None:
    form = {
        "minute": "5", "hour": "2", "day_of_month": "*", "month_of_year": "*",
        "day_of_week": "*", "timezone": "Asia/Bangkok",
    }  # fmt: skip
    admin.post(console.url(CrontabSchedule, "add"), form)
    assert CrontabSchedule.objects.filter(minute="5", hour="2").exists()
    assert console.actions()[-1] == "crontabschedule.created"


def test_a_lockout_is_ended_by_deleting_its_entry(admin: Client) -> None:
    make_user("alice")
    attempt = AccessAttempt.objects.create(
        username="alice", ip_address="192.0.2.7", user_agent="", http_accept="",
        path_info="/login/", get_data="", post_data="", failures_since_start=5,
    )  # fmt: skip
    assert admin.get(console.url(AccessAttempt, "add")).status_code == 403
    admin.post(console.url(attempt, "delete", attempt.pk), {"post": "yes"})
    assert not AccessAttempt.objects.exists()
    assert console.last_event("accessattempt.deleted")["values"]["username"] == "alice"


def test_what_was_typed_at_the_door_stays_out_of_the_log(admin: Client) -> None:
    attempt = AccessAttempt.objects.create(
        username="typed-secret", ip_address="192.0.2.7", user_agent="", http_accept="",
        path_info="/login/", get_data="", post_data="password=typed-secret",
        failures_since_start=1,
    )  # fmt: skip
    admin.post(console.url(attempt, "delete", attempt.pk), {"post": "yes"})
    assert console.last_event("accessattempt.deleted")["values"] == {
        "username": "(unknown name)", "ip_address": "192.0.2.7", "failures_since_start": 1,
    }  # fmt: skip
