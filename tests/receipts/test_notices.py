"""E-mails of receipts: to the right people, in their language, each once."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import Retry
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Project, Tier, User
from core.actor import Actor
from payments.services import Transfer, record_transfer
from receipts.models import Notice, Receipt
from receipts.notices import NoticesFailed, notices_due, recipients_of, send_notice
from receipts.services import create_receipt, draft_receipt, void_receipt
from receipts.tasks import send_due_notices
from receipts.tasks import send_notice as send_notice_task
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


@pytest.fixture
def receipt(people: Campus) -> Receipt:
    User.objects.filter(pk=people.alice.pk).update(email="alice@example.org")
    User.objects.filter(pk=people.bob.pk).update(email="bob@example.org")
    return create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice)
    )


def pay(receipt: Receipt, people: Campus) -> None:
    transfer = Transfer("T-1", timezone.localdate(), receipt.total, receipt.currency)
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=Actor.of(people.clerk))


def html_of(message: mail.EmailMessage) -> str:
    assert isinstance(message, mail.EmailMultiAlternatives)
    ((page, kind),) = message.alternatives
    assert kind == "text/html"
    return str(page)


def test_issuing_and_paying_queue_the_news(
    people: Campus,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    queued: list[Any] = []
    monkeypatch.setattr(
        "core.queue.current_app.send_task",
        lambda name, args, **_options: queued.append((name, args)),
    )
    with django_capture_on_commit_callbacks(execute=True):
        made = create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
        pay(made, people)
    name = "receipts.send_notice"
    assert [item for item in queued if item[0] == name] == [
        (name, (made.pk, "issued")), (name, (made.pk, "paid")),
    ]  # fmt: skip
    assert send_notice_task.name == name


def test_the_leader_is_told_once(receipt: Receipt, settings: Settings) -> None:
    settings.SITE_BANK_DETAILS = "Bank of Nowhere"
    assert send_notice(receipt_id=receipt.pk, kind="issued") == 1
    assert send_notice(receipt_id=receipt.pk, kind="issued") == 0
    (message,) = mail.outbox
    assert message.to == ["alice@example.org"]
    assert message.subject == f"Receipt {receipt.number} for project genomics"
    body = str(message.body)
    assert f"THB\N{NO-BREAK SPACE}{receipt.total:,.2f}" in body
    assert f"/receipts/{receipt.public_id}/" in body
    assert "Bank of Nowhere" in body
    assert str(receipt.number) in html_of(message)
    notice = Notice.objects.get()
    assert "alice" not in notice.recipient_sha256


def test_names_in_mails_are_escaped_in_html_alone(receipt: Receipt) -> None:
    Project.objects.filter(pk=receipt.project_id).update(code="a&b")
    send_notice(receipt_id=receipt.pk, kind="issued")
    (message,) = mail.outbox
    assert "project a&b" in str(message.body)
    assert "project a&amp;b" in html_of(message)


def test_each_reads_it_in_their_own_language(people: Campus, receipt: Receipt) -> None:
    join_leader = User.objects.create_user("dao", email="dao@example.org", language="th")
    join(people.genomics, join_leader, "pi")
    assert send_notice(receipt_id=receipt.pk, kind="issued") == 2
    english, thai = mail.outbox
    assert "1 Oct 2026" in english.body
    assert "1 ต.ค. 2026" in thai.body
    assert '<html lang="th">' in html_of(thai)
    assert set(Notice.objects.values_list("language", flat=True)) == {"en", "th"}


def test_a_billing_address_takes_the_leaders_place(people: Campus, receipt: Receipt) -> None:
    Project.objects.filter(pk=people.genomics.pk).update(billing_email="Office@example.org")
    people.genomics.refresh_from_db()
    assert [r.address for r in recipients_of(people.genomics)] == ["Office@example.org"]
    send_notice(receipt_id=receipt.pk, kind="issued")
    assert [message.to for message in mail.outbox] == [["Office@example.org"]]


def test_who_has_left_or_has_no_address_is_not_told(people: Campus, receipt: Receipt) -> None:
    User.objects.filter(pk=people.alice.pk).update(is_active=False)
    assert recipients_of(people.genomics) == []
    assert send_notice(receipt_id=receipt.pk, kind="issued") == 0


def test_being_paid_is_told(people: Campus, receipt: Receipt) -> None:
    assert send_notice(receipt_id=receipt.pk, kind="paid") == 0  # it is not yet true
    pay(receipt, people)
    assert send_notice(receipt_id=receipt.pk, kind="paid") == 1
    assert mail.outbox[0].subject == f"Receipt {receipt.number} for project genomics is paid"


def test_drafts_and_void_receipts_are_no_news(people: Campus, receipt: Receipt) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong")
    draft = draft_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    for item in (receipt, draft):
        assert send_notice(receipt_id=item.pk, kind="issued") == 0
    assert notices_due() == []


def test_a_mail_that_failed_is_sent_later_and_the_others_not_again(
    people: Campus, receipt: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.filter(pk=people.bob.pk).update(language="th")
    people.genomics.memberships.filter(user=people.bob).update(role="pi")
    right = EmailBackend.send_messages

    def broken(self: EmailBackend, messages: list[Any]) -> int:
        if messages[0].to == ["alice@example.org"]:
            raise smtplib.SMTPServerDisconnected("gone")
        return right(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", broken)
    with pytest.raises(NoticesFailed, match="gone"):
        send_notice(receipt_id=receipt.pk, kind="issued")
    assert [message.to for message in mail.outbox] == [["bob@example.org"]]
    monkeypatch.undo()
    assert send_notice(receipt_id=receipt.pk, kind="issued") == 1
    assert [message.to for message in mail.outbox] == [["bob@example.org"], ["alice@example.org"]]


def test_the_task_tries_again_with_growing_pauses(
    receipt: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_arguments: object) -> None:
        raise NoticesFailed("no server")

    monkeypatch.setattr("receipts.notices.send_notice", broken)
    with pytest.raises(Retry):
        send_notice_task.apply(args=(receipt.pk, "issued"), throw=True, retries=1)
    assert send_notice_task.max_retries == 12


def test_what_the_queue_lost_the_schedule_sends(people: Campus, receipt: Receipt) -> None:
    pay(receipt, people)
    assert notices_due() == [(receipt.pk, "issued"), (receipt.pk, "paid")]
    send_due_notices()
    assert len(mail.outbox) == 2
    assert notices_due() == []
    send_due_notices()
    assert len(mail.outbox) == 2


def test_old_news_is_not_sent(receipt: Receipt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receipts.notices.DUE_FOR", timedelta(0))
    assert notices_due() == []


def test_a_receipt_over_nothing_is_told_of_once(people: Campus) -> None:
    Tier.objects.create(code="free", name="Free")
    publish_prices("free", LONG_AGO, cpu="0", gpu="0", mem="0")
    project = make_project("gifts", tier="free")
    Project.objects.filter(pk=project.pk).update(billing_email="gifts@example.org")
    import_rows(people.cluster, Row(30, account="gifts", end=october(20)))
    made = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert made.status == "paid"
    assert made.total == 0
    assert send_notice(receipt_id=made.pk, kind="issued") == 1
    assert send_notice(receipt_id=made.pk, kind="paid") == 0
    assert "There is nothing left to pay." in str(mail.outbox[0].body)
    assert notices_due() == []
