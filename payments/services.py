"""Being paid: checkouts, verified events, transfers, and the queue of what does not match."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core import metrics
from core.actor import Actor
from core.errors import Conflict, DomainError, Invalid
from core.locks import lock_rows
from core.site import site_zone
from core.transitions import Table, transition
from payments.models import Allocation, EventOutcome, EventReason, InboundEvent, Payment
from payments.providers.base import (
    BadSignature,
    CheckoutRequest,
    Provider,
    ProviderEvent,
    ProviderUnavailable,
)
from payments.providers.registry import provider as find_provider
from payments.settlement import restate
from receipts.models import Receipt

S = Payment.Status
STEPS: Table = {S.PENDING: frozenset({S.SUCCEEDED, S.FAILED})}
Handled = Literal["applied", "mismatch", "noted", "replay"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A bank transfer as the clerk reads it on the statement. The reference is the bank's."""

    reference: str
    day: date
    amount: Decimal
    currency: str


def start_checkout(*, receipt_id: int, provider_code: str, actor: Actor) -> Payment:
    """Return a pending payment with a checkout page for a receipt; a second click gets the same.

    Raises Conflict if the receipt is not open for payment, DomainError if the provider can't be
    reached.
    """
    provider = find_provider(provider_code)
    payment = _pending_payment(receipt_id, provider.code, actor)
    if payment.checkout_url:
        return payment
    try:
        checkout = provider.create_checkout(_request_for(payment))
    except ProviderUnavailable as error:
        raise DomainError(
            "provider_unavailable",
            _("The payment service can't be reached just now. Try again in a few minutes."),
        ) from error
    Payment.objects.filter(pk=payment.pk, status=S.PENDING).update(
        external_id=checkout.external_id, checkout_url=checkout.url
    )
    payment.refresh_from_db()
    return payment


@transaction.atomic
def _pending_payment(receipt_id: int, provider_code: str, actor: Actor) -> Payment:
    (receipt,) = lock_rows(Receipt.objects.all(), receipt_id)
    if receipt.status != Receipt.Status.ISSUED or receipt.total <= 0:
        raise Conflict("not_payable", _("This receipt is not open for payment."))
    payment, created = Payment.objects.get_or_create(
        receipt=receipt,
        provider=provider_code,
        status=S.PENDING,
        defaults={
            "amount": receipt.total,
            "currency": receipt.currency,
            "created_by_id": actor.user_id,
        },
    )
    if created:
        record(
            "payment.started",
            actor=actor,
            target=payment,
            data={
                "receipt": receipt.number,
                "provider": provider_code,
                "amount": payment.amount,
                "currency": payment.currency,
            },
        )
    return payment


def _request_for(payment: Payment) -> CheckoutRequest:
    page = reverse("payments:thanks", args=[payment.public_id])
    return CheckoutRequest(
        reference=str(payment.public_id),
        amount=payment.amount.quantize(Decimal(1).scaleb(-payment.receipt.decimals)),
        currency=payment.currency,
        description=gettext("Receipt %(number)s") % {"number": payment.receipt.number},
        return_url=f"{settings.SITE_BASE_URL}{page}",
        language=translation.get_language() or "en",
    )


def receive_webhook(*, provider_code: str, headers: Mapping[str, str], body: bytes) -> Handled:
    """Verify a provider's message, keep it, and apply it once.

    Raises BadSignature (nothing is kept) or UnknownProvider. A replay of an event that is known
    changes nothing and is answered as before.
    """
    provider: Provider = find_provider(provider_code)
    try:
        event = provider.verify(headers, body)
    except BadSignature:
        metrics.WEBHOOKS.labels(provider=provider.code, outcome="bad_signature").inc()
        raise
    handled = apply_event(
        provider_code=provider.code,
        event=event,
        body=body,
        actor=Actor.system(f"webhook:{provider.code}"),
    )
    metrics.WEBHOOKS.labels(provider=provider.code, outcome=handled).inc()
    return handled


