"""Official receipts in the console: what was given after payment."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core import formatting
from core.admin import NOTHING, ReadOnlyAdmin, admin_url, button, column, link, money
from payments.downloads import pdf_response
from payments.models import OfficialReceipt
from receipts.models import Receipt


class CancelledFilter(admin.SimpleListFilter):
    """Those that count, and those that count no more."""

    title = _("status")
    parameter_name = "cancelled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("0", _("In force")), ("1", _("Cancelled"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in {"0", "1"}:
            return queryset
        return queryset.filter(cancellation__isnull=self.value() == "0")


@admin.register(OfficialReceipt)
class OfficialReceiptAdmin(CsvExport, ReadOnlyAdmin):
    """What payers got for what they paid, by number."""

    list_display = (
        "number",
        "paid_on",
        "receipt_link",
        "shown_amount",
        "shown_withheld",
        "state",
        "replaces_link",
    )
    list_select_related = ("receipt", "cancellation__credit_note", "replaces", "replaced_by")
    list_filter = (CancelledFilter, "kind", "series")
    search_fields = ("^number", "^receipt__number", "=receipt__project__code")
    date_hierarchy = "paid_on"
    fields = (
        "number",
        "kind",
        "receipt_link",
        "paid_on",
        "shown_amount",
        "shown_withheld",
        "shown_net",
        "shown_tax",
        "state",
        "because",
        "replaces_link",
        "replaced_link",
        "issued_at",
        "sha256",
    )
    readonly_fields = (
        "receipt_link",
        "shown_amount",
        "shown_withheld",
        "shown_net",
        "shown_tax",
        "state",
        "because",
        "replaces_link",
        "replaced_link",
    )
    actions_detail = ("file",)
    csv_columns = {
        "number": "number",
        "kind": "kind",
        "receipt": "receipt__number",
        "project": "receipt__project__code",
        "paid_on": "paid_on",
        "amount": "amount",
        "withheld": "withheld",
        "net": "net_amount",
        "tax": "tax_amount",
        "currency": "currency",
        "replaces": "replaces__number",
        "cancelled": "cancellation__cancelled_at",
        "credit_note": "cancellation__credit_note__number",
        "reason": "cancellation__reason",
    }

    @button(_("Document"), path="file", icon="picture_as_pdf", permission="view")
    def file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Download it as PDF."""
        return pdf_response(request, self.pick(request, object_id))

    @column(_("Receipt"), ordering="receipt")
    def receipt_link(self, official: OfficialReceipt) -> str:
        return link(admin_url(Receipt, "change", official.receipt_id), official.receipt)

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, official: OfficialReceipt) -> str:
        return money(official.amount, official.currency)

    @column(_("Tax withheld"))
    def shown_withheld(self, official: OfficialReceipt) -> str:
        return money(official.withheld or None, official.currency)

    @column(_("Net"))
    def shown_net(self, official: OfficialReceipt) -> str:
        return money(official.net_amount, official.currency)

    @column(_("Tax"))
    def shown_tax(self, official: OfficialReceipt) -> str:
        return money(official.tax_amount, official.currency)

    @column(_("Status"), label={"in_force": "success", "cancelled": "danger"})
    def state(self, official: OfficialReceipt) -> tuple[str, str]:
        if hasattr(official, "cancellation"):
            return "cancelled", _t("Cancelled")
        return "in_force", _t("In force")

    @column(_("Why it is cancelled"))
    def because(self, official: OfficialReceipt) -> str:
        if not hasattr(official, "cancellation"):
            return NOTHING
        gone = official.cancellation
        note = gone.credit_note
        why = link(admin_url(note, "change", note.pk), gone.because) if note else gone.because
        return format_html("{} ({})", why, formatting.moment(gone.cancelled_at))

    @column(_("Replaces"))
    def replaces_link(self, official: OfficialReceipt) -> str:
        return _linked(official.replaces)

    @column(_("Replaced by"))
    def replaced_link(self, official: OfficialReceipt) -> str:
        return _linked(getattr(official, "replaced_by", None))


def _linked(official: OfficialReceipt | None) -> str:
    if official is None:
        return NOTHING
    return link(admin_url(official, "change", official.pk), official)
