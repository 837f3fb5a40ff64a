"""Only a verified event with exactly the receipt's amount and currency settles it, and once."""

import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from core.actor import Actor
from core.errors import Conflict, Invalid
from payments.models import Allocation, InboundEvent, Payment
from payments.providers.base import BadSignature
from payments.providers.dummy import DummyProvider, read_checkout, signature, signed_headers
from payments.providers.registry import UnknownProvider, hosted_providers, provider
from payments.selectors import mismatches
from payments.services import (
    Transfer,
    receive_webhook,
    record_transfer,
    resolve_mismatch,
    start_checkout,
)
from receipts.models import Receipt
from receipts.services import create_receipt, draft_receipt, void_receipt
from tests import scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> User:
    return make_user("clerk", groups=("finance",))


def build() -> Receipt:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(seconds=36_000))
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


receipt = scenes.standing(build)


@pytest.fixture
def payment(receipt: Receipt) -> Payment:
    return start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)


def message(payment: Payment, /, **changes: Any) -> bytes:
    content = {
        "id": "evt_1",
        "type": "payment.succeeded",
        "payment": payment.external_id,
        "amount": str(payment.amount),
        "currency": payment.currency,
        "created": 1790000000,
    }
    return json.dumps({**content, **changes}).encode()


def deliver(body: bytes, headers: dict[str, str] | None = None) -> str:
    lower = {name.lower(): value for name, value in (headers or signed_headers(body)).items()}
    return receive_webhook(provider_code="dummy", headers=lower, body=body)


def status(receipt: Receipt) -> str:
    return Receipt.objects.get(pk=receipt.pk).status


def test_the_right_event_settles_the_receipt(receipt: Receipt, payment: Payment) -> None:
    assert deliver(message(payment)) == "applied"
    assert status(receipt) == "paid"
    assert Allocation.objects.get().amount == receipt.total
    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert payment.settled_by is not None
    assert payment.settled_by.outcome == "applied"
    connection.check_constraints()


def test_a_replay_changes_nothing(receipt: Receipt, payment: Payment) -> None:
    body = message(payment)
    deliver(body)
    assert deliver(body) == "replay"
    assert deliver(message(payment, amount="1.00")) == "replay"
    assert (InboundEvent.objects.count(), Allocation.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "0.01"}, "amount"),
        ({"amount": "99999999.99"}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"payment": "dummy_unknown"}, "unknown_payment"),
    ],
)
def test_what_does_not_match_is_queued_and_pays_nothing(
    receipt: Receipt, payment: Payment, changes: dict[str, str], reason: str
) -> None:
    assert deliver(message(payment, **changes)) == "mismatch"
    assert mismatches().get().reason == reason
    assert status(receipt) == "issued"
    assert not Allocation.objects.exists()
    assert deliver(message(payment, id="evt_2")) == "applied"


def test_money_for_a_void_receipt_is_queued(receipt: Receipt, payment: Payment) -> None:
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong")
    assert deliver(message(payment)) == "mismatch"
    assert mismatches().get().reason == "not_payable"
    assert status(receipt) == "void"


def test_a_second_payment_of_a_paid_receipt_is_queued(
    receipt: Receipt, payment: Payment, clerk: User
) -> None:
    deliver(message(payment))
    transfer = Transfer("T-1", timezone.localdate(), receipt.total, "THB")
    outcome = record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=Actor.of(clerk))
    assert outcome == "mismatch"
    assert mismatches().get().reason == "already_settled"


def test_a_declined_payment_can_be_tried_again(receipt: Receipt, payment: Payment) -> None:
    assert deliver(message(payment, type="payment.failed")) == "noted"
    assert status(receipt) == "issued"
    second = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)
    assert second.pk != payment.pk
    assert deliver(message(second, id="evt_2")) == "applied"


def test_money_that_comes_after_all_for_a_declined_payment_is_queued(
    receipt: Receipt, payment: Payment
) -> None:
    deliver(message(payment, type="payment.failed"))
    assert deliver(message(payment, id="evt_2")) == "mismatch"
    assert mismatches().get().reason == "not_payable"
    assert status(receipt) == "issued"


def test_unknown_kinds_are_noted(receipt: Receipt, payment: Payment) -> None:
    assert deliver(message(payment, type="payment.dreamt")) == "noted"
    assert status(receipt) == "issued"


def headers_for(body: bytes, stamp: object, mark: str = "") -> dict[str, str]:
    good = signature(stamp, body) if isinstance(stamp, int) else "0" * 64
    return {"Dummy-Signature": f"t={stamp},v1={mark or good}"}


