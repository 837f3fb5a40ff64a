"""Paying in the browser: who may, what the test page sends, what the payer reads afterwards."""

import json
import re
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.conf import settings as site
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from core.actor import Actor
from payments.models import InboundEvent, Payment
from payments.providers.dummy import signed_headers
from payments.services import resolve_mismatch, start_checkout
from receipts.models import Receipt
from receipts.services import create_receipt, void_receipt
from tests.campus import Campus
from tests.factories import OCTOBER, SYSTEM

WEBHOOK = "/payments/webhook/dummy"


@pytest.fixture
def receipt(people: Campus) -> Receipt:
    return create_receipt(
        project_id=people.genomics.pk, window=OCTOBER, actor=Actor.of(people.alice)
    )


@pytest.fixture
def payment(receipt: Receipt) -> Payment:
    return start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)


def body_of(payment: Payment, /, **changes: object) -> bytes:
    message = {
        "id": "evt_1", "type": "payment.succeeded", "payment": payment.external_id,
        "amount": str(payment.amount), "currency": payment.currency, "created": 1790000000,
    }  # fmt: skip
    return json.dumps({**message, **changes}).encode()


def deliver(client: Client, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    signed = signed_headers(body) if headers is None else headers
    answer = client.post(WEBHOOK, body, content_type="application/json", headers=signed)
    return answer.status_code, answer.text


def status(receipt: Receipt) -> str:
    return Receipt.objects.get(pk=receipt.pk).status


# The webhook


def test_a_signed_message_settles_and_its_replay_does_nothing(
    client: Client, receipt: Receipt, payment: Payment
) -> None:
    body = body_of(payment)
    assert deliver(client, body) == (200, '{"outcome": "applied"}')
    assert status(receipt) == "paid"
    assert deliver(client, body) == (200, '{"outcome": "replay"}')
    assert InboundEvent.objects.count() == 1


@pytest.mark.parametrize(
    "headers", [{}, {"Dummy-Signature": "t=1,v1=00"}, {"Dummy-Signature": "t=\xb2,v1=é"}]
)
def test_a_message_without_a_good_signature_leaves_nothing(
    client: Client, receipt: Receipt, payment: Payment, headers: dict[str, str]
) -> None:
    assert deliver(client, body_of(payment), headers)[0] == 400
    assert not InboundEvent.objects.exists()
    assert status(receipt) == "issued"


def test_the_signature_covers_every_byte(client: Client, payment: Payment) -> None:
    headers = signed_headers(body_of(payment))
    assert deliver(client, body_of(payment, amount="0.01"), headers)[0] == 400


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "0.01"}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"payment": "dummy_unknown"}, "unknown_payment"),
    ],
)
def test_what_does_not_match_is_kept_for_a_person(
    client: Client, receipt: Receipt, payment: Payment, changes: dict[str, str], reason: str
) -> None:
    assert deliver(client, body_of(payment, **changes)) == (200, '{"outcome": "mismatch"}')
    assert InboundEvent.objects.get().reason == reason
    assert status(receipt) == "issued"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"id": 1}', b"\xff\xfe"],
)
def test_a_signed_message_that_can_not_be_read_is_refused(client: Client, body: bytes) -> None:
    assert deliver(client, body)[0] == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": "TOOLONG"},
        {"id": "\x00"},
        {"id": "x" * 300},
        {"amount": "1e40"},
        {"created": 1e30},
    ],
)
def test_a_signed_message_with_impossible_values_is_refused(
    client: Client, payment: Payment, changes: dict[str, object]
) -> None:
    assert deliver(client, body_of(payment, **changes))[0] == 400
    assert not InboundEvent.objects.exists()


def test_the_webhook_has_limits(client: Client, payment: Payment) -> None:
    assert client.get(WEBHOOK).status_code == 405
    assert deliver(client, b"x" * ((1 << 20) + 1))[0] == 413
    for code in ("nobody", "manual"):
        body = body_of(payment)
        answer = client.post(
            f"/payments/webhook/{code}", body, content_type="application/json",
            headers=signed_headers(body),
        )  # fmt: skip
        assert answer.status_code == (404 if code == "nobody" else 400)


def test_a_provider_that_is_switched_off_is_not_there(
    client: Client, receipt: Receipt, payment: Payment, settings: Settings
) -> None:
    settings.PAYMENT_PROVIDERS = ["manual"]
    assert deliver(client, body_of(payment))[0] == 404
    assert client.get(payment.checkout_url).status_code == 404
    client.force_login(receipt.created_by)  # type: ignore[arg-type] # alice made it
    text = client.get(f"/receipts/{receipt.public_id}/").text
    assert "Pay now" not in text
    assert "Pay by bank transfer" in text


# Starting


@pytest.mark.parametrize(
    ("name", "code"),
    [("alice", 302), ("bob", 404), ("charlie", 404), ("clerk", 404), ("auditor", 404)],
)
def test_only_who_acts_for_the_project_pays(
    client: Client, people: Campus, receipt: Receipt, name: str, code: int
) -> None:
    client.force_login(User.objects.get(username=name))
    start = f"/payments/start/{receipt.public_id}/"
    assert client.post(start, {"provider": "dummy"}).status_code == code
    assert Payment.objects.count() == (code == 302)
    assert client.get(start).status_code == 405


def test_strangers_log_in_before_they_pay(client: Client, receipt: Receipt) -> None:
    answer = client.post(f"/payments/start/{receipt.public_id}/", {"provider": "dummy"})
    assert answer.headers["Location"].startswith("/login/")
    assert not Payment.objects.exists()


