"""Payments in the console: transfers that clerks record, and the queue of what matches nothing."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from payments.models import InboundEvent, Payment
from receipts.models import Receipt
from receipts.services import create_receipt
from tests import console, scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> Client:
    return console.visitor("finance")


def build() -> Receipt:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1))
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


receipt = scenes.standing(build)


def transfer(receipt: Receipt, **changes: object) -> dict[str, object]:
    day = timezone.localdate().isoformat()
    exact = {"reference": "KB-1", "day": day, "amount": receipt.total, "currency": "THB"}
    return exact | changes


def page_of_receipt(receipt: Receipt) -> str:
    return console.url(receipt, "change", receipt.pk)


def page_of(receipt: Receipt) -> str:
    return reverse("admin:payments_payment_transfer", args=[receipt.pk])


def test_an_exact_transfer_settles_the_receipt(clerk: Client, receipt: Receipt) -> None:
    via = clerk.get(console.url(receipt, "transfer", receipt.pk))
    assert via["Location"] == page_of(receipt)
    page = clerk.post(page_of(receipt), transfer(receipt), follow=True)
    assert console.messages_of(page) == ["It is recorded and the receipt is paid."]
    receipt.refresh_from_db()
    assert receipt.status == "paid"
    assert Payment.objects.get().status == "succeeded"
    assert console.actions()[-5:] == [
        "payment.settled", "payment.allocated", "official_receipt.issued", "receipt.paid",
        "payment_event.applied",
    ]  # fmt: skip


def test_more_than_is_left_waits_in_the_queue_until_someone_resolves_it(
    clerk: Client, receipt: Receipt
) -> None:
    page = clerk.post(page_of(receipt), transfer(receipt, amount=receipt.total + 1), follow=True)
    assert "does not match" in console.messages_of(page)[-1]
    receipt.refresh_from_db()
    assert receipt.status == "issued"
    event = InboundEvent.objects.get()
    queue = console.url(InboundEvent) + "?queue=open"
    listed = clerk.get(queue)
    assert listed.context["cl"].result_count == 1
    assert page_of_receipt(receipt) in listed.content.decode()
    address = console.url(event, "resolve", event.pk)
    shown = clerk.get(console.url(event, "change", event.pk)).content.decode()
    assert address in shown
    assert page_of_receipt(receipt) in shown

    assert clerk.post(address, {"resolution": ""}).context["form"].errors
    clerk.post(address, {"resolution": "sent back"})
    event.refresh_from_db()
    assert (event.resolution, event.resolved_by is not None) == ("sent back", True)
    assert console.last_event("payment_event.resolved") == {"resolution": "sent back"}
    assert clerk.get(queue).context["cl"].result_count == 0
    assert address not in clerk.get(console.url(event, "change", event.pk)).content.decode()
    twice = clerk.post(address, {"resolution": "again"}, follow=True)
    assert "already" in console.messages_of(twice)[-1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", ""),
        ("amount", "-1"),
        ("amount", "NaN"),
        ("amount", "1e400"),
        ("currency", "baht"),
        ("day", "2999-01-01"),
    ],
)
def test_a_bad_transfer_is_refused_at_its_field(
    clerk: Client, receipt: Receipt, field: str, value: str
) -> None:
    page = clerk.post(page_of(receipt), transfer(receipt, **{field: value}))
    assert field in page.context["form"].errors
    assert not Payment.objects.exists()


def test_the_same_reference_twice_is_told(clerk: Client, receipt: Receipt) -> None:
    clerk.post(page_of(receipt), transfer(receipt, amount="0.01"))
    page = clerk.post(page_of(receipt), transfer(receipt), follow=True)
    assert "recorded already" in console.messages_of(page)[-1]
    assert InboundEvent.objects.count() == 1


def test_payments_are_listed_and_exported(clerk: Client, receipt: Receipt) -> None:
    clerk.post(page_of(receipt), transfer(receipt, reference="=1+1"))
    listed = clerk.get(console.url(Payment) + f"?q={receipt.number}").context["cl"]
    assert listed.result_count == 1
    text = console.streamed(clerk.get(console.url(InboundEvent, "export_csv")))
    assert "'=1+1" in text
    cells = console.streamed(clerk.get(console.url(Payment, "export_csv"))).splitlines()[1]
    assert Decimal(cells.split(",")[5]) == receipt.total


def test_the_page_of_a_payment_says_its_status_in_words(clerk: Client, receipt: Receipt) -> None:
    clerk.post(page_of(receipt), transfer(receipt))
    payment = Payment.objects.get()
    page = clerk.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    assert "Succeeded" in page
    assert "succeeded&#x27;" not in page


def test_a_transfer_for_nothing_is_not_found(clerk: Client) -> None:
    assert clerk.get(reverse("admin:payments_payment_transfer", args=[1])).status_code == 404
