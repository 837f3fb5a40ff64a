"""Receipts in the console: what waits to be billed, drafts, issue, void."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from accounts.models import Project
from core import formatting
from core.admin import (
    NOTHING,
    LinkedFilter,
    ReadOnlyInline,
    admin_url,
    column,
    hours,
    link,
    money,
)
from pricing.labels import resource_name, unit_name
from pricing.models import Charge
from receipts.admin.mails import MailInline
from receipts.admin.orders import told
from receipts.admin.receipt_pages import ReceiptPages, period_of
from receipts.models import Line, PurchaseOrder, Receipt
from receipts.orders import in_force, standing
from receipts.selectors import overdue

S = Receipt.Status
STATUS = {
    S.DRAFT: "info",
    S.ISSUED: "warning",
    S.PART_PAID: "warning",
    S.PAID: "success",
    S.VOID: "danger",
    S.WRITTEN_OFF: "danger",
}


class OverdueFilter(admin.SimpleListFilter):
    """Issued receipts whose due date has passed."""

    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Overdue"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(pk__in=overdue().values("pk")) if self.value() == "1" else queryset


class ProjectFilter(LinkedFilter):
    """Receipts of one project."""

    title = _("project")
    parameter_name = "project"
    lookup = "project"
    model = "accounts.Project"


class LineInline(ReadOnlyInline, TabularInline):
    """A receipt's lines with their arithmetic."""

    model = Line
    verbose_name_plural = _("Lines")
    fields = ("position", "shown_resource", "units", "price", "sum", "shown_amount", "jobs_link")
    readonly_fields = fields

    @column(_("Resource"))
    def shown_resource(self, line: Line) -> str:
        name = resource_name(line.resource)
        return f"{name}: {line.text}" if line.text else name

    @column(_("Quantity"))
    def units(self, line: Line) -> str:
        if not line.has_quantity:
            return "–"
        return f"{hours(line.quantity, line.unit_size)} {unit_name(line.resource)}"

    @column(_("Unit price"))
    def price(self, line: Line) -> str:
        if line.unit_price is None:
            return gettext("by the month's quantity") if line.has_quantity else "–"
        return formatting.price(line.unit_price)

    @column(_("Sum of charges"))
    def sum(self, line: Line) -> str:
        return formatting.exact(line.charged)

    @column(_("Amount"))
    def shown_amount(self, line: Line) -> str:
        return money(line.amount, line.receipt.currency)

    @column(_("Jobs"))
    def jobs_link(self, line: Line) -> str:
        page = admin_url(Charge, "changelist")
        url = f"{page}?receipt={line.receipt_id}&resource__exact={line.resource}"
        return link(url, formatting.number(line.jobs))


@admin.register(Receipt)
class ReceiptAdmin(ReceiptPages):
    """Documents, from draft to paid."""

    list_display = (
        "name",
        "project_code",
        "shown_period",
        "state",
        "shown_total",
        "issued_day",
        "due_on",
        "paid_day",
    )
    list_filter = ("status", OverdueFilter, "currency", ProjectFilter)
    list_select_related = ("project",)
    search_fields = ("^number", "=project__code", "project__name")
    date_hierarchy = "created_at"
    inlines = (LineInline, MailInline)
    change_form_after_template = "admin/receipts/receipt/after.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "project_link",
                    "shown_period",
                    "status",
                    "shown_net",
                    "shown_tax",
                    "shown_total",
                    "due_on",
                    "shown_order",
                    "charges_link",
                )
            },
        ),
        (
            _("Steps"),
            {
                "fields": (
                    "created_at",
                    "created_by",
                    "issued_at",
                    "issued_by",
                    "paid_at",
                    "voided_at",
                    "voided_by",
                    "void_reason",
                    "sha256",
                )
            },
        ),
    )
    filled_only = ("paid_at", "voided_at", "voided_by", "void_reason", "due_on")
    readonly_fields = (
        "name",
        "project_link",
        "shown_period",
        "shown_net",
        "shown_tax",
        "shown_total",
        "shown_order",
        "charges_link",
    )
    csv_columns = {
        "number": "number",
        "project": "project__code",
        "from": "window_start",
        "until": "window_end",
        "status": "status",
        "net": "net_amount",
        "tax": "tax_amount",
        "total": "total",
        "currency": "currency",
        "issued": "issued_at",
        "due": "due_on",
        "paid": "paid_at",
        "voided": "voided_at",
        "void_reason": "void_reason",
        "purchase_order": "purchase_order__number",
    }

    @column(_("Number"), ordering="pk")
    def name(self, receipt: Receipt) -> str:
        return str(receipt)

    @column(_("Project"), ordering="project__code")
    def project_code(self, receipt: Receipt) -> SafeString:
        return format_html('<span title="{}">{}</span>', receipt.project.name, receipt.project.code)

    @column(_("Period"), ordering="window_start")
    def shown_period(self, receipt: Receipt) -> str:
        # Breaks only between the two days.
        first, dash, last = period_of(receipt).replace(" ", "\N{NO-BREAK SPACE}").partition("–")
        return f"{first}{dash} {last.strip()}"

    @column(_("Issued"), ordering="issued_at")
    def issued_day(self, receipt: Receipt) -> str:
        return formatting.day(receipt.issued_at) if receipt.issued_at else NOTHING

    @column(_("Paid"), ordering="paid_at")
    def paid_day(self, receipt: Receipt) -> str:
        return formatting.day(receipt.paid_at) if receipt.paid_at else NOTHING

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, receipt: Receipt) -> tuple[str, str]:
        return receipt.status, receipt.get_status_display()

    @column(_("Net"))
    def shown_net(self, receipt: Receipt) -> str:
        return money(receipt.net_amount, receipt.currency)

    @column(_("Tax"))
    def shown_tax(self, receipt: Receipt) -> str:
        rate = formatting.number(receipt.tax_rate)
        return f"{money(receipt.tax_amount, receipt.currency)} ({rate} %)"

    @column(_("Total"), ordering="total")
    def shown_total(self, receipt: Receipt) -> str:
        return money(receipt.total, receipt.currency)

    @column(_("Purchase order"))
    def shown_order(self, receipt: Receipt) -> str:
        """The one that it was issued under, or would be today, with what is left of it; a project
        without orders may have a number of one, which its documents name."""
        today = timezone.localdate()
        order = receipt.purchase_order
        if receipt.status in Receipt.BEFORE_ISSUE:
            order = in_force(receipt.project_id, today)
            if order is None and receipt.project.purchase_orders.exists():
                return gettext(
                    "None is in force: it can't be issued before the next one is entered."
                )
        if order is None:
            return _number_on(receipt) or NOTHING
        page = admin_url(PurchaseOrder, "change", order.pk)
        return link(page, f"{order.number} – {told(standing(order, today))}")

    @column(_("Project"))
    def project_link(self, receipt: Receipt) -> str:
        return link(admin_url(Project, "change", receipt.project_id), receipt.project)

    @column(_("Charges"))
    def charges_link(self, receipt: Receipt) -> str:
        url = f"{admin_url(Charge, 'changelist')}?receipt={receipt.pk}"
        return link(url, _("All charges behind the lines"))


def _number_on(receipt: Receipt) -> str:
    """The number of an order that a receipt names, or would name if it was issued today."""
    if receipt.status in Receipt.BEFORE_ISSUE:
        return receipt.project.po_number
    return str(receipt.parties.get("buyer", {}).get("po_number", ""))