def test_two_clicks_start_one_payment(client: Client, people: Campus, receipt: Receipt) -> None:
    client.force_login(people.alice)
    start = f"/payments/start/{receipt.public_id}/"
    places = {client.post(start, {"provider": "dummy"}).headers["Location"] for _ in range(2)}
    assert len(places) == Payment.objects.count() == 1
    assert places.pop().startswith("/payments/simulate?checkout=")  # whatever the host name is
    assert client.post(start, {"provider": "nobody"}).status_code == 404


def test_a_void_receipt_is_not_paid(client: Client, people: Campus, receipt: Receipt) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong")
    client.force_login(people.alice)
    answer = client.post(
        f"/payments/start/{receipt.public_id}/", {"provider": "dummy"}, follow=True
    )
    assert "not open for payment" in answer.text
    assert not Payment.objects.exists()


# The test page


def press(client: Client, payment: Payment, outcome: str) -> str:
    """Press a button of the test page; its message is handed to this site's own webhook."""

    def receive(request: object) -> tuple[int, dict[str, str], str]:
        body = request.body  # type: ignore[attr-defined]
        headers = {"Dummy-Signature": request.headers["Dummy-Signature"]}  # type: ignore[attr-defined]
        code, text = deliver(Client(), body, headers)
        return code, {}, text

    with responses.RequestsMock() as wire:
        wire.add_callback(responses.POST, f"{site.SITE_BASE_URL}{WEBHOOK}", callback=receive)
        answer = client.post(payment.checkout_url, {"outcome": outcome})
    return str(answer.headers["Location"])


@pytest.mark.parametrize(
    ("outcome", "heading", "paid"),
    [
        ("pay", "Thank you", True),
        ("decline", "The payment did not go through", False),
        ("wrong_amount", "Something does not match", False),
    ],
)
def test_each_button_leads_to_its_own_answer(
    client: Client, people: Campus, payment: Payment, outcome: str, heading: str, paid: bool
) -> None:
    client.force_login(people.alice)
    assert "No real money moves here" in client.get(payment.checkout_url).text
    text = client.get(press(client, payment, outcome)).text
    assert heading in text
    assert "data-again" not in text
    assert (status(payment.receipt) == "paid") == paid


def test_the_receipt_warns_while_a_payment_is_looked_at(
    client: Client, people: Campus, payment: Payment
) -> None:
    client.force_login(people.alice)
    press(client, payment, "wrong_amount")
    page = f"/receipts/{payment.receipt.public_id}/"
    assert "please don’t pay again" in client.get(page).text
    event = InboundEvent.objects.get()
    resolve_mismatch(event_id=event.pk, actor=Actor.of(people.clerk), resolution="sent back")
    assert "please don’t pay again" not in client.get(page).text


def test_a_message_that_gets_lost_is_told(client: Client, payment: Payment) -> None:
    with responses.RequestsMock() as wire:
        wire.add(responses.POST, f"{site.SITE_BASE_URL}{WEBHOOK}", status=500)
        answer = client.post(payment.checkout_url, {"outcome": "pay"})
    assert answer.status_code == 502
    assert "The message did not arrive" in answer.text


def test_the_test_page_shows_only_what_was_signed(client: Client, payment: Payment) -> None:
    token = parse_qs(urlsplit(payment.checkout_url).query)["checkout"][0]
    assert client.get("/payments/simulate", {"checkout": token[:-2] + "xx"}).status_code == 404
    assert client.get("/payments/simulate").status_code == 404
    assert client.delete(payment.checkout_url).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(payment.checkout_url, {"outcome": "pay"}).status_code == 403


# Afterwards


@pytest.mark.parametrize(
    ("name", "code"), [("alice", 200), ("bob", 404), ("charlie", 404), ("auditor", 404)]
)
def test_only_who_acts_for_the_project_sees_the_payment(
    client: Client, people: Campus, payment: Payment, name: str, code: int
) -> None:
    page = f"/payments/thanks/{payment.public_id}/"
    assert client.get(page).status_code == 302
    client.force_login(User.objects.get(username=name))
    assert client.get(page).status_code == code


def test_the_page_asks_again_while_it_waits_and_then_stops(
    client: Client, people: Campus, payment: Payment
) -> None:
    client.force_login(people.alice)
    page, tries, waits = f"/payments/thanks/{payment.public_id}/", "", []
    for _ in range(20):
        text = client.get(page + tries).text
        assert "Waiting for the confirmation" in text
        again = re.search(r'data-again-after="(\d+)" data-again="(\?tries=\d+)"', text)
        if again is None:
            break
        assert f'content="{again[1]}; url={again[2]}"' in text  # without script, too
        waits.append(int(again[1]))
        tries = again[2]
    assert waits == sorted(waits)
    assert len(waits) == 9
    assert "It takes longer than usual" in text
    assert client.get(f"{page}?tries=no").status_code == 200
    assert client.get(f"{page}?tries=99999999999999999999").status_code == 200


def test_a_payment_that_is_not_needed_any_more_says_so(
    client: Client, people: Campus, payment: Payment
) -> None:
    void_receipt(receipt_id=payment.receipt_id, actor=SYSTEM, reason="wrong")
    client.force_login(people.alice)
    text = client.get(f"/payments/thanks/{payment.public_id}/").text
    assert "Nothing more to pay" in text
    assert payment.amount > Decimal(0)
