"""Receipts in the console."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.admin import ReadOnlyAdmin, column, money
from receipts.models import Receipt

STATUS = {
    Receipt.Status.DRAFT: "info",
    Receipt.Status.ISSUED: "warning",
    Receipt.Status.PAID: "success",
    Receipt.Status.VOID: "danger",
}


@admin.register(Receipt)
class ReceiptAdmin(CsvExport, ReadOnlyAdmin):
    """Documents, from draft to paid."""

    list_display = (
        "name",
        "project",
        "window_start",
        "window_end",
        "state",
        "shown_total",
        "issued_at",
        "due_on",
    )
    list_filter = ("status", "currency")
    list_select_related = ("project",)
    search_fields = ("^number", "=project__code", "project__name")
    date_hierarchy = "created_at"
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
    }

    @column(_("Number"), ordering="pk")
    def name(self, receipt: Receipt) -> str:
        return str(receipt)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, receipt: Receipt) -> tuple[str, str]:
        return receipt.status, receipt.get_status_display()

    @column(_("Total"), ordering="total")
    def shown_total(self, receipt: Receipt) -> str:
        return money(receipt.total, receipt.currency)
