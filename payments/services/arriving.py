"""Being paid: checkouts, and verified events that settle what they were started for."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
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
from core.errors import Conflict, DomainError
from core.locks import lock_rows
from core.transitions import Table, transition
from payments.models import EventOutcome, EventReason, InboundEvent, Payment, Withholding
from payments.providers.base import (
    BadSignature,
    CheckoutRequest,
    Provider,
    ProviderEvent,
    ProviderUnavailable,
)
from payments.providers.registry import provider as find_provider
from payments.services.official import Act, give_official_receipt
from payments.services.settlement import allocate, restate, standing
from receipts.models import Receipt
from receipts.services.steps import locked

S = Payment.Status
STEPS: Table = {S.PENDING: frozenset({S.SUCCEEDED, S.FAILED})}
Handled = Literal["applied", "mismatch", "noted", "replay"]


@dataclass(frozen=True, slots=True)
class Withheld:
    """Tax that the payer kept back, as it stands on the certificate. ``percent`` is of the net."""

    amount: Decimal
    percent: Decimal
    certificate: str
    day: date


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
    """Return the payment that waits for what is left of a receipt; one over another amount is given
    up, as more was paid or credited meanwhile."""
    receipt = locked(receipt_id)
    left = standing(receipt).left
    if receipt.status not in Receipt.OPEN or left <= 0:
        raise Conflict("not_payable", _("This receipt is not open for payment."))
    waits = Payment.objects.filter(receipt=receipt, provider=provider_code, status=S.PENDING)
    payment = waits.first()
    if payment is not None and payment.amount == left:
        payment.receipt = receipt
        return payment
    if payment is not None:
        give_up(payment, actor)
    payment = Payment.objects.create(
        receipt=receipt,
        provider=provider_code,
        amount=left,
        currency=receipt.currency,
        created_by_id=actor.user_id,
    )
    record("payment.started", actor=actor, target=payment, data=_figures(payment))
    return payment


def _figures(payment: Payment) -> dict[str, object]:
    return {
        "receipt": payment.receipt.number,
        "provider": payment.provider,
        "amount": payment.amount,
        "currency": payment.currency,
    }


def give_up(payment: Payment, actor: Actor) -> None:
    """Close an attempt that is not waited for any more; what still comes for it is looked at by a
    person."""
    transition(Payment.objects.all(), table=STEPS, pk=payment.pk, before=S.PENDING, after=S.FAILED)
    data = {"receipt": payment.receipt.number}
    record("payment.given_up", actor=actor, target=payment, data=data)


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


def apply_event(
    *,
    provider_code: str,
    event: ProviderEvent,
    body: bytes,
    actor: Actor,
    withheld: Withheld | None = None,
) -> Handled:
    """Keep a verified event and settle the receipt that it pays, in one transaction.

    A provider's event counts only if amount and currency are exactly what its payment was started
    for, and that is still what is left of the receipt; a transfer may be less, which pays a part.
    Whatever else arrives is queued as a mismatch for a person to resolve. ``withheld`` is recorded
    together with money that counts, and only then.
    """
    with transaction.atomic():
        row = _keep(provider_code, event, body)
        if row is None:
            return "replay"
        payment = _locked_payment(provider_code, event.external_payment_id)
        row.payment = payment
        row.outcome, row.reason = _apply(row, event, payment, actor, withheld)
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
    """Lock a payment after its project and receipt, in the order of the house."""
    found = Payment.objects.filter(provider=provider_code, external_id=external_id).first()
    if found is None:
        return None
    receipt = locked(found.receipt_id)
    (payment,) = lock_rows(Payment.objects.all(), found.pk)
    payment.receipt = receipt
    return payment


def _apply(
    row: InboundEvent,
    event: ProviderEvent,
    payment: Payment | None,
    actor: Actor,
    withheld: Withheld | None,
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
    _settle(row, event, payment, actor, withheld)
    return EventOutcome.APPLIED, EventReason.NONE


def _difference(event: ProviderEvent, payment: Payment) -> EventReason:
    """Return why an event does not settle a payment's receipt, or no reason."""
    receipt = payment.receipt
    if receipt.status == Receipt.Status.PAID:
        return EventReason.ALREADY_SETTLED
    if receipt.status not in Receipt.OPEN or payment.status != S.PENDING:
        return EventReason.NOT_PAYABLE
    if event.currency != receipt.currency:
        return EventReason.CURRENCY
    left = standing(receipt).left
    fits = payment.amount <= left if payment.provider == "manual" else payment.amount == left
    if not fits or event.amount != payment.amount:
        return EventReason.AMOUNT
    return EventReason.NONE


def _settle(
    row: InboundEvent,
    event: ProviderEvent,
    payment: Payment,
    actor: Actor,
    withheld: Withheld | None,
) -> None:
    receipt = payment.receipt
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
    record("payment.settled", actor=actor, target=payment, data=_figures(payment))
    settle(
        receipt=receipt,
        payment=payment,
        amount=payment.amount,
        withheld=withheld,
        paid_at=event.occurred_at,
        actor=actor,
    )


def settle(
    *,
    receipt: Receipt,
    actor: Actor,
    paid_at: datetime,
    payment: Payment | None = None,
    amount: Decimal = Decimal(0),
    withheld: Withheld | None = None,
) -> None:
    """Let money that arrived, tax withheld or both settle a receipt, which is locked, and give the
    payer one official receipt for it."""
    allocation = withholding = None
    if payment is not None:
        allocation = allocate(payment=payment, receipt=receipt, amount=amount, actor=actor)
    if withheld is not None:
        withholding = note_withheld(receipt, withheld, actor)
    act = Act(timezone.localdate(paid_at), allocation, amount, withholding)
    give_official_receipt(receipt=receipt, act=act, actor=actor)
    restate(receipt, actor, paid_at)


def note_withheld(receipt: Receipt, withheld: Withheld, actor: Actor) -> Withholding:
    """Write down tax withheld of a receipt, which is locked."""
    made = Withholding.objects.create(
        receipt=receipt,
        amount=withheld.amount,
        percent=withheld.percent,
        certificate=withheld.certificate.strip(),
        day=withheld.day,
        recorded_by_id=actor.user_id,
    )
    data = {"receipt": receipt.number, "certificate": made.certificate, "amount": made.amount}
    record("withholding.recorded", actor=actor, target=made, data={**data, "percent": made.percent})
    return made
