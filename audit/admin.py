"""The log in the console: read, searched, exported and verified."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from audit.models import AuditEvent
from core.admin import ReadOnlyAdmin


class TargetFilter(SimpleListFilter):
    """What happened to one object: ``?target=receipts.receipt:12``, from its *History* button."""

    title = _("object")
    parameter_name = "target"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get("target", "")
        return [(value, value)] if value else []

    def has_output(self) -> bool:
        return True

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        kind, _colon, key = (self.value() or "").partition(":")
        return queryset.filter(target_type=kind, target_id=key) if kind else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(CsvExport, ReadOnlyAdmin):
    """Every event, newest first."""

    list_display = ("sequence", "at", "action", "actor_name", "target_type", "target_id")
    list_filter = ("action", TargetFilter)
    search_fields = ("=actor_name", "^action", "=target_id")
    date_hierarchy = "at"
    fields = (
        "sequence",
        "at",
        "action",
        "actor_name",
        "target_type",
        "target_id",
        "payload",
        "previous_hash",
        "hash",
    )
    csv_columns = {
        "number": "sequence",
        "time": "at",
        "action": "action",
        "actor": "actor_name",
        "target_type": "target_type",
        "target": "target_id",
        "content": "payload",
        "previous_hash": "previous_hash",
        "hash": "hash",
    }

    def has_export_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("audit.export_auditevent"))
