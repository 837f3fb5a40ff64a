"""What needs a second person: money given back, and receipts written off."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import lock_rows
from core.money import round_money, total
from core.seen import require_seen
from core.transitions import Table, transition
from payments.models import Payment, Refund, RefundStatus
from payments.selectors import balance_of, unallocated_of
from payments.services.settlement import restate, standing, use_balance
from receipts.differences import waits
from receipts.models import Receipt, WriteOff, WriteOffStatus
from receipts.selectors import lines_crediting
from receipts.services import mark_settled
from receipts.services.corrections import credit_now
from receipts.services.steps import locked

R, W = RefundStatus, WriteOffStatus
REFUND_STEPS: Table = {
    # At once where the bank took a payment back.
    R.REQUESTED: frozenset({R.APPROVED, R.REJECTED, R.PAID_OUT}),
    R.APPROVED: frozenset({R.PAID_OUT, R.REJECTED}),
}
WRITE_OFF_STEPS: Table = {W.REQUESTED: frozenset({W.APPROVED, W.REJECTED})}
NOT_ALONE = _("Whoever asks for it does not approve it: ask a colleague.")


def request_refund(
    *, payment_id: int, amount: Decimal, reason: str, actor: Actor, seen: Decimal | None = None
) -> Refund:
    """Ask for a part of a payment that settles nothing to be given back; it is set aside at once.

    ``seen`` is what settled nothing when the person looked: a second click asks for nothing twice.
    Raises Invalid without a reason, for a bad amount, and for more than is left, Conflict if some
    of it was used or asked back since the person looked.
    """
    person = person_asking(reason, actor)
    if not amount.is_finite() or amount <= 0:
        raise Invalid("amount", _("Enter an amount greater than zero."))
    with transaction.atomic():
        payment = locked_payment(payment_id)
        if payment.refunds.filter(bounced=True).exclude(status=R.REJECTED).exists():
            raise Conflict("bounced", _("This payment is taken back already, or about to be."))
        if amount != round_money(amount, payment.currency):
            raise Invalid("amount", _("Enter no more decimals than the currency has."))
        left = unallocated_of(payment)
        if seen is not None and seen != left:
            raise Conflict(
                "left_changed",
                _(
                    "Some of this payment was used or asked back since you looked, so nothing was"
                    " asked for now. Look at its refunds; if more is to be given back, do it anew."
                ),
            )
        if amount > left:
            raise Invalid("amount", _("This is more than is left of the payment."))
        refund = Refund.objects.create(
            payment=payment,
            amount=amount,
            reason=reason.strip()[:200],
            requested_by_id=person,
        )
        data = {**refund_figures(refund), "reason": reason}
        record("refund.requested", actor=actor, target=refund, data=data)
    return refund


def locked_payment(payment_id: int) -> Payment:
    """Lock a payment after its project and receipt."""
    receipt_id = Payment.objects.values_list("receipt", flat=True).get(pk=payment_id)
    receipt = locked(receipt_id)
    (payment,) = lock_rows(Payment.objects.all(), payment_id)
    payment.receipt = receipt
    return payment


def refund_figures(refund: Refund) -> dict[str, object]:
    """Return what the audit log keeps of a refund at each step."""
    return {
        "bounced": refund.bounced,
        "receipt": refund.payment.receipt.number,
        "amount": refund.amount,
        "currency": refund.payment.currency,
    }


def person_asking(reason: str, actor: Actor) -> int:
    """Return who asks. Raises Invalid where that is nobody, and without a reason."""
    if actor.user_id is None:
        raise Invalid("actor", _("A person asks for this, and another one approves it."))
    _check_reason(reason)
    return actor.user_id


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("reason", _("Say why."))


def approve_refund(*, refund_id: int, actor: Actor) -> Refund:
    """Agree, as a second person, that a refund is paid out."""
    stamps = {"approved_by_id": actor.user_id, "approved_at": timezone.now()}
    return _move_refund(refund_id, (R.REQUESTED,), R.APPROVED, actor, stamps)


def reject_refund(*, refund_id: int, actor: Actor, reason: str) -> Refund:
    """Refuse a refund, or give up one that could not be paid out: the money is balance again."""
    _check_reason(reason)
    stamps = {
        "rejected_by_id": actor.user_id,
        "rejected_at": timezone.now(),
        "rejected_because": reason.strip()[:200],
    }
    return _move_refund(refund_id, (R.REQUESTED, R.APPROVED), R.REJECTED, actor, stamps)


def pay_out_refund(*, refund_id: int, actor: Actor, reference: str) -> Refund:
    """Say that a refund has left the account, with the bank's reference."""
    if not reference.strip():
        raise Invalid("reference", _("Enter the bank's reference of the transfer."))
    stamps = {
        "paid_out_by_id": actor.user_id,
        "done_at": timezone.now(),
        "reference": reference.strip()[:200],
    }
    return _move_refund(refund_id, (R.APPROVED,), R.PAID_OUT, actor, stamps)


def _move_refund(
    refund_id: int,
    before: tuple[RefundStatus, ...],
    after: RefundStatus,
    actor: Actor,
    stamps: Mapping[str, Any],
) -> Refund:
    with transaction.atomic():
        payment_id = Refund.objects.values_list("payment", flat=True).get(pk=refund_id)
        payment = locked_payment(payment_id)
        refund = Refund.objects.get(pk=refund_id)
        refund.payment = payment
        if refund.status not in before or (refund.bounced and after is not R.REJECTED):
            raise decided()
        if after is R.APPROVED and actor.user_id in (None, refund.requested_by_id):
            raise Conflict("own_request", NOT_ALONE)
        transition(
            Refund.objects.all(),
            table=REFUND_STEPS,
            pk=refund.pk,
            before=refund.status,
            after=after,
            **stamps,
        )
        texts = {key: stamps[key] for key in ("reference", "rejected_because") if key in stamps}
        data = {**refund_figures(refund), **texts}
        record(f"refund.{after.value}", actor=actor, target=refund, data=data)
    refund.refresh_from_db()
    return refund


