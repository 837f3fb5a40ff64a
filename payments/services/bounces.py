"""Payments that the bank took back: a cheque without cover, a transfer recalled, a card disputed.

One person asks for it and another one, who looks at the bank's statement, approves it. It is kept
as a refund of the whole payment that ``bounced``: nothing is paid out, the bank has it already.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import lock_rows
from core.transitions import transition
from payments.models import Allocation, Payment, Refund, RefundStatus
from payments.selectors import bounces_of
from payments.services.decisions import (
    NOT_ALONE,
    REFUND_STEPS,
    decided,
    locked_payment,
    person_asking,
    refund_figures,
)
from payments.services.official import correct_official_receipts
from payments.services.settlement import allocate, restate
from receipts.models import Receipt
from receipts.services.outbox import queue_bounced

R = RefundStatus


def request_bounce(*, payment_id: int, reason: str, actor: Actor) -> Refund:
    """Ask for a payment to be taken back that was recorded as received. It stays as it is until a
    second person approves that.

    Raises Invalid without a reason, Conflict where nothing was received, a part of it was refunded
    or is about to be, or it is taken back already.
    """
    person = person_asking(reason, actor)
    with transaction.atomic():
        payment = locked_payment(payment_id)
        _check_bounces(payment)
        _settled(payment)
        refund = Refund.objects.create(
            payment=payment,
            amount=payment.amount,
            bounced=True,
            reason=reason.strip()[:200],
            requested_by_id=person,
        )
        data = {**refund_figures(refund), "reason": reason}
        record("refund.requested", actor=actor, target=refund, data=data)
    return refund


def _check_bounces(payment: Payment) -> None:
    if payment.status != Payment.Status.SUCCEEDED:
        raise Conflict("not_received", _("Nothing was received of this payment."))
    others = payment.refunds.exclude(status=R.REJECTED)
    if others.filter(bounced=True).exists():
        raise Conflict("bounced", _("This payment is taken back already, or about to be."))
    if others.filter(status=R.PAID_OUT).exists():
        raise Conflict(
            "refunded",
            _(
                "A part of this payment was refunded already: more than the bank took back would be"
                " lost. Ask the payer for that part first, and record what comes as a transfer of"
                " its own; then write off what is left, with a note to this payment."
            ),
        )
    if others.exists():
        raise Conflict(
            "refund_waits",
            _("A refund of this payment waits. Reject it first: the money is not there any more."),
        )


def _settled(payment: Payment) -> list[tuple[Receipt, Decimal]]:
    """Lock the receipts that a payment settles; return them with what it settles of each. Raises
    Conflict if one was written off."""
    held = Allocation.objects.filter(payment=payment).order_by().values_list("receipt")
    amounts = {pk: settles for pk, settles in held.annotate(sum=Sum("amount")) if settles}
    found = lock_rows(Receipt.objects.all(), *amounts)
    for receipt in found:
        if receipt.status == Receipt.Status.WRITTEN_OFF:
            said = _(
                "What was left of %(number)s, which this payment settles in part, was written off:"
                " it is closed. Record the loss in your ledger by hand."
            )
            raise Conflict("written_off", said % {"number": receipt.number})
    return [(receipt, amounts[receipt.pk]) for receipt in found]


def approve_bounce(*, refund_id: int, actor: Actor, reference: str) -> Refund:
    """Agree, as a second person with the bank's ``reference`` of it, that a payment was taken back.

    What it settled is released: the receipts ask for it again, due when they always were, their
    official receipts are cancelled, and who is reminded is told. All of it counts from now on, so
    that no closed month changes.
    Raises Invalid without a reference, Conflict for who asked and where it was decided already.
    """
    if not reference.strip():
        raise Invalid("reference", _("Enter the bank's reference of the returned payment."))
    with transaction.atomic():
        refund = Refund.objects.get(pk=refund_id)
        payment = locked_payment(refund.payment_id)
        refund = Refund.objects.get(pk=refund_id)
        refund.payment = payment
        if refund.status != R.REQUESTED or not refund.bounced:
            raise decided()
        if actor.user_id in (None, refund.requested_by_id):
            raise Conflict("own_request", NOT_ALONE)
        for receipt, settles in _settled(payment):
            allocate(payment=payment, receipt=receipt, amount=-settles, actor=actor)
            correct_official_receipts(receipt=receipt, why=refund.reason, actor=actor)
            restate(receipt, actor)
            queue_bounced(receipt, bounces=bounces_of(receipt) + 1)
        now = timezone.now()
        stamps = {"approved_by_id": actor.user_id, "approved_at": now, "done_at": now}
        transition(
            Refund.objects.all(),
            table=REFUND_STEPS,
            pk=refund.pk,
            before=R.REQUESTED,
            after=R.PAID_OUT,
            reference=reference.strip()[:200],
            **stamps,
        )
        data = {**refund_figures(refund), "reference": reference}
        record("refund.paid_out", actor=actor, target=refund, data=data)
    refund.refresh_from_db()
    return refund
