"""Price lists and charges in the console."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from accounts.models import Project
from audit.console import AuditedAdmin, CsvExport
from core.admin import (
    ConsoleAdmin,
    LinkedFilter,
    ReadOnlyAdmin,
    admin_url,
    column,
    hours,
    link,
    money,
)
from pricing.models import Charge, PriceList, Rate
from usage.models import Job

STATUS = {PriceList.Status.DRAFT: "info", PriceList.Status.PUBLISHED: "success"}


class RateInline(TabularInline):
    """The prices of a list."""

    model = Rate
    extra = 0
    max_num = 3


@admin.register(PriceList)
class PriceListAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Price lists: drafts are edited here, published ones are only seen."""

    kind = "price_list"
    list_display = ("name", "tier", "effective_at", "revision", "currency", "state", "note")
    list_filter = ("status", "tier")
    list_select_related = ("tier",)
    inlines = (RateInline,)
    csv_columns = {
        "tier": "tier__code",
        "effective_from": "effective_at",
        "revision": "revision",
        "currency": "currency",
        "status": "status",
        "resource": "rates__resource",
        "unit_price": "rates__unit_price",
        "note": "note",
    }

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        draft = not isinstance(obj, PriceList) or obj.status == PriceList.Status.DRAFT
        return draft and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        draft = not isinstance(obj, PriceList) or obj.status == PriceList.Status.DRAFT
        return draft and bool(super().has_delete_permission(request, obj))

    @column(_("Price list"), ordering="pk")
    def name(self, row: PriceList) -> str:
        return str(row)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, row: PriceList) -> tuple[str, str]:
        return row.status, row.get_status_display()


class ProjectFilter(LinkedFilter):
    """Charges of one project."""

    title = _("project")
    parameter_name = "project"
    lookup = "project"
    model = Project


class JobFilter(LinkedFilter):
    """Charges of one job."""

    title = _("job")
    parameter_name = "job"
    lookup = "job"
    model = Job


@admin.register(Charge)
class ChargeAdmin(CsvExport, ReadOnlyAdmin):
    """Priced usage. Never edited: corrected by reversals and replacements."""

    list_display = (
        "job_link",
        "project",
        "resource",
        "units",
        "unit_price",
        "shown_amount",
        "job_end",
        "generation",
    )
    list_filter = ("resource", "currency", "estimated", ProjectFilter, JobFilter)
    list_select_related = ("job", "job__cluster", "project")
    search_fields = ("=project__code", "^job__display_id", "=job__user_name")
    date_hierarchy = "job_end"
    csv_columns = {
        "charge": "pk",
        "project": "project__code",
        "cluster": "job__cluster__name",
        "job_id": "job__display_id",
        "user": "job__user_name",
        "resource": "resource",
        "ended": "job_end",
        "quantity": "quantity",
        "unit_size": "unit_size",
        "unit_price": "unit_price",
        "amount": "amount",
        "currency": "currency",
        "generation": "generation",
        "reverses": "reverses",
        "estimated": "estimated",
        "receipt": "document_line__line__receipt__number",
    }

    @column(_("Job"), ordering="job")
    def job_link(self, charge: Charge) -> str:
        return link(admin_url(Job, "change", charge.job_id), charge.job)

    @column(_("Quantity"), ordering="quantity")
    def units(self, charge: Charge) -> str:
        return hours(charge.quantity, charge.unit_size)

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, charge: Charge) -> str:
        return money(charge.amount, charge.currency)