def apply_event(*, provider_code: str, event: ProviderEvent, body: bytes, actor: Actor) -> Handled:
    """Keep a verified event and settle the receipt that it pays, in one transaction.

    A receipt becomes paid only if amount and currency are exactly its own; whatever else arrives
    is queued as a mismatch for a person to resolve.
    """
    with transaction.atomic():
        row = _keep(provider_code, event, body)
        if row is None:
            return "replay"
        payment = _locked_payment(provider_code, event.external_payment_id)
        row.payment = payment
        row.outcome, row.reason = _apply(row, event, payment, actor)
        row.save(update_fields=["payment", "outcome", "reason"])
        record(
            f"payment_event.{row.outcome}",
            actor=actor,
            target=row,
            data={
                "provider": provider_code,
                "event": event.event_id,
                "kind": event.kind,
                "amount": event.amount,
                "currency": event.currency,
                "reason": str(row.reason),
                "payment": payment.pk if payment else None,
            },
        )
    outcomes: dict[str, Handled] = {
        EventOutcome.APPLIED: "applied",
        EventOutcome.MISMATCH: "mismatch",
        EventOutcome.NOTED: "noted",
    }
    return outcomes[row.outcome]


def _keep(provider_code: str, event: ProviderEvent, body: bytes) -> InboundEvent | None:
    """Store an event; None if it is known. A second delivery waits here for the first to end."""
    try:
        with transaction.atomic():
            return InboundEvent.objects.create(
                provider=provider_code,
                external_event_id=event.event_id,
                kind=event.kind,
                external_payment_id=event.external_payment_id,
                amount=event.amount,
                currency=event.currency[:3],
                occurred_at=event.occurred_at,
                body=body.decode("utf-8", "backslashreplace").replace("\x00", "␀"),
                body_sha256=hashlib.sha256(body).hexdigest(),
            )
    except IntegrityError:
        if InboundEvent.objects.filter(
            provider=provider_code, external_event_id=event.event_id
        ).exists():
            return None
        raise


def _locked_payment(provider_code: str, external_id: str) -> Payment | None:
    """Lock a payment after its receipt, in the order of the house."""
    found = Payment.objects.filter(provider=provider_code, external_id=external_id).first()
    if found is None:
        return None
    (receipt,) = lock_rows(Receipt.objects.all(), found.receipt_id)
    (payment,) = lock_rows(Payment.objects.all(), found.pk)
    payment.receipt = receipt
    return payment


def _apply(
    row: InboundEvent, event: ProviderEvent, payment: Payment | None, actor: Actor
) -> tuple[EventOutcome, EventReason]:
    if event.kind == "other":
        return EventOutcome.NOTED, EventReason.NONE
    if payment is None:
        return EventOutcome.MISMATCH, EventReason.UNKNOWN_PAYMENT
    if event.kind == "payment.failed":
        if payment.status == S.PENDING:
            transition(
                Payment.objects.all(), table=STEPS, pk=payment.pk, before=S.PENDING, after=S.FAILED
            )
        return EventOutcome.NOTED, EventReason.NONE
    reason = _difference(event, payment)
    if reason:
        return EventOutcome.MISMATCH, reason
    _settle(row, event, payment, actor)
    return EventOutcome.APPLIED, EventReason.NONE


def _difference(event: ProviderEvent, payment: Payment) -> EventReason:
    """Return why an event does not settle a payment's receipt, or no reason."""
    receipt = payment.receipt
    if receipt.status == Receipt.Status.PAID:
        return EventReason.ALREADY_SETTLED
    if receipt.status != Receipt.Status.ISSUED or payment.status != S.PENDING:
        return EventReason.NOT_PAYABLE
    if event.currency != receipt.currency:
        return EventReason.CURRENCY
    if event.amount != receipt.total or payment.amount != receipt.total:
        return EventReason.AMOUNT
    return EventReason.NONE


def _settle(row: InboundEvent, event: ProviderEvent, payment: Payment, actor: Actor) -> None:
    InboundEvent.objects.filter(pk=row.pk).update(payment=payment, outcome=EventOutcome.APPLIED)
    transition(
        Payment.objects.all(),
        table=STEPS,
        pk=payment.pk,
        before=S.PENDING,
        after=S.SUCCEEDED,
        settled_at=timezone.now(),
        settled_by=row,
    )
    Allocation.objects.create(payment=payment, receipt=payment.receipt, amount=payment.amount)
    record(
        "payment.settled",
        actor=actor,
        target=payment,
        data={
            "receipt": payment.receipt.number,
            "amount": payment.amount,
            "currency": payment.currency,
        },
    )
    restate(payment.receipt, actor, event.occurred_at)


