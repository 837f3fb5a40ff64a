"""Provider events in the console: as they came, and the queue of what matches nothing."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
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
from payments.models import InboundEvent
from payments.providers.registry import label_of
from payments.selectors import mismatches
from payments.services import keep_as_balance, resolve_mismatch
from receipts.models import Receipt

OUTCOME = {
    InboundEvent.Outcome.APPLIED: "success",
    InboundEvent.Outcome.MISMATCH: "danger",
    InboundEvent.Outcome.NOTED: "info",
}


class ResolutionForm(ConsoleForm):
    """What was done about a payment that matches nothing."""

    resolution = forms.CharField(
        label=_("What was done"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


class RemarkForm(ConsoleForm):
    """Why money is kept, where there is more to say."""

    remark = forms.CharField(label=_("Remark"), max_length=200, required=False)


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
        "way",
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
    actions_detail = ("keep", "resolve")
    fields = (
        "receipt_link",
        "payment",
        "way",
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
    filled_only = ("reason", "resolved_at", "resolved_by", "resolution")
    readonly_fields = ("receipt_link", "way", "shown_amount")
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

    @column(_("Way"), ordering="provider")
    def way(self, event: InboundEvent) -> str:
        return label_of(event.provider)

    def has_resolve_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may take mismatches off the queue."""
        return request.user.has_perm("payments.resolve_inboundevent")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        waits = mismatches().filter(pk=object_id).first()
        if waits is None:
            return []
        found = super().get_actions_detail(request, object_id)
        # Nobody's money can't be kept.
        return found if waits.payment else found[-1:]

    @button(
        _("Keep as the project's balance"),
        path="keep",
        icon="savings",
        permission="resolve",
        primary=True,
    )
    def keep(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take what arrived as the project's money."""
        event: InboundEvent = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            keep_as_balance(event_id=event.pk, actor=actor, remark=values["remark"])
            return _t("The money is the project's. What is left of the receipt is paid by it.")

        step = Step(
            title=_("Keep as the project's balance"),
            submit=_("Keep"),
            run=run,
            form=RemarkForm,
            back=admin_url(event, "change", event.pk),
            target=event,
            facts=(
                *facts_of(event),
                (_("Project"), event.payment.receipt.project if event.payment else NOTHING),
            ),
            intro=_(
                "The money settles what is left of the receipt that it came for. The rest is the "
                "project's balance: its next receipt uses it, or it is refunded."
            ),
        )
        return self.step(request, step)

    @button(_("Resolve"), path="resolve", icon="task_alt", permission="resolve")
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
            facts=facts_of(event),
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


def facts_of(event: InboundEvent) -> tuple[tuple[Any, Any], ...]:
    """Return what a person should see of an event before deciding about it."""
    return (
        (_("Provider"), event.provider),
        (_("Event"), event.external_event_id),
        (_("Amount"), money(event.amount, event.currency)),
        (_("Why it does not match"), event.get_reason_display()),
    )
