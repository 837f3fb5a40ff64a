"""The schedule: made on migrate, in the site's time; what a site changes stays."""

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
    assert all(task.expire_seconds for task in made.values())
    assert {entry.task: entry.enabled for entry in schedule.ENTRIES} == {
        name: task.enabled for name, task in made.items()
    }
    assert AuditEvent.objects.filter(action="schedule.created").count() == 1
    assert schedule.sync(SETUP) == []


def test_each_entry_is_a_task_that_workers_know() -> None:
    app.loader.import_default_modules()
    assert {entry.task for entry in schedule.ENTRIES} <= set(app.tasks)


def test_entries_by_the_clock_are_in_the_sites_zone() -> None:
    note = PeriodicTask.objects.get(task="hpcbilling.note_audit_end")
    assert note.crontab is not None
    assert str(note.crontab.timezone) == "Asia/Bangkok"
    assert (note.crontab.schedule.hour, note.crontab.schedule.minute) == ({0}, {5})


def test_pulls_are_looked_for_every_few_minutes_and_told_of_by_another_entry() -> None:
    start = PeriodicTask.objects.get(task="hpcbilling.start_due_pulls")
    tell = PeriodicTask.objects.get(task="hpcbilling.tell_late_pulls")
    assert start.interval is not None
    assert tell.interval is not None
    assert (start.interval.every, tell.interval.every) == (300, 1800)


def test_what_a_site_changed_stays() -> None:
    note = PeriodicTask.objects.get(task="hpcbilling.note_audit_end")
    note.crontab = CrontabSchedule.objects.create(minute="0", hour="3")
    note.name = "For the auditors"
    note.enabled = False
    note.save()
    assert schedule.sync(SETUP) == []
    again = PeriodicTask.objects.get(task="hpcbilling.note_audit_end")
    assert (again.crontab, again.name, again.enabled) == (note.crontab, note.name, False)


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
