"""The schedule: made on migrate, in the site's time; what a site changes stays."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.conf import LazySettings
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from audit.models import AuditEvent, AuditHead
from core.actor import Actor
from hpcbilling import schedule, tasks
from hpcbilling.celery import app

pytestmark = pytest.mark.django_db
SETUP = Actor.system("setup")


def test_migrating_has_made_every_entry_and_said_so() -> None:
    made = {task.task: task for task in PeriodicTask.objects.all()}
    assert set(made) == {entry.task for entry in schedule.ENTRIES}
    assert all(task.enabled and task.expire_seconds for task in made.values())
    assert AuditEvent.objects.filter(action="schedule.created").count() == 1
    assert schedule.sync(SETUP) == []


def test_each_entry_is_a_task_that_workers_know() -> None:
    app.loader.import_default_modules()
    assert {entry.task for entry in schedule.ENTRIES} <= set(app.tasks)


def test_the_nightly_pull_is_at_half_past_one_in_the_sites_zone() -> None:
    pull = PeriodicTask.objects.get(task="hpcbilling.pull_clusters")
    assert pull.crontab is not None
    assert str(pull.crontab.timezone) == "Asia/Bangkok"
    before = datetime(2026, 11, 20, 18, 29, tzinfo=UTC).astimezone(ZoneInfo("Asia/Bangkok"))
    crontab = pull.crontab.schedule
    assert (crontab.hour, crontab.minute) == ({1}, {30})
    assert (before.hour, before.minute) == (1, 29)


def test_what_a_site_changed_stays() -> None:
    pull = PeriodicTask.objects.get(task="hpcbilling.pull_clusters")
    pull.crontab = CrontabSchedule.objects.create(minute="0", hour="3")
    pull.name = "Nightly visit"
    pull.enabled = False
    pull.save()
    assert schedule.sync(SETUP) == []
    again = PeriodicTask.objects.get(task="hpcbilling.pull_clusters")
    assert (again.crontab, again.name, again.enabled) == (pull.crontab, "Nightly visit", False)


def test_a_deleted_entry_comes_back_alone() -> None:
    PeriodicTask.objects.filter(task="hpcbilling.resume").delete()
    assert schedule.sync(SETUP) == ["hpcbilling.resume"]


def test_the_end_of_the_audit_chain_goes_to_the_programs_log(
    caplog: pytest.LogCaptureFixture, settings: LazySettings
) -> None:
    head = AuditHead.objects.get(pk=1)
    with caplog.at_level("INFO"):
        tasks.note_audit_end()
    assert f"{head.sequence}" in caplog.text
    assert head.hash in caplog.text
    assert head.sequence > 0
