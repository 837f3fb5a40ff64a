"""Evidence in the console: what was stored, and how it grows."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.admin import ReadOnlyAdmin, admin_url, column, link
from usage.growth import evidence_growth
from usage.models import Evidence, ImportRun


@admin.register(Evidence)
class EvidenceAdmin(CsvExport, ReadOnlyAdmin):
    """Inputs as they came. They are kept for ever: documents rest on them."""

    list_display = ("short", "received_at", "size", "stored", "first_run", "runs_count")
    fields = ("sha256", "received_at", "size", "stored", "first_run")
    readonly_fields = fields
    search_fields = ("^sha256",)
    date_hierarchy = "received_at"
    list_before_template = "admin/usage/evidence/growth.html"
    csv_columns = {
        "sha256": "sha256",
        "size_bytes": "size_bytes",
        "stored_bytes": "stored_bytes",
        "received": "received_at",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Evidence] = super().get_queryset(request)
        return rows.annotate(readings=Count("runs")).prefetch_related("runs__cluster")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show above the list what each cluster's evidence took month by month."""
        more = {**(extra_context or {}), "growth": evidence_growth()}
        response: HttpResponse = super().changelist_view(request, more)
        return response

    @column(_("SHA-256"), ordering="sha256")
    def short(self, row: Evidence) -> str:
        return str(row)

    @column(_("Size"), ordering="size_bytes")
    def size(self, row: Evidence) -> str:
        return filesizeformat(row.size_bytes)

    @column(_("Stored"), ordering="stored_bytes")
    def stored(self, row: Evidence) -> str:
        return filesizeformat(row.stored_bytes)

    @column(_("Import run"))
    def first_run(self, row: Evidence) -> str:
        runs = sorted(row.runs.all(), key=lambda run: run.pk)
        if not runs:
            return "–"
        return link(admin_url(ImportRun, "change", runs[0].pk), f"{runs[0].cluster}: {runs[0]}")

    @column(_("Times read"), ordering="readings")
    def runs_count(self, row: Any) -> int:
        return int(row.readings)
