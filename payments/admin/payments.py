"""Payments in the console: what came, what it settles, refunds and balances."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from audit.console import CsvExport
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleForm,
    LinkedFilter,
    ReadOnlyInline,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    link,
    money,
    plain_number,
)
from payments.admin.receipt_steps import ReceiptSteps
from payments.models import Allocation, Payment, Refund
from payments.providers.registry import label_of
from payments.selectors import (
    balances,
    bounces,
    taken_back,
    unallocated_of,
    with_parts,
    with_unallocated,
)
from payments.services import request_bounce, request_refund
from receipts.models import Receipt

STATUS = {
    Payment.Status.PENDING: "info",
    Payment.Status.SUCCEEDED: "success",
    Payment.Status.FAILED: "danger",
}


class RefundForm(ConsoleForm):
    """What is to be given back, and why."""

    amount = forms.DecimalField(label=_("Amount"), max_digits=18, decimal_places=4)
    reason = forms.CharField(label=_("Reason"), max_length=200)
    seen = forms.DecimalField(required=False, widget=forms.HiddenInput)


class ReceiptFilter(LinkedFilter):
    """Payments that came for a receipt, or settle a part of it."""

    title = _("receipt")
    parameter_name = "receipt"
    lookup = "receipt"
    model = "receipts.Receipt"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if not value or not value.isdecimal():
            return super().queryset(request, queryset)
        return queryset.filter(Q(receipt=value) | Q(allocations__receipt=value)).distinct()


class ProjectFilter(LinkedFilter):
    """Payments of a project."""

    title = _("project")
    parameter_name = "project"
    lookup = "receipt__project"
    model = "accounts.Project"


class LeftFilter(admin.SimpleListFilter):
    """Payments of which something settles no receipt."""

    title = _("balance")
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("With money that settles nothing"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "1":
            return queryset
        left = with_unallocated(Payment.objects.all()).filter(unallocated__gt=0)
        return queryset.filter(pk__in=left.values("pk"))


class AllocationInline(ReadOnlyInline, TabularInline):
    """What a payment settles."""

    model = Allocation
    verbose_name_plural = _("What it settles")
    fields = ("created_at", "receipt_link", "shown_amount")
    readonly_fields = fields

    @column(_("Receipt"))
    def receipt_link(self, row: Allocation) -> str:
        return link(admin_url(Receipt, "change", row.receipt_id), row.receipt)

    @column(_("Amount"))
    def shown_amount(self, row: Allocation) -> str:
        return money(row.amount, row.payment.currency)


class RefundInline(ReadOnlyInline, TabularInline):
    """What of a payment is given back."""

    model = Refund
    verbose_name_plural = _("Refunds")
    fields = ("requested_at", "refund_link", "kind", "state", "reason")
    readonly_fields = fields

    @column(_("Kind"))
    def kind(self, row: Refund) -> str:
        return _t("Taken back by the bank") if row.bounced else _t("Refund")

    @column(_("Status"))
    def state(self, row: Refund) -> str:
        return row.state

    @column(_("Amount"))
    def refund_link(self, row: Refund) -> str:
        return link(admin_url(row, "change", row.pk), money(row.amount, row.payment.currency))


@admin.register(Payment)
class PaymentAdmin(CsvExport, ReceiptSteps):
    """Attempts to pay, and what came of them."""

    list_display = (
        "created_at",
        "receipt_link",
        "way",
        "state",
        "shown_amount",
        "shown_left",
        "settled_at",
    )
    list_filter = ("status", LeftFilter, "provider", "currency", ReceiptFilter, ProjectFilter)
    list_select_related = ("receipt",)
    search_fields = ("^receipt__number", "=external_id", "=receipt__project__code")
    date_hierarchy = "created_at"
    actions_list = ("balances", "export_csv")
    actions_detail = ("refund", "bounced")
    inlines = (AllocationInline, RefundInline)
    fields = (
        "receipt_link",
        "way",
        "state",
        "shown_amount",
        "shown_left",
        "identifier",
        "external_id",
        "created_by",
        "created_at",
        "settled_by",
        "settled_at",
    )
    filled_only = ("external_id", "settled_by", "settled_at")
    readonly_fields = (
        "receipt_link",
        "way",
        "state",
        "shown_amount",
        "shown_left",
        "identifier",
    )
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        """Know of each payment what is left of it, in one query."""
        queryset: QuerySet[Payment] = with_parts(super().get_queryset(request))
        return queryset.annotate(taken_back=Exists(taken_back(OuterRef("pk"))))

    def has_refund_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may ask for refunds."""
        return request.user.has_perm("payments.request_refund")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        found = self.get_object(request, str(object_id))
        if found is None or found.status != Payment.Status.SUCCEEDED:
            return []
        fitting = {"refund": unallocated_of(found) > 0, "bounced": bounces(found)}
        actions = super().get_actions_detail(request, object_id)
        return [one for one in actions if fitting.get(one.method.original_function_name, True)]

    @button(_("Balances"), path="balances", icon="savings", permission="view")
    def balances(self, request: HttpRequest) -> HttpResponse:
        """Show by project what was paid and settles nothing."""
        return self.page(
            request,
            "admin/payments/payment/balances.html",
            title=_("Balances of projects"),
            rows=balances(),
            payments=f"{admin_url(Payment, 'changelist')}?left=1&project=",
        )

    @button(_("Ask to refund what is left"), path="refund", icon="undo", permission="refund")
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for what settles nothing to be given back."""
        payment: Payment = self.pick(request, object_id)
        left = unallocated_of(payment)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            request_refund(payment_id=payment.pk, actor=actor, **values)
            return _t("A colleague has to approve it now, in the list of refunds.")

        step = Step(
            title=_("Ask for a refund"),
            submit=_("Ask a colleague to approve it"),
            run=run,
            form=RefundForm,
            initial={"amount": plain_number(left) if left else None, "seen": left},
            back=admin_url(payment, "change", payment.pk),
            target=payment,
            facts=(
                (_("Receipt"), payment.receipt),
                (_("Project"), payment.receipt.project),
                (_("Amount"), money(payment.amount, payment.currency)),
                (_("Settles nothing"), money(left, payment.currency)),
            ),
            intro=_("It is set aside at once, and paid out when a second person has approved it."),
        )
        return self.step(request, step)

    @button(
        _("Report: the bank took it back"),
        path="bounced",
        icon="keyboard_return",
        permission="refund",
    )
    def bounced(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a payment to be taken back: a cheque without cover, a transfer recalled."""
        payment: Payment = self.pick(request, object_id)
        settles = Allocation.objects.filter(payment=payment).order_by()
        numbers = settles.values_list("receipt__number", flat=True).distinct()

        def run(actor: Actor, values: dict[str, Any]) -> str:
            request_bounce(payment_id=payment.pk, actor=actor, **values)
            return _t("A colleague has to approve it now, in the list of refunds.")

        step = Step(
            title=_("The bank took this payment back"),
            submit=_("Ask a colleague to approve it"),
            run=run,
            form=ReasonForm,
            danger=True,
            back=admin_url(payment, "change", payment.pk),
            target=payment,
            facts=(
                (_("Project"), payment.receipt.project),
                (_("Amount"), money(payment.amount, payment.currency)),
                (_("It settles"), ", ".join(filter(None, numbers)) or NOTHING),
            ),
            intro=_(
                "For cheques without cover, recalled transfers and disputed cards. When a second"
                " person has approved it, its receipts are to be paid again by the day they were"
                " due, and its official receipts are cancelled."
            ),
        )
        return self.step(request, step)

    @column(_("Receipt"), ordering="receipt")
    def receipt_link(self, payment: Payment) -> str:
        return link(admin_url(Receipt, "change", payment.receipt_id), payment.receipt)

    @column(_("Identifier"))
    def identifier(self, payment: Payment) -> str:
        return str(payment.public_id)

    @column(_("Way"), ordering="provider")
    def way(self, payment: Payment) -> str:
        return label_of(payment.provider)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, payment: Any) -> tuple[str, str]:
        if payment.taken_back:
            return "failed", _t("Taken back by the bank")
        return payment.status, payment.get_status_display()

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, payment: Payment) -> str:
        return money(payment.amount, payment.currency)

    @column(_("Balance"))
    def shown_left(self, payment: Any) -> str:
        if payment.status != Payment.Status.SUCCEEDED:
            return NOTHING
        left = payment.unallocated
        return money(left, payment.currency) if left else NOTHING
