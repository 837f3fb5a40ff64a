"""Purchase orders in the console: entered, amended, watched."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from audit.console import AuditedAdmin, CsvExport
from core.actor import Actor
from core.admin import ConsoleAdmin, column, money
from core.errors import Text
from receipts.models import PurchaseOrder
from receipts.orders import Standing, near_their_end, standing, with_billed


class EndFilter(admin.SimpleListFilter):
    """Orders that are nearly used up or over, and that none follows."""

    title = _("near their end")
    parameter_name = "ending"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Used up, over, or soon"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "1":
            return queryset
        return queryset.filter(
            pk__in=[each.order.pk for each in near_their_end(timezone.localdate())]
        )


def told(now: Standing) -> str:
    """Return in words how far an order is used up."""
    order = now.order
    values = {"percent": now.percent, "ceiling": money(order.ceiling, order.currency)}
    used = _t("%(percent)s %% of %(ceiling)s billed") % values
    if now.days_left < 0:
        return f"{used}, {_t('over')}"
    left = ngettext("%(n)s day left", "%(n)s days left", now.days_left) % {"n": now.days_left}
    return f"{used}, {left}"


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """What projects promised to pay. Receipts of a project that has orders are issued under the
    one in force, up to its ceiling."""

    list_display = (
        "number",
        "project_code",
        "starts_on",
        "expires_on",
        "shown_ceiling",
        "used",
        "state",
    )
    list_filter = (EndFilter, "project")
    list_select_related = ("project",)
    search_fields = ("number", "project__code", "project__name")
    autocomplete_fields = ("project",)
    fields = ("project", "number", "ceiling", "currency", "starts_on", "expires_on")
    csv_columns = {
        "project": "project__code",
        "number": "number",
        "ceiling": "ceiling",
        "currency": "currency",
        "from": "starts_on",
        "last_day": "expires_on",
        "created_by": "created_by__username",
        "created": "created_at",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[PurchaseOrder]:
        """What was billed under each comes along; a page of orders asks once."""
        return with_billed(super().get_queryset(request))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Most orders are in the site's currency."""
        return {"currency": settings.SITE_CURRENCY, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: PurchaseOrder | None = None) -> Any:
        """Of one that was entered, only the ceiling and the last day change."""
        return () if obj is None else ("project", "number", "currency", "starts_on", "used")

    def get_fields(self, request: HttpRequest, obj: PurchaseOrder | None = None) -> Any:
        return self.fields if obj is None else (*self.fields, "used")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that receipts were issued under stays."""
        used = obj is not None and obj.receipts.exists()
        return not used and bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: PurchaseOrder, form: Any, change: bool) -> None:
        """Keep who entered it."""
        if not change:
            obj.created_by_id = Actor.of(request.user).user_id or 0
        super().save_model(request, obj, form, change)

    @column(_("Project"), ordering="project__code")
    def project_code(self, order: PurchaseOrder) -> str:
        return order.project.code

    @column(_("Ceiling"), ordering="ceiling")
    def shown_ceiling(self, order: PurchaseOrder) -> str:
        return money(order.ceiling, order.currency)

    @column(_("Used"))
    def used(self, order: PurchaseOrder) -> str:
        return told(standing(order, timezone.localdate()))

    @column(_("State"), label={"ok": "success", "warn": "warning", "over": "danger"})
    def state(self, order: PurchaseOrder) -> tuple[str, Text]:
        now = standing(order, timezone.localdate())
        if now.is_over:
            return "over", _("Used up or over")
        return ("warn", _("Ends soon")) if now.is_near_its_end else ("ok", _("In force"))
