"""Money that the bank took back after it was counted: it settles nothing any more."""

from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import lock_rows
from payments.models import Allocation, Payment, Refund
from payments.selectors import unallocated_of
from payments.services.decisions import request_refund
from payments.services.official import correct_official_receipts
from payments.services.settlement import allocate, restate
from receipts.models import Receipt
from receipts.services.steps import locked


def bounce_payment(*, payment_id: int, reason: str, actor: Actor) -> Refund:
    """Release all that a payment settles, as the bank took it back, and set it aside as a refund,
    which a second person approves and the bank's reference proves.

    The receipts ask for the money again, and the official receipts over it are cancelled. Raises
    Invalid without a reason, Conflict if it never came, is given back, or pays for something that
    was written off since.
    """
    if not reason.strip():
        raise Invalid("reason", _("Say why."))
    with transaction.atomic():
        payment = _locked(payment_id)
        for receipt, settles in _settled_by(payment):
            if receipt.status == Receipt.Status.WRITTEN_OFF:
                raise Conflict(
                    "written_off",
                    _("The rest of %(number)s was written off: its payments stay as they are.")
                    % {"number": receipt.number},
                )
            allocate(payment=payment, receipt=receipt, amount=-settles, actor=actor)
            correct_official_receipts(receipt=receipt, reason=reason, actor=actor)
            restate(receipt, actor)
        left = unallocated_of(payment)
        if not left:
            raise Conflict("nothing_left", _("Nothing of this payment is here any more."))
        data = {"reason": reason, "amount": left, "currency": payment.currency}
        record("payment.bounced", actor=actor, target=payment, data=data)
        return request_refund(payment_id=payment.pk, amount=left, reason=reason, actor=actor)


def _locked(payment_id: int) -> Payment:
    receipt = locked(Payment.objects.values_list("receipt", flat=True).get(pk=payment_id))
    # Its project is locked: nobody else allocates anything of it now.
    held = Allocation.objects.filter(payment=payment_id).values_list("receipt", flat=True)
    lock_rows(Receipt.objects.all(), *set(held))
    (payment,) = lock_rows(Payment.objects.all(), payment_id)
    payment.receipt = receipt
    return payment


def _settled_by(payment: Payment) -> list[tuple[Receipt, Decimal]]:
    held = Allocation.objects.filter(payment=payment).order_by("receipt")
    sums = dict(held.values_list("receipt").annotate(sum=Sum("amount")))
    found = Receipt.objects.in_bulk([key for key, settles in sums.items() if settles])
    return [(found[key], sums[key]) for key in sorted(found)]
