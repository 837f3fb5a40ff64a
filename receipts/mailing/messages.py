"""What e-mails about documents say: as text and as HTML, in the reader's language."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from receipts.models import Mail, MailKind, Receipt, RemindersStopped
from receipts.services.files import pdf_file
from receipts.settling import left_of

S = Receipt.Status
SUBJECT_LENGTH = 250


@dataclass(frozen=True, slots=True)
class File:
    """What is attached to an e-mail."""

    name: str
    content: bytes
    kind: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Message:
    """An e-mail as it is sent."""

    subject: str
    text: str
    html: str
    files: tuple[File, ...] = ()

    def send(self, mail: Mail) -> None:
        """Hand it to the mail server. Raises what goes wrong there."""
        message = EmailMultiAlternatives(
            subject=self.subject,
            body=self.text,
            to=[mail.recipient],
            headers={"Auto-Submitted": "auto-generated", "Message-ID": mail.message_header},
        )
        message.attach_alternative(self.html, "text/html")
        for each in self.files:
            message.attach(each.name, each.content, each.kind)
        message.send()


def still_true(mail: Mail) -> bool:
    """Tell whether what a queued e-mail says still holds."""
    receipt = mail.receipt
    if mail.kind in (MailKind.DUE_SOON, MailKind.OVERDUE):
        stopped = RemindersStopped.objects.filter(project=receipt.project_id).exists()
        return receipt.status in Receipt.OPEN and not stopped and left_of(receipt) > 0
    if mail.kind == MailKind.BOUNCED:
        return receipt.status in Receipt.OPEN and left_of(receipt) > 0
    if mail.kind == MailKind.PAID:
        return receipt.status == S.PAID
    if mail.kind == MailKind.ISSUED:
        return receipt.status in (S.ISSUED, S.PART_PAID, S.PAID)
    return True


def message_for(mail: Mail, files: bool = True) -> Message:
    """Write an e-mail. Without ``files`` it is only to be looked at."""
    with translation.override(mail.language):
        context = _context(mail)
        return Message(
            subject=_subject(mail)[:SUBJECT_LENGTH],
            text=render_to_string(f"receipts/mail/{mail.kind}.txt", context),
            html=render_to_string(f"receipts/mail/{mail.kind}.html", context),
            files=_files(mail) if files else (),
        )


def _context(mail: Mail) -> dict[str, Any]:
    receipt = mail.receipt
    page = reverse("receipts:detail", args=[receipt.public_id])
    return {
        "receipt": receipt,
        "address": f"{settings.SITE_BASE_URL}{page}",
        "brand": settings.SITE_NAME,
        "contact": settings.SITE_CONTACT,
        "bank_details": settings.SITE_BANK_DETAILS,
        "left": left_of(receipt),
        "tone": tone_of(mail.step),
        "days_over": (timezone.localdate() - receipt.due_on).days if receipt.due_on else 0,
    }


def tone_of(step: int) -> str:
    """Return how a reminder sounds: ``first``, ``again`` or, at the last step, ``last``."""
    if step <= 1:
        return "first"
    return "last" if step >= len(settings.REMIND_AFTER_DAYS) else "again"


def _subject(mail: Mail) -> str:
    receipt = mail.receipt
    names = {"number": receipt.number, "code": receipt.project.code}
    if mail.kind == MailKind.OVERDUE:
        texts = {
            "first": _("Reminder: receipt %(number)s of project %(code)s is overdue"),
            "again": _("Second reminder: receipt %(number)s of project %(code)s is overdue"),
            "last": _("Last reminder: receipt %(number)s of project %(code)s is overdue"),
        }
        return texts[tone_of(mail.step)] % names
    subjects = {
        MailKind.ISSUED: _("Receipt %(number)s for project %(code)s"),
        MailKind.DUE_SOON: _("Receipt %(number)s of project %(code)s is due soon"),
        MailKind.PAID: _("Receipt %(number)s for project %(code)s is paid"),
        MailKind.CREDIT_NOTE: _("Credit note %(number)s for project %(code)s"),
        MailKind.BOUNCED: _("The bank took a payment back: receipt %(number)s of project %(code)s"),
    }
    return subjects[MailKind(mail.kind)] % names


def _files(mail: Mail) -> tuple[File, ...]:
    """The document as a PDF: the original once, and copies of it after that."""
    receipt = mail.receipt
    if receipt.kind == Receipt.Kind.OPENING:
        return ()
    first = mail.kind in (MailKind.ISSUED, MailKind.CREDIT_NOTE) and not mail.copy
    stored = pdf_file(receipt=receipt, copy=not first)
    name = re.sub(r"[^A-Za-z0-9]", "-", str(receipt.number))
    return (File(f"{name}.pdf", bytes(stored.content), "application/pdf"),)
