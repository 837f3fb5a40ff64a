"""The queue of e-mails: what is put in, what is due, and what a person does about it."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict
from core.locks import lock_rows
from core.queue import after_commit
from receipts.mailing.recipients import recipients_of_all
from receipts.models import Mail, MailKind, Receipt

SEND_TASK = "receipts.send_mail"


def queue_mails(receipt: Receipt, kind: MailKind, *, step: int = 0) -> int:
    """Queue what tells a receipt's people of something, in the caller's transaction.

    Returns how many are new: what was queued before is not queued again.
    """
    return queue_all([receipt], kind, step=step)


def queue_all(receipts: Sequence[Receipt], kind: MailKind, *, step: int = 0) -> int:
    """Do the same for several receipts in as many statements as one needs."""
    now = timezone.now()
    people = recipients_of_all([receipt.project for receipt in receipts], kind)
    told = Mail.objects.filter(receipt__in=receipts, kind=kind, step=step, copy=0)
    known = set(told.values_list("receipt", "recipient_sha256"))
    mails = [
        Mail(
            receipt=receipt,
            kind=kind,
            step=step,
            recipient=recipient.address,
            recipient_sha256=digest,
            language=recipient.language,
            next_attempt_at=now,
        )
        for receipt in receipts
        for digest, recipient in {each.digest: each for each in people[receipt.project_id]}.items()
        if (receipt.pk, digest) not in known
    ]
    for mail in Mail.objects.bulk_create(mails):
        after_commit(SEND_TASK, mail.pk)
    return len(mails)


def queue_bounced(receipt: Receipt, *, bounces: int) -> int:
    """Queue that a payment of a receipt was taken back by the bank: one of so many ``bounces``, of
    which each is told once."""
    return queue_mails(receipt, MailKind.BOUNCED, step=bounces)


def queue_paid(receipt: Receipt, *, bounces: int) -> int:
    """Queue the thanks for a receipt's payment, once after each of so many ``bounces``, whether
    anybody could be told of those or not."""
    return queue_mails(receipt, MailKind.PAID, step=bounces)


def due_mails() -> QuerySet[Mail]:
    """Return what should be sent by now, the oldest first."""
    waiting = Mail.objects.filter(status__in=Mail.WAITING, next_attempt_at__lte=timezone.now())
    return waiting.order_by("next_attempt_at", "pk")


def resend_mail(*, mail_id: int, actor: Actor) -> Mail:
    """Queue an e-mail once more, to the same address, written anew. Raises Conflict while it waits
    to be sent anyway, and once the address is forgotten."""
    with transaction.atomic():
        (mail,) = lock_rows(Mail.objects.all(), mail_id)
        if mail.status in Mail.WAITING:
            raise Conflict("mail_waits", _("It is still to be sent."))
        if not mail.recipient:
            raise Conflict(
                "address_forgotten", _("The address is forgotten by now. Print the document.")
            )
        key = {name: getattr(mail, name) for name in ("receipt_id", "kind", "step")}
        family = Mail.objects.filter(recipient_sha256=mail.recipient_sha256, **key)
        copies = family.aggregate(last=Max("copy"))["last"]
        made = Mail.objects.create(
            **key,
            copy=copies + 1,
            recipient=mail.recipient,
            recipient_sha256=mail.recipient_sha256,
            language=mail.language,
            next_attempt_at=timezone.now(),
            created_by_id=actor.user_id,
        )
        after_commit(SEND_TASK, made.pk)
        record("mail.resent", actor=actor, target=made, data=_facts(made))
    return made


def let_be(*, mail_id: int, actor: Actor, reason: str) -> None:
    """Put an e-mail aside that could not be sent, or is not to be. Raises Conflict if it was."""
    with transaction.atomic():
        (mail,) = lock_rows(Mail.objects.all(), mail_id)
        if mail.status in (Mail.Status.SENT, Mail.Status.DROPPED):
            raise Conflict("mail_settled", _("It was sent or put aside already."))
        mail.status, mail.next_attempt_at = Mail.Status.DROPPED, None
        mail.save(update_fields=["status", "next_attempt_at"])
        record("mail.dropped", actor=actor, target=mail, data=_facts(mail) | {"reason": reason})


def _facts(mail: Mail) -> dict[str, object]:
    return {
        "number": mail.receipt.number,
        "kind": mail.kind,
        "step": mail.step,
        "copy": mail.copy,
        "recipient_sha256": mail.recipient_sha256,
    }


def given_up() -> QuerySet[Mail]:
    """Return what could not be sent and that nobody had sent again or put aside."""
    key = {name: OuterRef(name) for name in ("receipt", "kind", "step", "recipient_sha256")}
    later = Mail.objects.filter(copy__gt=OuterRef("copy"), **key)
    return Mail.objects.filter(~Exists(later), status=Mail.Status.GIVEN_UP)


def forget_addresses() -> int:
    """Forget the addresses of e-mails that have been settled for long; returns how many."""
    before = timezone.now() - timedelta(days=settings.MAIL_ADDRESS_DAYS)
    old = Mail.objects.filter(created_at__lt=before).exclude(status__in=Mail.WAITING)
    return old.exclude(recipient="").update(recipient="")
