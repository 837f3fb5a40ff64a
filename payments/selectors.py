"""Reading payments."""

from django.db.models import QuerySet

from accounts.selectors import Viewer
from payments.models import InboundEvent, Payment
from receipts.models import Receipt
from receipts.selectors import receipts_visible_to


def payments_visible_to(user: Viewer) -> QuerySet[Payment]:
    """Return the payments of receipts that a person may see."""
    payments = Payment.objects.filter(receipt__in=receipts_visible_to(user))
    return payments.select_related("receipt", "receipt__project")


def payments_readable_by(user: Viewer) -> QuerySet[Payment]:
    """Return all payments to staff whose role sees them, else what ``payments_visible_to`` does."""
    if user.has_perm("payments.view_payment"):
        return Payment.objects.select_related("receipt", "receipt__project")
    return payments_visible_to(user)


def mismatches() -> QuerySet[InboundEvent]:
    """Return payments that arrived and match nothing, waiting for a person, oldest first."""
    rows = InboundEvent.objects.filter(outcome=InboundEvent.Outcome.MISMATCH, resolved_at=None)
    return rows.select_related("payment__receipt__project").order_by("received_at")


def payments_of(receipt: Receipt) -> QuerySet[Payment]:
    """Return the attempts to pay a receipt, newest first."""
    return Payment.objects.filter(receipt=receipt).order_by("-pk")


def has_open_mismatch(receipt: Receipt) -> bool:
    """Tell whether something arrived for a receipt that a person still has to look at."""
    return mismatches().filter(payment__receipt=receipt).exists()


def state_of(payment: Payment) -> str:
    """Return how a payment stands for its payer: its status; ``mismatch`` if something arrived that
    a person has to look at; ``settled_otherwise`` if its receipt needs it no more."""
    if payment.status == Payment.Status.SUCCEEDED:
        return Payment.Status.SUCCEEDED
    if mismatches().filter(payment=payment).exists():
        return "mismatch"
    waits = payment.status == Payment.Status.PENDING
    if waits and payment.receipt.status != Receipt.Status.ISSUED:
        return "settled_otherwise"
    return payment.status
