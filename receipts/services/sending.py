"""Sending what is queued: each e-mail once, with growing pauses while it fails."""

import logging
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from receipts.mailing.messages import Message, message_for, still_true
from receipts.models import Mail
from receipts.services.outbox import due_mails

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=12)
BATCH = 500
"""How many are sent in one go of the schedule; the rest in the next."""
PERMANENT = 500
"""From this SMTP reply on, trying again is of no use."""


def send_mail(mail_id: int) -> bool:
    """Send one e-mail if it is due; tells whether it was sent.

    It is locked until what became of it is committed: who comes at the same time passes it by.
    """
    with transaction.atomic():
        waiting = due_mails().filter(pk=mail_id)
        mail = waiting.select_for_update(skip_locked=True, of=("self",)).first()
        if mail is None:
            return False
        return _try(mail)


def _try(mail: Mail) -> bool:
    if not still_true(mail):
        mail.status, mail.next_attempt_at = Mail.Status.DROPPED, None
        mail.save(update_fields=["status", "next_attempt_at"])
        return False
    mail.attempts += 1
    try:
        with transaction.atomic():
            message = message_for(mail)
        message.send(mail)
    except Exception as error:  # noqa: BLE001 - whatever it is, the row tells it and is tried again
        _failed(mail, error)
        return False
    _sent(mail, message)
    return True


def _sent(mail: Mail, message: Message) -> None:
    mail.status, mail.next_attempt_at, mail.sent_at = Mail.Status.SENT, None, timezone.now()
    mail.subject, mail.text, mail.html = message.subject, message.text, message.html
    mail.files = [{"name": each.name, "sha256": each.sha256} for each in message.files]
    mail.last_error = ""
    mail.save()


def _failed(mail: Mail, error: Exception) -> None:
    mail.last_error = f"{type(error).__name__}: {error}"[:2000]
    last = mail.attempts >= settings.MAIL_ATTEMPTS or _is_permanent(error)
    mail.status = Mail.Status.GIVEN_UP if last else Mail.Status.FAILED
    mail.next_attempt_at = None if last else timezone.now() + pause_after(mail.attempts)
    mail.save(update_fields=["attempts", "last_error", "status", "next_attempt_at"])
    log.warning("mail %s was not sent (attempt %s): %s", mail.pk, mail.attempts, mail.last_error)


def _is_permanent(error: Exception) -> bool:
    """Whether the server refused the address for good."""
    if not isinstance(error, SMTPRecipientsRefused):
        return False
    return all(code >= PERMANENT for code, _text in error.recipients.values())


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: twice as long each time, to half a day."""
    doubled: int = 2 ** min(attempts - 1, 16)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def send_due_mails() -> int:
    """Send what is due, each in its own transaction; returns how many were sent."""
    ids = list(due_mails().values_list("pk", flat=True)[:BATCH])
    return sum(send_mail(pk) for pk in ids)
