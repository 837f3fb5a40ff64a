"""E-mails that tell a project of its receipts, each sent once."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import Language, Membership, Project, User
from receipts.models import Notice, Receipt

DUE_FOR = timedelta(days=7)
"""After this a notice would confuse more than it tells."""

MAIL_ERRORS = (SMTPException, OSError)
"""What goes wrong while a mail is handed over, and may go right later."""


class NoticesFailed(Exception):
    """Some mails could not be handed over; those that could are not sent again."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is told, and in which language."""

    address: str
    language: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.address.lower().encode()).hexdigest()


def recipients_of(project: Project) -> list[Recipient]:
    """Return who hears of a project's receipts: its billing address, or else who acts for it."""
    if project.billing_email:
        reader = User.objects.filter(email__iexact=project.billing_email).first()
        return [Recipient(project.billing_email, _language_of(reader))]
    leaders = User.objects.filter(
        memberships__project=project, memberships__role=Membership.Role.PI
    ) | User.objects.filter(personal_project=project)
    people = leaders.filter(is_active=True).exclude(email="").distinct().order_by("pk")
    found = {person.email.lower(): person for person in people}
    return [Recipient(person.email, _language_of(person)) for person in found.values()]


def _language_of(person: User | None) -> str:
    chosen = person.language if person else ""
    site = str(settings.LANGUAGE_CODE)
    return chosen or (site if site in Language.values else str(Language.ENGLISH))


def send_notice(*, receipt_id: int, kind: str) -> int:
    """Tell a receipt's people that it was issued or paid; returns how many mails were sent.

    Safe to call again, or twice at once: each mail is sent within the transaction that notes it,
    so a second caller waits and then finds it noted. Raises NoticesFailed if some could not be
    handed over, for the caller to try again later.
    """
    receipt = Receipt.objects.select_related("project").get(pk=receipt_id)
    if not _applies(receipt, kind):
        return 0
    sent, failures = 0, []
    for recipient in recipients_of(receipt.project):
        try:
            sent += _send_once(receipt, kind, recipient)
        except MAIL_ERRORS as error:
            failures.append(f"{type(error).__name__}: {error}")
    if failures:
        raise NoticesFailed("; ".join(failures))
    return sent


def _applies(receipt: Receipt, kind: str) -> bool:
    """Tell whether the news is still true; nobody is told twice of a receipt over nothing."""
    if kind == Notice.Kind.PAID:
        return receipt.status == Receipt.Status.PAID and receipt.total > 0
    return receipt.status in (Receipt.Status.ISSUED, Receipt.Status.PAID)


@transaction.atomic
def _send_once(receipt: Receipt, kind: str, recipient: Recipient) -> bool:
    _notice, is_new = Notice.objects.get_or_create(
        receipt=receipt,
        kind=kind,
        recipient_sha256=recipient.digest,
        defaults={"language": recipient.language},
    )
    if is_new:
        message_for(receipt, kind, recipient).send()
    return is_new


def message_for(receipt: Receipt, kind: str, recipient: Recipient) -> EmailMultiAlternatives:
    """Write the mail, as text and as HTML, in the recipient's language."""
    page = reverse("receipts:detail", args=[receipt.public_id])
    context = {
        "receipt": receipt,
        "address": f"{settings.SITE_BASE_URL}{page}",
        "brand": settings.SITE_NAME,
        "bank_details": settings.SITE_BANK_DETAILS,
    }
    with translation.override(recipient.language):
        subjects = {
            Notice.Kind.ISSUED: _("Receipt %(number)s for project %(code)s"),
            Notice.Kind.PAID: _("Receipt %(number)s for project %(code)s is paid"),
        }
        names = {"number": receipt.number, "code": receipt.project.code}
        message = EmailMultiAlternatives(
            subject=subjects[Notice.Kind(kind)] % names,
            body=render_to_string(f"receipts/mail/{kind}.txt", context),
            to=[recipient.address],
            headers={"Auto-Submitted": "auto-generated"},
        )
        message.attach_alternative(
            render_to_string(f"receipts/mail/{kind}.html", context), "text/html"
        )
    return message


def notices_due() -> list[tuple[int, str]]:
    """Return receipts of late, with the kind of news, that nobody has been told of."""
    since = timezone.now() - DUE_FOR
    issued = Receipt.objects.filter(
        status__in=(Receipt.Status.ISSUED, Receipt.Status.PAID), issued_at__gte=since
    ).exclude(kind=Receipt.Kind.CREDIT_NOTE)
    paid = Receipt.objects.filter(status=Receipt.Status.PAID, paid_at__gte=since, total__gt=0)
    return [
        (pk, str(kind))
        for kind, receipts in ((Notice.Kind.ISSUED, issued), (Notice.Kind.PAID, paid))
        for pk in _untold(receipts, kind).values_list("pk", flat=True)
    ]


def _untold(receipts: QuerySet[Receipt], kind: str) -> QuerySet[Receipt]:
    told = Notice.objects.filter(receipt=OuterRef("pk"), kind=kind)
    return receipts.filter(~Exists(told)).order_by("pk")
