"""What runs by the clock: one table, brought into the database on migrate.

Celery's beat reads the database, where a site may change times or switch an entry off in the
console. So an entry is made only where its task has none: what a site chose stays. To be rid of
an entry, disable it; a deleted one comes back with the next migration.
"""

from dataclasses import dataclass
from datetime import time, timedelta

from django.conf import settings
from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from audit.services import record
from core.actor import Actor


@dataclass(frozen=True, slots=True)
class Entry:
    """A task and when it runs: daily ``at`` a time of the site's zone, or ``every`` so often.

    A message that is not taken up before the next one is due has expired. What is not ``enabled``
    waits in the console for a site that wants it.
    """

    name: str
    task: str
    at: time | None = None
    every: timedelta | None = None
    enabled: bool = True


ENTRIES = (
    Entry("Start pulls that are due", "hpcbilling.start_due_pulls", every=timedelta(minutes=5)),
    Entry("Tell about late pulls", "hpcbilling.tell_late_pulls", every=timedelta(minutes=30)),
    Entry("Rate what is due", "hpcbilling.rate_pending", every=timedelta(minutes=5)),
    Entry("Go on with what broke off", "hpcbilling.resume", every=timedelta(minutes=5)),
    Entry("Go on with price studies", "pricing.resume_studies", every=timedelta(minutes=5)),
    Entry("Send e-mails that are due", "receipts.send_due_mails", every=timedelta(minutes=5)),
    Entry("Remind of what is due", "receipts.queue_reminders", at=time(8, 0)),
    Entry("Forget old addresses", "receipts.forget_addresses", at=time(4, 25)),
    Entry("Go on with monthly runs", "receipts.resume_runs", every=timedelta(minutes=5)),
    Entry("Close last month", "hpcbilling.close_last_month", at=time(6, 30), enabled=False),
    Entry("Compare with Slurm's own totals", "hpcbilling.reconcile_clusters", at=time(5, 30)),
    Entry("Check the books", "hpcbilling.check_books", at=time(3, 30)),
    Entry("Note the end of the audit log", "hpcbilling.note_audit_end", at=time(0, 5)),
    Entry("Forget old answers of the API", "accounts.forget_old_answers", at=time(4, 20)),
    Entry("Delete ended sessions", "hpcbilling.clear_sessions", at=time(4, 15)),
)


def sync(actor: Actor) -> list[str]:
    """Make the entries whose task has none; returns the tasks."""
    made = []
    with transaction.atomic():
        for entry in ENTRIES:
            if not PeriodicTask.objects.filter(task=entry.task).exists():
                _make(entry)
                made.append(entry.task)
        if made:
            record("schedule.created", actor=actor, data={"tasks": made})
    return made


def _make(entry: Entry) -> None:
    task = PeriodicTask(name=entry.name, task=entry.task, enabled=entry.enabled)
    if entry.every is not None:
        seconds = int(entry.every.total_seconds())
        task.interval, _ = IntervalSchedule.objects.get_or_create(
            every=seconds, period=IntervalSchedule.SECONDS
        )
        task.expire_seconds = seconds
    if entry.at is not None:
        task.crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=str(entry.at.minute),
            hour=str(entry.at.hour),
            day_of_week="*",
            day_of_month="*",
            month_of_year="*",
            timezone=settings.SITE_TIME_ZONE,
        )
        task.expire_seconds = int(timedelta(hours=12).total_seconds())
    task.save()