def test_forged_and_old_messages_are_refused_and_not_kept(
    receipt: Receipt, payment: Payment
) -> None:
    body, now = message(payment), int(time.time())
    forgeries: list[dict[str, str]] = [
        {"X": ""},
        {"Dummy-Signature": "nonsense"},
        headers_for(body, now, "0" * 64),
        headers_for(body, now, "é"),
        headers_for(body, now - 301),
        headers_for(body, now + 301),
        headers_for(body, "²"),
        headers_for(message(payment, amount="1"), now),
    ]
    for headers in forgeries:
        with pytest.raises(BadSignature):
            deliver(body, headers)
    assert not InboundEvent.objects.exists()
    assert status(receipt) == "issued"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"id": 1}',
        b'{"id": "' + b"x" * 300 + b'"}',
    ],
)
def test_signed_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(BadSignature):
        deliver(body)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1", "1e99", "", "30.00004"])
def test_amounts_that_are_no_amounts_are_refused(payment: Payment, amount: str) -> None:
    body = message(payment, amount=amount)
    with pytest.raises(BadSignature):
        deliver(body)


def test_a_double_click_opens_one_checkout(receipt: Receipt, payment: Payment) -> None:
    again = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)
    assert (again.pk, again.checkout_url) == (payment.pk, payment.checkout_url)


def test_only_open_receipts_can_be_paid(receipt: Receipt, payment: Payment) -> None:
    deliver(message(payment))
    with pytest.raises(Conflict):
        start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)


def test_a_transfer_settles_the_receipt(receipt: Receipt, clerk: User) -> None:
    transfer = Transfer("KBANK-77", timezone.localdate(), receipt.total, "THB")
    actor = Actor.of(clerk)
    assert record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=actor) == "applied"
    assert status(receipt) == "paid"
    with pytest.raises(Conflict, match="recorded already"):
        record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=actor)
    connection.check_constraints()


def test_a_transfer_of_too_much_is_queued_and_the_right_one_still_settles(
    receipt: Receipt, clerk: User
) -> None:
    actor = Actor.of(clerk)
    wrong = Transfer("T-1", timezone.localdate(), receipt.total + 5, "THB")
    assert record_transfer(receipt_id=receipt.pk, transfer=wrong, actor=actor) == "mismatch"
    right = replace(wrong, reference="T-2", amount=receipt.total)
    assert record_transfer(receipt_id=receipt.pk, transfer=right, actor=actor) == "applied"


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": " "},
        {"amount": Decimal(0)},
        {"amount": Decimal("NaN")},
        {"amount": Decimal("30.00001")},
        {"amount": Decimal("1e20")},
        {"day": timezone.localdate().replace(year=2999)},
    ],
)
def test_bad_transfers_are_refused(receipt: Receipt, clerk: User, changes: dict[str, Any]) -> None:
    good = Transfer("T-1", timezone.localdate(), receipt.total, "THB")
    with pytest.raises(Invalid):
        record_transfer(
            receipt_id=receipt.pk, transfer=replace(good, **changes), actor=Actor.of(clerk)
        )
    with pytest.raises(Invalid):
        record_transfer(receipt_id=receipt.pk, transfer=good, actor=SYSTEM)


def test_a_draft_takes_no_money(clerk: User) -> None:
    project = make_project("physics")
    import_rows(make_cluster(), Row(account="physics"))
    draft = draft_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    transfer = Transfer("T-1", timezone.localdate(), draft.total, "THB")
    with pytest.raises(Conflict):
        record_transfer(receipt_id=draft.pk, transfer=transfer, actor=Actor.of(clerk))


def test_a_mismatch_is_resolved_once_with_a_text(payment: Payment, clerk: User) -> None:
    deliver(message(payment, amount="1"))
    event, actor = mismatches().get(), Actor.of(clerk)
    with pytest.raises(Invalid):
        resolve_mismatch(event_id=event.pk, actor=actor, resolution=" ")
    resolve_mismatch(event_id=event.pk, actor=actor, resolution="sent back")
    assert not mismatches().exists()
    with pytest.raises(Conflict):
        resolve_mismatch(event_id=event.pk, actor=actor, resolution="sent back")


def test_the_checkouts_address_cannot_be_altered(payment: Payment) -> None:
    token = payment.checkout_url.partition("checkout=")[2]
    assert read_checkout(token.replace("%3A", ":"))["payment"] == payment.external_id
    with pytest.raises(BadSignature):
        read_checkout(token + "x")


def test_providers_that_are_switched_off_do_not_exist(settings: Settings) -> None:
    assert [item.code for item in hosted_providers()] == ["dummy"]
    settings.PAYMENT_PROVIDERS = ["manual"]
    assert hosted_providers() == []
    for code in (DummyProvider.code, "stripe"):
        with pytest.raises(UnknownProvider):
            provider(code)
    with pytest.raises(BadSignature):
        provider("manual").verify({}, b"")
