"""Reminders: before the due date, by steps after it, and no longer than it is owed."""

from datetime import date, timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from core.actor import Actor
from payments.services import Transfer, record_transfer
from receipts.checks import reminders_can_be_sent
from receipts.models import Mail, Receipt, RemindersStopped
from receipts.services import void_receipt
from receipts.services.reminders import queue_reminders, step_on
from receipts.services.sending import send_due_mails
from tests.factories import SYSTEM, make_user


def due(receipt: Receipt) -> date:
    assert receipt.due_on is not None
    return receipt.due_on


def steps() -> list[tuple[str, int]]:
    found = Mail.objects.exclude(kind="issued").order_by("pk")
    return list(found.values_list("kind", "step"))


def test_a_project_hears_before_the_day_and_at_each_step_after_it(receipt: Receipt) -> None:
    day = due(receipt)
    queued = {over: queue_reminders(day + timedelta(days=over)) for over in range(-5, 40)}
    assert [over for over, count in queued.items() if count] == [-3, 1, 14, 30]
    assert steps() == [("due_soon", 0), ("overdue", 1), ("overdue", 2), ("overdue", 3)]


def test_after_a_long_silence_it_hears_once(receipt: Receipt) -> None:
    assert queue_reminders(due(receipt) + timedelta(days=20)) == 1
    assert steps() == [("overdue", 2)]
    assert queue_reminders(due(receipt) + timedelta(days=2)) == 0, "no step back"


@pytest.mark.parametrize(
    ("over", "step"), [(0, 0), (1, 1), (13, 1), (14, 2), (29, 2), (30, 3), (400, 3)]
)
def test_steps_follow_the_days(over: int, step: int) -> None:
    day = date(2026, 11, 21)
    assert step_on(day, day + timedelta(days=over)) == step


def test_each_step_sounds_more_urgent_and_says_what_is_left(
    receipt: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_due_mails()
    for over in (-1, 1, 14, 30):
        day = due(receipt) + timedelta(days=over)
        monkeypatch.setattr("receipts.mailing.messages.timezone.localdate", lambda day=day: day)
        queue_reminders(day)
        send_due_mails()
    _issued, soon, *overdue = mail.outbox
    assert soon.subject == f"Receipt {receipt.number} of project genomics is due soon"
    assert [message.subject.partition(":")[0] for message in overdue] == [
        "Reminder", "Second reminder", "Last reminder",
    ]  # fmt: skip
    bodies = [str(message.body) for message in overdue]
    assert "Perhaps it was overlooked" in bodies[0]
    assert "14 days ago" in bodies[1]
    assert "the last reminder" in bodies[2]
    assert all(f"{receipt.total:,.2f}" in body for body in bodies)


def test_what_is_paid_or_void_is_not_asked_for(receipt: Receipt) -> None:
    late = due(receipt) + timedelta(days=1)
    assert queue_reminders(late) == 1
    clerk = make_user("clerk-of-transfers", groups=("finance",))
    transfer = Transfer("T-1", timezone.localdate(), receipt.total, receipt.currency)
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=Actor.of(clerk))
    assert queue_reminders(late + timedelta(days=20)) == 0
    send_due_mails()
    assert Mail.objects.get(kind="overdue").status == "dropped"


def test_a_void_receipt_is_not_asked_for(receipt: Receipt) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong")
    assert queue_reminders(due(receipt) + timedelta(days=40)) == 0


def test_a_project_in_dispute_is_left_alone_until_it_is_settled(receipt: Receipt) -> None:
    late = due(receipt) + timedelta(days=1)
    queue_reminders(late)
    stop = RemindersStopped.objects.create(project=receipt.project, reason="wrong nodes, says PI")
    send_due_mails()
    assert Mail.objects.get(kind="overdue").status == "dropped"
    assert queue_reminders(late + timedelta(days=13)) == 0
    stop.delete()
    assert queue_reminders(late + timedelta(days=13)) == 1


def test_days_that_make_no_sense_are_told_at_the_start(settings: Settings) -> None:
    assert reminders_can_be_sent() == []
    settings.REMIND_AFTER_DAYS, settings.MAIL_ATTEMPTS = (14, 1), 0
    assert [problem.id for problem in reminders_can_be_sent()] == ["receipts.E003", "receipts.E004"]
