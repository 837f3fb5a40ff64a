"""E-mails of documents: queued with what they tell of, to the right people, each sent once."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Project, Tier, User
from core.actor import Actor
from core.errors import Conflict
from payments.services import Transfer, record_transfer
from receipts.mailing.messages import message_for
from receipts.mailing.recipients import recipients_of
from receipts.models import Contact, Mail, MailKind, Receipt
from receipts.services import create_receipt, void_receipt
from receipts.services.outbox import (
    forget_addresses,
    given_up,
    let_be,
    queue_mails,
    resend_mail,
)
from receipts.services.sending import pause_after, send_due_mails, send_mail
from receipts.tasks import send_mail as send_mail_task
from tests import console
from tests.campus import Campus, october
from tests.factories import (
    LONG_AGO,
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    join,
    make_project,
    publish_prices,
)


def pay(receipt: Receipt, people: Campus) -> None:
    transfer = Transfer("T-1", timezone.localdate(), receipt.total, receipt.currency)
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=Actor.of(people.clerk))


def html_of(message: mail.EmailMessage) -> str:
    assert isinstance(message, mail.EmailMultiAlternatives)
    ((page, kind),) = message.alternatives
    assert kind == "text/html"
    return str(page)


def test_mails_are_queued_in_the_transaction_of_what_they_tell(
    people: Campus,
    receipt: Receipt,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    tasks: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(
        "core.queue.current_app.send_task",
        lambda name, args, **_options: tasks.append((name, args)),
    )
    with transaction.atomic():
        pay(receipt, people)
        assert Mail.objects.filter(kind="paid").exists()
        transaction.set_rollback(True)
    assert not Mail.objects.filter(kind="paid").exists(), "with the payment its mail is gone"
    with django_capture_on_commit_callbacks(execute=True):
        pay(receipt, people)
    paid = Mail.objects.get(kind="paid")
    assert ("receipts.send_mail", (paid.pk,)) in tasks
    assert send_mail_task.name == "receipts.send_mail"
    assert not mail.outbox, "nothing is sent while a person waits"


def test_the_leader_is_told_once(receipt: Receipt, settings: Settings) -> None:
    settings.SITE_BANK_DETAILS = "Bank of Nowhere"
    queued = Mail.objects.get()
    assert send_mail(queued.pk)
    assert not send_mail(queued.pk)
    assert send_due_mails() == 0
    (message,) = mail.outbox
    assert message.to == ["alice@example.org"]
    assert message.subject == f"Receipt {receipt.number} for project genomics"
    body = str(message.body)
    assert f"THB\N{NO-BREAK SPACE}{receipt.total:,.2f}" in body
    assert f"/receipts/{receipt.public_id}/" in body
    assert "Bank of Nowhere" in body
    assert str(receipt.number) in html_of(message)
    queued.refresh_from_db()
    assert (queued.status, queued.attempts, queued.subject) == ("sent", 1, message.subject)
    assert queued.text == body
    assert queue_mails(receipt, MailKind.ISSUED) == 0, "it was told"


def test_names_in_mails_are_escaped_in_html_alone(people: Campus) -> None:
    User.objects.filter(pk=people.alice.pk).update(email="alice@example.org")
    Project.objects.filter(pk=people.genomics.pk).update(code="a&b")
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    send_due_mails()
    (message,) = mail.outbox
    assert "project a&b" in str(message.body)
    assert "project a&amp;b" in html_of(message)


def test_each_reads_it_in_their_own_language(people: Campus) -> None:
    User.objects.filter(pk=people.alice.pk).update(email="alice@example.org")
    dao = User.objects.create_user("dao", email="dao@example.org", language="th")
    join(people.genomics, dao, "pi")
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert send_due_mails() == 2
    english, thai = mail.outbox
    assert "1 Oct 2026" in english.body
    assert "1 ต.ค. 2026" in thai.body
    assert '<html lang="th">' in html_of(thai)
    assert set(Mail.objects.values_list("language", flat=True)) == {"en", "th"}


def test_a_billing_address_takes_the_leaders_place_and_contacts_that_of_both(
    people: Campus, receipt: Receipt
) -> None:
    project = people.genomics

    def told(kind: MailKind) -> list[str]:
        return [each.address for each in recipients_of(project, kind)]

    assert told(MailKind.ISSUED) == ["alice@example.org"]
    project.billing_email = "Office@example.org"
    assert told(MailKind.ISSUED) == ["Office@example.org"]
    contact = {"project": project, "language": "th"}
    Contact.objects.create(email="chief@example.org", gets_reminders=False, **contact)
    assert told(MailKind.PAID) == ["chief@example.org"]
    assert told(MailKind.OVERDUE) == ["Office@example.org"]
    Contact.objects.create(email="late@example.org", gets_documents=False, **contact)
    assert told(MailKind.DUE_SOON) == ["late@example.org"]
    (found,) = recipients_of(project, MailKind.CREDIT_NOTE)
    assert (found.address, found.language) == ("chief@example.org", "th")


def test_who_has_left_or_has_no_address_is_not_told(people: Campus, receipt: Receipt) -> None:
    User.objects.filter(pk=people.alice.pk).update(is_active=False)
    assert recipients_of(people.genomics, MailKind.ISSUED) == []
    assert queue_mails(receipt, MailKind.PAID) == 0


def test_being_paid_is_told(people: Campus, receipt: Receipt) -> None:
    pay(receipt, people)
    assert send_due_mails() == 2
    subjects = [message.subject for message in mail.outbox]
    assert subjects[1] == f"Receipt {receipt.number} for project genomics is paid"


def test_a_credit_note_is_told_and_what_it_takes_back_is_not(receipt: Receipt) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="the wrong window")
    note = Receipt.objects.get(kind="credit_note")
    assert send_due_mails() == 1
    (message,) = mail.outbox
    assert message.subject == f"Credit note {note.number} for project genomics"
    assert str(receipt.number) in str(message.body)
    assert "the wrong window" in html_of(message)
    assert Mail.objects.get(kind="issued").status == "dropped"


def test_a_receipt_over_nothing_is_told_of_once(people: Campus) -> None:
    Tier.objects.create(code="free", name="Free")
    publish_prices("free", LONG_AGO, cpu="0", gpu="0", mem="0")
    project = make_project("gifts", tier="free")
    Project.objects.filter(pk=project.pk).update(billing_email="gifts@example.org")
    import_rows(people.cluster, Row(30, account="gifts", end=october(20)))
    made = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert made.status == "paid"
    assert made.total == 0
    assert send_due_mails() == 1
    assert "There is nothing left to pay." in str(mail.outbox[0].body)


def test_a_mail_is_sent_again_as_a_row_of_its_own(people: Campus, receipt: Receipt) -> None:
    first = Mail.objects.get()
    clerk = Actor.of(people.clerk)
    with pytest.raises(Conflict, match="still to be sent"):
        resend_mail(mail_id=first.pk, actor=clerk)
    send_due_mails()
    again = resend_mail(mail_id=first.pk, actor=clerk)
    third = Mail.objects.get(pk=again.pk)
    assert (third.copy, third.recipient, third.created_by) == (1, first.recipient, people.clerk)
    assert third.message_id != first.message_id
    send_due_mails()
    assert [message.to for message in mail.outbox] == [["alice@example.org"]] * 2
    assert console.last_event("mail.resent")["number"] == receipt.number
    assert resend_mail(mail_id=first.pk, actor=clerk).copy == 2


def test_what_was_given_up_waits_for_a_person(people: Campus, receipt: Receipt) -> None:
    Mail.objects.update(status="given_up", next_attempt_at=None, last_error="550 no such user")
    broken = Mail.objects.get()
    assert list(given_up()) == [broken]
    let_be(mail_id=broken.pk, actor=Actor.of(people.clerk), reason="they know")
    assert not given_up().exists()
    assert console.last_event("mail.dropped")["reason"] == "they know"
    with pytest.raises(Conflict):
        let_be(mail_id=broken.pk, actor=SYSTEM, reason="again")


def test_addresses_are_forgotten_in_the_end(receipt: Receipt, settings: Settings) -> None:
    Contact.objects.create(project=receipt.project, email="new@example.org")
    send_due_mails()
    sent = Mail.objects.get()
    assert forget_addresses() == 0
    settings.MAIL_ADDRESS_DAYS = -1
    queue_mails(receipt, MailKind.ISSUED)
    assert forget_addresses() == 1, "the one that waits is needed"
    sent.refresh_from_db()
    assert (sent.recipient, len(sent.recipient_sha256)) == ("", 64)
    with pytest.raises(Conflict, match="forgotten"):
        resend_mail(mail_id=sent.pk, actor=SYSTEM)


def test_a_message_keeps_its_id(receipt: Receipt, settings: Settings) -> None:
    settings.SITE_BASE_URL = "https://billing.example.org:8443"
    queued = Mail.objects.get()
    assert queued.message_header == f"<{queued.message_id}@billing.example.org>"
    message_for(queued).send(queued)
    send_due_mails()
    headers = [message.message()["Message-ID"] for message in mail.outbox]
    assert headers == [queued.message_header] * 2


def test_news_that_is_not_true_any_more_is_dropped(people: Campus, receipt: Receipt) -> None:
    queue_mails(receipt, MailKind.DUE_SOON)
    pay(receipt, people)
    send_due_mails()
    assert Mail.objects.get(kind="due_soon").status == "dropped"
    assert {message.subject for message in mail.outbox} == {
        f"Receipt {receipt.number} for project genomics",
        f"Receipt {receipt.number} for project genomics is paid",
    }


def test_pauses_grow_to_half_a_day() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 13)]
    assert pauses[:3] == [timedelta(minutes=n) for n in (1, 2, 4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pause_after(1000) == timedelta(hours=12)
