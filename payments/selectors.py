"""Reading payments."""

from django.db.models import QuerySet

from accounts.selectors import Viewer
from payments.models import InboundEvent, Payment
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
