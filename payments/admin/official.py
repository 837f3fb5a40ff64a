"""Official receipts in the console: what was given after payment."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.admin import ReadOnlyAdmin, admin_url, button, column, link, money
from payments.downloads import pdf_response
from payments.models import OfficialReceipt
from receipts.models import Receipt


@admin.register(OfficialReceipt)
class OfficialReceiptAdmin(CsvExport, ReadOnlyAdmin):
    """What payers got for what they paid, by number."""

    list_display = ("number", "paid_on", "receipt_link", "shown_amount", "shown_withheld", "state")
    list_select_related = ("receipt", "cancellation")
    list_filter = ("kind", "series")
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
        "replaces",
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
        "cancelled": "cancellation__cancelled_at",
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

    @column(_("Status"))
    def state(self, official: OfficialReceipt) -> str:
        if not hasattr(official, "cancellation"):
            return _t("in force")
        return _t("cancelled: %(reason)s") % {"reason": official.cancellation.reason}
