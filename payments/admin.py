"""Payments and provider events in the console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleForm,
    ReadOnlyAdmin,
    Step,
    admin_url,
    button,
    column,
    link,
    money,
)
from core.forms import DayInput
from payments.models import InboundEvent, Payment
from payments.selectors import mismatches
from payments.services import Transfer, record_transfer, resolve_mismatch
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


class TransferForm(ConsoleForm):
    """A bank transfer as it stands on the account's statement."""

    reference = forms.CharField(label=_("Bank's reference"), max_length=200)
    day = forms.DateField(label=_("Day of the transfer"), widget=DayInput())
    amount = forms.DecimalField(label=_("Amount that arrived"), max_digits=18, decimal_places=4)
    currency = forms.RegexField(r"\A[A-Z]{3}\Z", label=_("Currency"))


class ResolutionForm(ConsoleForm):
    """What was done about a payment that matches nothing."""

    resolution = forms.CharField(
        label=_("What was done"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


@admin.register(Payment)
class PaymentAdmin(CsvExport, ReadOnlyAdmin):
    """Attempts to pay, and what came of them."""

    list_display = ("created_at", "receipt_link", "provider", "state", "shown_amount", "settled_at")
    list_filter = ("status", "provider", "currency")
    list_select_related = ("receipt",)
    search_fields = ("^receipt__number", "=external_id", "=receipt__project__code")
    date_hierarchy = "created_at"
    fields = (
        "receipt_link",
        "provider",
        "status",
        "shown_amount",
        "public_id",
        "external_id",
        "created_by",
        "created_at",
        "settled_by",
        "settled_at",
    )
    readonly_fields = ("receipt_link", "shown_amount")
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

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.transfer)
        return [
            path("transfer/<int:receipt_id>/", page, name="payments_payment_transfer"),
            *super().get_urls(),
        ]

    def transfer(self, request: HttpRequest, receipt_id: int) -> HttpResponse:
        """Record a bank transfer for a receipt."""
        if not request.user.has_perm("payments.record_transfer"):
            raise PermissionDenied
        receipt = Receipt.objects.select_related("project").filter(pk=receipt_id).first()
        if receipt is None:
            raise Http404

        def run(actor: Actor, values: dict[str, Any]) -> str:
            handled = record_transfer(
                receipt_id=receipt.pk, transfer=Transfer(**values), actor=actor
            )
            if handled == "applied":
                return _t("The transfer is recorded and the receipt is paid.")
            return _t(
                "The transfer is recorded. It does not match the receipt, "
                "so it waits in the queue of mismatched payments."
            )

        step = Step(
            title=_("Record a bank transfer"),
            submit=_("Record"),
            run=run,
            form=TransferForm,
            initial={"day": timezone.localdate(), "currency": receipt.currency},
            back=admin_url(receipt, "change", receipt.pk),
            facts=(
                (_("Receipt"), receipt),
                (_("Project"), receipt.project),
                (_("Status"), receipt.get_status_display()),
                (_("Total"), money(receipt.total, receipt.currency)),
            ),
            intro=_(
                "Copy reference, day and amount from the account's statement. "
                "Only exactly the total settles the receipt."
            ),
        )
        return self.step(request, step)

    @column(_("Receipt"), ordering="receipt")
    def receipt_link(self, payment: Payment) -> str:
        return link(admin_url(Receipt, "change", payment.receipt_id), payment.receipt)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, payment: Payment) -> str:
        return money(payment.amount, payment.currency)


class QueueFilter(admin.SimpleListFilter):
    """Mismatches that wait for a person."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Waiting for a person"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[InboundEvent]) -> Any:
        return queryset.filter(pk__in=mismatches().values("pk")) if self.value() else queryset


@admin.register(InboundEvent)
class InboundEventAdmin(CsvExport, ReadOnlyAdmin):
    """What providers told, as it came; mismatches wait here for a person."""

    list_display = (
        "received_at",
        "receipt_link",
        "provider",
        "external_event_id",
        "state",
        "reason",
        "shown_amount",
        "resolved_at",
    )
    list_select_related = ("payment__receipt",)
    list_filter = (QueueFilter, "outcome", "reason", "provider")
    search_fields = ("=external_event_id", "=external_payment_id", "resolution")
    date_hierarchy = "received_at"
    actions_detail = ("resolve",)
    fields = (
        "receipt_link",
        "payment",
        "provider",
        "external_event_id",
        "kind",
        "external_payment_id",
        "shown_amount",
        "outcome",
        "reason",
        "occurred_at",
        "received_at",
        "body",
        "body_sha256",
        "resolved_at",
        "resolved_by",
        "resolution",
    )
    readonly_fields = ("receipt_link", "shown_amount")
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

    def has_resolve_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may take mismatches off the queue."""
        return request.user.has_perm("payments.resolve_inboundevent")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        waits = mismatches().filter(pk=object_id).exists()
        return super().get_actions_detail(request, object_id) if waits else []

    @button(_("Resolve"), path="resolve", icon="task_alt", permission="resolve", primary=True)
    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a mismatch off the queue, saying what was done about it."""
        event: InboundEvent = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            resolve_mismatch(event_id=event.pk, actor=actor, resolution=values["resolution"])
            return _t("The payment is off the queue.")

        step = Step(
            title=_("Resolve a mismatched payment"),
            submit=_("Resolve"),
            run=run,
            form=ResolutionForm,
            back=admin_url(event, "change", event.pk),
            target=event,
            facts=(
                (_("Provider"), event.provider),
                (_("Event"), event.external_event_id),
                (_("Amount"), money(event.amount, event.currency)),
                (_("Why it does not match"), event.get_reason_display()),
            ),
            intro=_(
                "Say what was done: refunded, recorded for another receipt, clarified with the "
                "payer. This changes no money; it only takes the payment off the queue."
            ),
        )
        return self.step(request, step)

    @column(_("Receipt"), ordering="payment__receipt")
    def receipt_link(self, event: InboundEvent) -> str:
        if event.payment is None:
            return NOTHING
        return link(admin_url(Receipt, "change", event.payment.receipt_id), event.payment.receipt)

    @column(_("Outcome"), ordering="outcome", label=OUTCOME)
    def state(self, event: InboundEvent) -> tuple[str, str]:
        return event.outcome, event.get_outcome_display()

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, event: InboundEvent) -> str:
        return money(event.amount, event.currency)
