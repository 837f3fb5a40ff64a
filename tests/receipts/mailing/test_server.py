"""Against a real mail server on the loopback, up and down: none is lost, none is sent twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from hpcbilling.embedded.process import free_port
from receipts.models import Mail, Receipt
from receipts.services import create_receipt
from receipts.services.sending import send_due_mails, send_mail
from tests import campus, databases
from tests.factories import OCTOBER, SYSTEM


class Catcher:
    """Keeps what it is handed; refuses an address for good, or for now."""

    def __init__(self) -> None:
        self.caught: list[Message] = []
        self.refusals: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[Any]
    ) -> str:
        refusal = self.refusals.get(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.caught.append(message_from_bytes(content))
        return "250 OK"


class Server:
    """A mail server that can be switched off and on again at the same port."""

    def __init__(self, settings: Settings) -> None:
        self.catcher = Catcher()
        self.port = settings.EMAIL_PORT = free_port()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 5

    def start(self) -> None:
        self.controller = Controller(self.catcher, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        self.controller.stop(no_assert=True)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    made = Server(settings)
    made.start()
    yield made
    made.stop()


def make_due() -> None:
    """The pause is over."""
    Mail.objects.filter(status__in=Mail.WAITING).update(next_attempt_at=timezone.now())


def test_a_server_that_is_down_loses_none(receipt: Receipt, server: Server) -> None:
    server.stop()
    assert send_due_mails() == 0
    waiting = Mail.objects.get()
    assert (waiting.status, waiting.attempts) == ("failed", 1)
    assert "ConnectionRefused" in waiting.last_error
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at > timezone.now()
    assert send_due_mails() == 0, "it waits"
    assert Mail.objects.get().attempts == 1
    server.start()
    make_due()
    assert send_due_mails() == 1
    make_due()
    assert send_due_mails() == 0
    (caught,) = server.catcher.caught
    assert caught["To"] == "alice@example.org"
    assert caught["Message-ID"] == waiting.message_header
    assert caught["Auto-Submitted"] == "auto-generated"
    parts = {part.get_content_type() for part in caught.walk()}
    assert {"text/plain", "text/html", "application/pdf"} <= parts
    done = Mail.objects.get()
    assert (done.status, done.attempts, done.last_error) == ("sent", 2, "")


def test_after_many_attempts_a_person_has_to_look(
    receipt: Receipt, server: Server, settings: Settings
) -> None:
    settings.MAIL_ATTEMPTS = 3
    server.catcher.refusals["alice@example.org"] = "451 greylisted, come again"
    for _attempt in range(5):
        make_due()
        send_due_mails()
    found = Mail.objects.get()
    assert (found.status, found.attempts, found.next_attempt_at) == ("given_up", 3, None)
    assert "greylisted" in found.last_error


def test_an_address_that_does_not_exist_is_given_up_at_once(
    receipt: Receipt, server: Server
) -> None:
    server.catcher.refusals["alice@example.org"] = "550 no such user"
    send_due_mails()
    found = Mail.objects.get()
    assert (found.status, found.attempts) == ("given_up", 1)
    assert "550" in found.last_error


def test_a_worker_that_dies_after_the_server_took_a_mail_sends_it_again_by_the_same_id(
    receipt: Receipt, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing of the worker's transaction is committed."""

    def dies(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("receipts.services.sending._sent", dies)
        with pytest.raises(Killed):
            send_due_mails()
    left = Mail.objects.get()
    assert (left.status, left.attempts) == ("queued", 0)
    assert send_due_mails() == 1
    first, second = server.catcher.caught
    assert first["Message-ID"] == second["Message-ID"] == left.message_header


@pytest.mark.slow
def test_workers_that_send_at_the_same_time_send_once(
    committed_db: databases.Database, server: Server
) -> None:
    people = campus.build()
    people.alice.email = "alice@example.org"
    people.alice.save()
    create_receipt(project_id=people.genomics.pk, window=OCTOBER, actor=SYSTEM)
    mail_id = Mail.objects.get().pk

    def send(_worker: int) -> bool:
        try:
            return send_mail(mail_id)
        finally:
            connections.close_all()

    # Threads, not processes: what renders PDFs has threads of its own, which no fork takes along.
    with ThreadPoolExecutor(4) as workers:
        assert sorted(workers.map(send, range(4))) == [False, False, False, True]
    assert len(server.catcher.caught) == 1
    assert Mail.objects.get().status == "sent"
