"""Reminders of what is due soon and of what is overdue, by steps."""

from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from receipts.models import Mail, MailKind, Receipt, RemindersStopped
from receipts.services.outbox import queue_mails
from receipts.settling import left_of


def step_on(due_on: date, day: date) -> int:
    """Return how many steps of reminding a receipt has reached on a day; 0 before the first.

    Steps that nobody took are left out: after a fortnight without a worker a project hears once.
    """
    over = (day - due_on).days
    return sum(1 for days in settings.REMIND_AFTER_DAYS if over >= days)


def chased() -> QuerySet[Receipt]:
    """Return the documents that still ask for money and whose projects may be reminded."""
    stopped = RemindersStopped.objects.filter(project=OuterRef("project"))
    open_ones = Receipt.objects.filter(status__in=Receipt.OPEN, due_on__isnull=False)
    return open_ones.exclude(kind=Receipt.Kind.CREDIT_NOTE).filter(~Exists(stopped))


def queue_reminders(day: date | None = None) -> int:
    """Queue the reminders of a day, each document in its own transaction; returns how many.

    Safe to run again, or twice at once: a step is taken once for each document.
    """
    day = day or timezone.localdate()
    soon = day + timedelta(days=settings.REMIND_BEFORE_DAYS)
    ids = list(chased().filter(due_on__lte=soon).order_by("pk").values_list("pk", flat=True))
    return sum(_remind(pk, day) for pk in ids)


@transaction.atomic
def _remind(receipt_id: int, day: date) -> int:
    receipt = chased().select_for_update(of=("self",)).filter(pk=receipt_id).first()
    if receipt is None or receipt.due_on is None or left_of(receipt) <= 0:
        return 0
    step = step_on(receipt.due_on, day)
    if step:
        return _once(receipt, MailKind.OVERDUE, step)
    return _once(receipt, MailKind.DUE_SOON, 0) if day < receipt.due_on else 0


def _once(receipt: Receipt, kind: MailKind, step: int) -> int:
    taken = Mail.objects.filter(receipt=receipt, kind=kind, step__gte=step).exists()
    return 0 if taken else queue_mails(receipt, kind, step=step)
