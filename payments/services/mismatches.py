"""What arrived and matches nothing: a person says what is done about it."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.money import round_money
from payments.models import EventOutcome, InboundEvent, Payment
from payments.services.arriving import give_up
from payments.services.settlement import restate, use_balance
from receipts.models import Receipt
from receipts.services.steps import locked


def resolve_mismatch(*, event_id: int, actor: Actor, resolution: str) -> None:
    """Take a mismatched event off the queue, saying what was done about it.

    Raises Invalid without a text, Conflict if it is resolved already or was no mismatch.
    """
    if not resolution.strip():
        raise Invalid("resolution", _("Say what was done about this payment."))
    with transaction.atomic():
        _take_off(event_id, resolution, actor)


def _take_off(event_id: int, resolution: str, actor: Actor) -> None:
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


def keep_as_balance(*, event_id: int, actor: Actor, remark: str = "") -> Payment:
    """Take what arrived as a payment of the project that it was meant for: it settles what is left
    of the receipt, and the rest is the project's balance.

    Raises Conflict if nobody can say whose money it is, for parts of the smallest unit of the
    currency, which no receipt could ask for, or if it was resolved already.
    """
    with transaction.atomic():
        event = InboundEvent.objects.select_related("payment").filter(pk=event_id).first()
        if event is None or event.payment is None or not event.amount:
            raise Conflict(
                "whose_money", _("Nobody can say whose money this is. Find out and send it back.")
            )
        if event.amount != round_money(event.amount, event.currency):
            raise Conflict(
                "too_many_decimals",
                _("This amount has more decimals than its currency. Ask who sent the money."),
            )
        receipt = locked(event.payment.receipt_id)
        said = gettext("Kept as the project's balance")
        _take_off(event.pk, f"{said}: {remark.strip()}" if remark.strip() else said, actor)
        waits = Payment.objects.filter(pk=event.payment.pk, status=Payment.Status.PENDING).first()
        if waits is not None and waits.provider == "manual":
            give_up(waits, actor)
        payment = Payment.objects.create(
            receipt=receipt,
            provider=event.provider,
            status=Payment.Status.SUCCEEDED,
            amount=event.amount,
            currency=event.currency,
            created_by_id=actor.user_id,
            settled_by=event,
            settled_at=timezone.now(),
        )
        record(
            "payment.kept",
            actor=actor,
            target=payment,
            data={
                "receipt": receipt.number,
                "event": event.external_event_id,
                "amount": payment.amount,
                "currency": payment.currency,
            },
        )
        if receipt.status in Receipt.OPEN:
            use_balance(receipt, actor)
            restate(receipt, actor, event.occurred_at)
    return payment
