"""Payments and provider events in the console."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.admin import ReadOnlyAdmin, admin_url, column, link, money
from payments.models import InboundEvent, Payment
from receipts.models import Receipt

STATUS = {
    Payment.Status.PENDING: "info",
    Payment.Status.SUCCEEDED: "success",
    Payment.Status.FAILED: "danger",
}
OUTCOME = {
    InboundEvent.Outcome.APPLIED: "success",
    InboundEvent.Outcome.MISMATCH: "danger",
    InboundEvent.Outcome.NOTED: "info",
}


@admin.register(Payment)
class PaymentAdmin(CsvExport, ReadOnlyAdmin):
    """Attempts to pay, and what came of them."""

    list_display = ("created_at", "receipt_link", "provider", "state", "shown_amount", "settled_at")
    list_filter = ("status", "provider", "currency")
    list_select_related = ("receipt",)
    search_fields = ("^receipt__number", "=external_id", "=receipt__project__code")
    date_hierarchy = "created_at"
    csv_columns = {
        "payment": "public_id",
        "receipt": "receipt__number",
        "project": "receipt__project__code",
        "provider": "provider",
        "status": "status",
        "amount": "amount",
        "currency": "currency",
        "external_id": "external_id",
        "created": "created_at",
        "settled": "settled_at",
    }

    @column(_("Receipt"), ordering="receipt")
    def receipt_link(self, payment: Payment) -> str:
        return link(admin_url(Receipt, "change", payment.receipt_id), payment.receipt)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, payment: Payment) -> str:
        return money(payment.amount, payment.currency)


@admin.register(InboundEvent)
class InboundEventAdmin(CsvExport, ReadOnlyAdmin):
    """What providers told, as it came; mismatches wait here for a person."""

    list_display = (
        "received_at",
        "provider",
        "external_event_id",
        "state",
        "reason",
        "shown_amount",
        "resolved_at",
    )
    list_filter = ("outcome", "reason", ("resolved_at", admin.EmptyFieldListFilter), "provider")
    search_fields = ("=external_event_id", "=external_payment_id", "resolution")
    date_hierarchy = "received_at"
    csv_columns = {
        "received": "received_at",
        "provider": "provider",
        "event": "external_event_id",
        "kind": "kind",
        "payment": "external_payment_id",
        "amount": "amount",
        "currency": "currency",
        "outcome": "outcome",
        "reason": "reason",
        "resolved": "resolved_at",
        "resolved_by": "resolved_by__username",
        "resolution": "resolution",
    }

    @column(_("Outcome"), ordering="outcome", label=OUTCOME)
    def state(self, event: InboundEvent) -> tuple[str, str]:
        return event.outcome, event.get_outcome_display()

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, event: InboundEvent) -> str:
        return money(event.amount, event.currency)
