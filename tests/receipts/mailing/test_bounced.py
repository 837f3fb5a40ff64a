"""A payment that the bank took back is told to those who get reminders, with what is to be paid."""

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from core.actor import Actor
from payments.models import Payment, Refund
from payments.services import Transfer, approve_bounce, record_transfer, request_bounce
from receipts.models import Contact, Mail, Receipt, RemindersStopped
from receipts.services.sending import send_due_mails
from tests.campus import Campus
from tests.factories import make_user

OFFICE, LATE = "office@example.org", "late@example.org"


@pytest.fixture
def told(people: Campus, receipt: Receipt) -> Receipt:
    """A receipt of a project with a contact for documents, in Thai, and two for reminders."""
    for email, language, documents in ((OFFICE, "th", True), (LATE, "en", False)):
        Contact.objects.create(
            project=people.genomics,
            email=email,
            language=language,
            gets_documents=documents,
        )
    Contact.objects.create(project=people.genomics, email="files@example.org", gets_reminders=False)
    send_due_mails()
    return receipt


def pay(receipt: Receipt, people: Campus, reference: str) -> Payment:
    transfer = Transfer(reference, timezone.localdate(), receipt.total, receipt.currency)
    assert (
        record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=Actor.of(people.clerk))
        == "applied"
    )
    return Payment.objects.latest("pk")


def bounced(payment: Payment, people: Campus) -> Refund:
    asked = request_bounce(payment_id=payment.pk, reason="no cover", actor=Actor.of(people.clerk))
    assert not Mail.objects.filter(kind="bounced", step__gt=0).exclude(status="sent").exists()
    other = Actor.of(make_user(f"other{payment.pk}"))
    return approve_bounce(refund_id=asked.pk, actor=other, reference="RTN")


def sent() -> dict[str, mail.EmailMessage]:
    """What was sent just now, by address."""
    mail.outbox.clear()
    send_due_mails()
    return {message.to[0]: message for message in mail.outbox}


def test_who_is_reminded_is_told_in_the_own_language(
    people: Campus, told: Receipt, settings: Settings
) -> None:
    settings.SITE_BANK_DETAILS = "Bank of Salaya 123-4-56789-0"
    payment = pay(told, people, "T-1")
    send_due_mails()
    bounced(payment, people)
    assert set(Mail.objects.filter(kind="bounced").values_list("recipient", "step")) == {
        (OFFICE, 1),
        (LATE, 1),
    }
    found = sent()
    assert set(found) == {OFFICE, LATE}
    english, thai = found[LATE], found[OFFICE]
    number = str(told.number)
    assert english.subject == (
        f"The bank took a payment back: receipt {number} of project genomics"
    )
    body = str(english.body)
    for words in (
        f"The bank took back a payment for receipt {number} of project genomics",
        "is to be paid again",
        f"{told.total:,.2f}",
        f"/receipts/{told.public_id}",
        "Bank of Salaya 123-4-56789-0",
    ):
        assert words in body
    assert "no cover" not in body, "what clerks wrote is for the log"
    assert thai.subject == f"ธนาคารเรียกคืนการชำระ: ใบแจ้งหนี้เลขที่ {number} ของโครงการ genomics"
    assert "โปรดชำระใบแจ้งหนี้นี้อีกครั้ง" in str(thai.body)
    assert isinstance(thai, mail.EmailMultiAlternatives)
    ((page, kind),) = thai.alternatives
    assert kind == "text/html"
    assert f"โปรดชำระใบแจ้งหนี้เลขที่ {number} อีกครั้ง" in str(page)
    ((name, _content, form),) = english.attachments
    assert (name, form) == (f"{number}.pdf", "application/pdf")


def test_it_is_queued_with_what_it_tells_and_gone_with_it(
    people: Campus, told: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = pay(told, people, "T-1")

    def fail(*_args: object, **_data: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("payments.services.bounces.transition", fail)
    with pytest.raises(RuntimeError):
        bounced(payment, people)
    assert not Mail.objects.filter(kind="bounced").exists()
    assert Receipt.objects.get(pk=told.pk).status == "paid"


def test_each_time_is_told_and_so_are_the_thanks_that_follow(people: Campus, told: Receipt) -> None:
    for step in (1, 2):
        bounced(pay(told, people, f"T-{step}"), people)
        assert {message.subject for message in sent().values()} == {
            f"The bank took a payment back: receipt {told.number} of project genomics",
            f"ธนาคารเรียกคืนการชำระ: ใบแจ้งหนี้เลขที่ {told.number} ของโครงการ genomics",
        }
        assert set(Mail.objects.filter(kind="bounced").values_list("step", flat=True)) == set(
            range(1, step + 1)
        )
    pay(told, people, "T-3")
    assert len(sent()) == 2, "to the contacts for documents"
    assert set(Mail.objects.filter(kind="paid", status="sent").values_list("step", flat=True)) == {
        2
    }


def test_thanks_follow_a_bounce_that_nobody_could_be_told_of(people: Campus, told: Receipt) -> None:
    first = pay(told, people, "T-1")
    assert len(sent()) == 2
    late = Contact.objects.filter(email__in=(OFFICE, LATE))
    late.update(gets_reminders=False, gets_documents=True)
    User.objects.update(email="")
    bounced(first, people)
    assert not sent()
    second = pay(told, people, "T-2")
    assert len(sent()) == 3, "thanks to all who get documents"
    Contact.objects.filter(email=LATE).update(gets_reminders=True)
    bounced(second, people)
    assert set(sent()) == {LATE}
    assert Mail.objects.get(kind="bounced").step == 2
    pay(told, people, "T-3")
    assert len(sent()) == 3
    assert set(Mail.objects.filter(kind="paid").values_list("step", flat=True)) == {0, 1, 2}


def test_it_is_told_to_a_project_that_is_not_reminded_but_not_once_it_is_paid_anew(
    people: Campus, told: Receipt
) -> None:
    RemindersStopped.objects.create(project=people.genomics, reason="a dispute")
    bounced(pay(told, people, "T-1"), people)
    assert len(sent()) == 2
    bounced(pay(told, people, "T-2"), people)
    pay(told, people, "T-3")
    assert all("paid" in str(m.subject) or "ชำระแล้ว" in str(m.subject) for m in sent().values())
    assert set(Mail.objects.filter(kind="bounced", step=2).values_list("status", flat=True)) == {
        "dropped"
    }