def record_transfer(*, receipt_id: int, transfer: Transfer, actor: Actor) -> Handled:
    """Record a bank transfer for a receipt, on a clerk's word.

    Goes the same way as a provider's event: exactly the total settles the receipt, anything else
    is kept and queued as a mismatch. Raises Invalid for bad values, Conflict for a reference that
    was recorded before.
    """
    _check_transfer(transfer, actor)
    external_id = f"manual_{receipt_id}_{transfer.reference}"
    event = ProviderEvent(
        event_id=transfer.reference,
        kind="payment.succeeded",
        external_payment_id=external_id,
        amount=transfer.amount,
        currency=transfer.currency,
        occurred_at=datetime.combine(transfer.day, time(12), site_zone()),
    )
    body = json.dumps(
        {
            "reference": transfer.reference,
            "day": str(transfer.day),
            "amount": str(transfer.amount),
            "currency": transfer.currency,
            "recorded_by": actor.name,
        }
    )
    with transaction.atomic():
        (receipt,) = lock_rows(Receipt.objects.all(), receipt_id)
        if receipt.status == Receipt.Status.DRAFT:
            raise Conflict("not_payable", _("This receipt is not issued yet."))
        _give_up_earlier_transfer(receipt, actor)
        Payment.objects.get_or_create(
            provider="manual",
            external_id=external_id,
            defaults={
                "receipt": receipt,
                "amount": receipt.total,
                "currency": receipt.currency,
                "created_by_id": actor.user_id,
            },
        )
        handled = apply_event(provider_code="manual", event=event, body=body.encode(), actor=actor)
        if handled == "replay":
            raise Conflict(
                "reference_used", _("A transfer with this reference is recorded already.")
            )
    return handled


def _give_up_earlier_transfer(receipt: Receipt, actor: Actor) -> None:
    """Close the attempt that a transfer of another amount left open: a receipt has one a provider.

    Its event stays in the queue of mismatches.
    """
    left = Payment.objects.filter(receipt=receipt, provider="manual", status=S.PENDING).first()
    if left is None:
        return
    transition(Payment.objects.all(), table=STEPS, pk=left.pk, before=S.PENDING, after=S.FAILED)
    record("payment.given_up", actor=actor, target=left, data={"receipt": receipt.number})


def _check_transfer(transfer: Transfer, actor: Actor) -> None:
    if actor.user_id is None:
        raise Invalid("actor", _("A transfer is recorded by a person."))
    if not transfer.reference.strip():
        raise Invalid("reference", _("Enter the bank's reference of the transfer."))
    if not transfer.amount.is_finite() or not 0 < transfer.amount < Decimal("1e14"):
        raise Invalid("amount", _("Enter the amount that arrived, greater than zero."))
    if transfer.amount != transfer.amount.quantize(Decimal("0.0001")):
        raise Invalid("amount", _("Enter the amount that arrived, greater than zero."))
    if transfer.day > timezone.localdate():
        raise Invalid("day", _("The day of the transfer lies in the future."))


def resolve_mismatch(*, event_id: int, actor: Actor, resolution: str) -> None:
    """Take a mismatched event off the queue, saying what was done about it.

    Raises Invalid without a text, Conflict if it is resolved already or was no mismatch.
    """
    if not resolution.strip():
        raise Invalid("resolution", _("Say what was done about this payment."))
    with transaction.atomic():
        changed = InboundEvent.objects.filter(
            pk=event_id, outcome=EventOutcome.MISMATCH, resolved_at=None
        ).update(
            resolved_at=timezone.now(),
            resolved_by_id=actor.user_id,
            resolution=resolution.strip()[:500],
        )
        if not changed:
            raise Conflict("resolved", _("This payment was resolved by someone else already."))
        record(
            "payment_event.resolved",
            actor=actor,
            target=InboundEvent(pk=event_id),
            data={"resolution": resolution},
        )