def decided() -> Conflict:
    """Return what is told to the second of two who decide."""
    return Conflict("decided", _("This was decided by someone else already."))


def request_write_off(
    *, receipt_id: int, reason: str, actor: Actor, seen: str | None = None
) -> WriteOff:
    """Ask for what is left of a receipt to be given up. A correction of it that waits gets its
    credit note first: what was written off is credited no more.

    Raises Invalid without a reason, Conflict if it is not open or one waits already, Changed where
    ``left_to_give_up`` is not what was seen.
    """
    person = person_asking(reason, actor)
    with transaction.atomic():
        receipt = locked(receipt_id)
        require_seen(seen, *left_to_give_up(receipt))
        if waits(receipt):
            credit_now(receipt=receipt, actor=actor)
            receipt = locked(receipt_id)
        if receipt.status not in Receipt.OPEN:
            raise Conflict("not_payable", _("Only what is still to be paid is written off."))
        if receipt.write_offs.filter(status=W.REQUESTED).exists():
            raise Conflict("requested", _("Someone has asked for this already."))
        made = WriteOff.objects.create(
            receipt=receipt,
            amount=standing(receipt).left,
            reason=reason.strip()[:200],
            requested_by_id=person,
        )
        data = {**_write_off_figures(made), "reason": reason}
        record("write_off.requested", actor=actor, target=made, data=data)
    return made


def left_to_give_up(receipt: Receipt) -> tuple[Decimal, Decimal]:
    """Return what is left to pay of a receipt, and what of that a credit note gives back first
    (less than zero, before tax)."""
    waiting = lines_crediting(receipt) if waits(receipt) else []
    return standing(receipt).left, total(line.amount for line in waiting)


def _write_off_figures(write_off: WriteOff) -> dict[str, object]:
    receipt = write_off.receipt
    return {
        "receipt": receipt.number,
        "amount": write_off.amount,
        "currency": receipt.currency,
    }


def approve_write_off(*, write_off_id: int, actor: Actor) -> WriteOff:
    """Agree, as a second person, that what is left of a receipt is given up.

    Raises Conflict for who asked, and if something was paid or credited since, or is to be: then it
    is rejected and asked for anew.
    """
    with transaction.atomic():
        write_off = _locked_write_off(write_off_id)
        receipt = write_off.receipt
        if actor.user_id in (None, write_off.requested_by_id):
            raise Conflict("own_request", NOT_ALONE)
        changed = standing(receipt).left != write_off.amount or waits(receipt)
        if receipt.status not in Receipt.OPEN or changed:
            raise Conflict(
                "left_changed",
                _("Something was paid or credited since. Reject this, and ask for it anew."),
            )
        stamps = {"approved_by_id": actor.user_id, "approved_at": timezone.now()}
        _move_write_off(write_off, W.APPROVED, stamps)
        data = _write_off_figures(write_off)
        record("write_off.approved", actor=actor, target=write_off, data=data)
        mark_settled(receipt=receipt, status=Receipt.Status.WRITTEN_OFF, actor=actor)
    write_off.refresh_from_db()
    return write_off


def reject_write_off(*, write_off_id: int, actor: Actor, reason: str) -> WriteOff:
    """Refuse a write-off, saying why: the receipt stays as it is."""
    _check_reason(reason)
    with transaction.atomic():
        write_off = _locked_write_off(write_off_id)
        because = reason.strip()[:200]
        stamps = {
            "rejected_by_id": actor.user_id,
            "rejected_at": timezone.now(),
            "rejected_because": because,
        }
        _move_write_off(write_off, W.REJECTED, stamps)
        data = {**_write_off_figures(write_off), "reason": because}
        record("write_off.rejected", actor=actor, target=write_off, data=data)
    write_off.refresh_from_db()
    return write_off


def _locked_write_off(write_off_id: int) -> WriteOff:
    receipt = locked(WriteOff.objects.values_list("receipt", flat=True).get(pk=write_off_id))
    write_off = WriteOff.objects.get(pk=write_off_id)
    write_off.receipt = receipt
    if write_off.status != W.REQUESTED:
        raise decided()
    return write_off


def _move_write_off(write_off: WriteOff, after: WriteOffStatus, stamps: Mapping[str, Any]) -> None:
    transition(
        WriteOff.objects.all(),
        table=WRITE_OFF_STEPS,
        pk=write_off.pk,
        before=W.REQUESTED,
        after=after,
        **stamps,
    )


def use_balance_for(*, receipt_id: int, actor: Actor, seen: str | None = None) -> Decimal:
    """Settle an open receipt from its project's balance now; returns how much was used.

    Raises Conflict if there is nothing to use, or nothing left to pay, Changed where
    ``left_and_balance`` is not what was seen.
    """
    with transaction.atomic():
        receipt = locked(receipt_id)
        require_seen(seen, *left_and_balance(receipt))
        if receipt.status not in Receipt.OPEN:
            raise Conflict("not_payable", _("This receipt is not open for payment."))
        used = use_balance(receipt, actor)
        if not used:
            raise Conflict("no_balance", _("The project has no balance in this currency."))
        restate(receipt, actor)
    return used


def left_and_balance(receipt: Receipt) -> tuple[Decimal, Decimal]:
    """Return what is left to pay of a receipt, and what its project has paid that settles
    nothing."""
    return standing(receipt).left, balance_of(receipt.project, receipt.currency)
