"""Items in the console: what is sold besides jobs, and its charges."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from accounts.models import Project
from audit.console import AuditedAdmin, CsvExport
from core import formatting
from core.actor import Actor
from core.admin import ConsoleAdmin, ConsoleForm, admin_url, button
from core.errors import Conflict, DomainError
from pricing.models import Charge, Sku
from pricing.services.items import ItemQuote, charge_item, quote_item


class ItemForm(ConsoleForm):
    """Who gets how many, when, and why; ``seen`` is the amount that was shown."""

    project = forms.ModelChoiceField(
        Project.objects.filter(is_active=True), label=_("Project"), to_field_name="code"
    )
    quantity = forms.DecimalField(
        label=_("Quantity"), min_value=Decimal(0), max_digits=15, decimal_places=6, initial=1
    )
    at = forms.SplitDateTimeField(
        label=_("Delivered"), widget=UnfoldAdminSplitDateTimeWidget, initial=timezone.now
    )
    reason = forms.CharField(label=_("Reason"), max_length=200)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


@admin.register(Sku)
class SkuAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Add-ons, top-ups and services. Their prices stand in the price lists as ``sku:`` and the
    code; who delivered something charges it from here."""

    list_display = ("code", "name", "name_th", "unit", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name", "name_th")
    actions_detail = ("charge",)
    csv_columns = {
        "code": "code", "name": "name", "name_th": "name_th", "unit": "unit", "active": "is_active",
    }  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Sku | None = None) -> Any:
        """Prices refer to an item by its code and are for its unit."""
        return ("code", "unit") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_charge_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may charge items to projects."""
        return request.user.has_perm("pricing.charge_sku")

    @button(_("Charge to a project"), path="charge", icon="add_shopping_cart", permission="charge")
    def charge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what an item comes to, and charge it once that was seen."""
        sku: Sku = self.pick(request, object_id)
        sent = request.method == "POST"
        form = ItemForm(request.POST if sent else None)
        quote = None
        if sent and form.is_valid():
            try:
                said = {name: form.cleaned_data[name] for name in ("project", "quantity", "at")}
                quote = quote_item(sku=sku, **said)
                if "confirm" in request.POST and form.cleaned_data["seen"] == str(quote.amount):
                    return self._charged(request, quote, form.cleaned_data["reason"])
            except Conflict as error:
                messages.error(request, str(error))
            except DomainError as error:
                form.add_error(error.code if error.code in form.fields else None, str(error))
        return self.page(
            request,
            "admin/pricing/sku/charge.html",
            title=_("Charge %(item)s") % {"item": sku.name},
            form=form,
            sku=sku,
            quote=quote,
            back=admin_url(sku, "change", sku.pk),
        )

    def _charged(self, request: HttpRequest, quote: ItemQuote, reason: str) -> HttpResponse:
        made = charge_item(
            project=quote.project,
            sku=quote.sku,
            quantity=quote.quantity,
            at=quote.at,
            reason=reason,
            expected=quote.amount,
            actor=Actor.of(request.user),
        )
        amount = formatting.money(made.amount, made.currency)
        values = {"amount": amount, "project": quote.project.code}
        messages.success(request, _t("%(amount)s is charged to %(project)s.") % values)
        where = f"?project={quote.project.pk}"
        return HttpResponseRedirect(admin_url(Charge, "changelist") + where)
