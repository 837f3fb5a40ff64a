"""Imports and their quarantine in the console."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from core.admin import (
    LinkedFilter,
    admin_url,
    column,
    link,
)
from usage.admin.import_pages import ImportPages
from usage.models import ImportRun, Job, QuarantinedRow
from usage.quarantine_states import unsettled


class RunFilter(LinkedFilter):
    """Jobs or rows of one import."""

    title = _("import run")
    parameter_name = "run"
    lookup = "run"
    model = "usage.ImportRun"


S = ImportRun.Status
RUN_STATUS = {
    ImportRun.Status.PREPARED: "info",
    ImportRun.Status.RUNNING: "info",
    ImportRun.Status.COMPLETE: "success",
    ImportRun.Status.INCOMPLETE: "warning",
    ImportRun.Status.RELEASED: "success",
    ImportRun.Status.FAILED: "danger",
}


@admin.register(ImportRun)
class ImportRunAdmin(ImportPages):
    """Readings of accounting files."""

    list_display = (
        "number",
        "cluster",
        "origin",
        "state",
        "rows_read",
        "jobs_new",
        "jobs_changed",
        "jobs_unchanged",
        "steps",
        "quarantined",
        "created_at",
    )
    list_filter = ("status", "cluster")
    list_select_related = ("cluster",)
    search_fields = ("origin", "=evidence__sha256")
    date_hierarchy = "created_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "cluster",
                    "origin",
                    "time_zone",
                    "shown_columns",
                    "shown_state",
                    "error",
                    "requested_by",
                    "created_at",
                    "finished_at",
                    "as_of",
                    "digest",
                )
            },
        ),
        (
            _("Rows"),
            {
                "fields": (
                    "rows_read",
                    "jobs_new",
                    "jobs_changed",
                    "jobs_unchanged",
                    "jobs_older",
                    "steps",
                    "quarantined_rows",
                    "cut_off",
                    "jobs_written",
                )
            },
        ),
        (_("Release"), {"fields": ("released_at", "released_by", "shown_reason")}),
    )
    readonly_fields = (
        "retried",
        "shown_columns",
        "shown_state",
        "digest",
        "quarantined_rows",
        "cut_off",
        "jobs_written",
        "shown_reason",
    )

    def get_fieldsets(self, request: HttpRequest, obj: ImportRun | None = None) -> Any:
        """Leave out what a run in its present state has nothing to say about."""
        head, rows, release = self.fieldsets
        if obj is None or obj.status in (S.PREPARED, S.CANCELLED):
            return (head,)
        first: Any = head
        if obj.retry_of_id:
            first = (None, {"fields": ("retried", *head[1]["fields"])})
        return (first, rows, release) if obj.status == S.RELEASED else (first, rows)

    csv_columns = {
        "run": "pk",
        "cluster": "cluster__name",
        "origin": "origin",
        "status": "status",
        "sha256": "evidence__sha256",
        "rows_read": "rows_read",
        "jobs_new": "jobs_new",
        "jobs_changed": "jobs_changed",
        "jobs_unchanged": "jobs_unchanged",
        "jobs_older": "jobs_older",
        "as_of": "as_of",
        "steps": "steps",
        "quarantined": "quarantined",
        "error": "error",
        "started": "created_at",
        "finished": "finished_at",
        "released_by": "released_by__username",
        "release_reason": "release_reason",
    }

    @column(_("Number"), ordering="pk")
    def number(self, run: ImportRun) -> str:
        return f"#{run.pk}"

    @column(_("Status"), ordering="status", label=RUN_STATUS)
    def state(self, run: ImportRun) -> tuple[str, str]:
        return run.status, run.get_status_display()

    @column(_("Status"))
    def shown_state(self, run: ImportRun) -> str:
        return run.get_status_display()

    @column(_("reads again"))
    def retried(self, run: ImportRun) -> str:
        return link(admin_url(run, "change", run.retry_of_id), run.retry_of)

    @column(_("reason for release"))
    def shown_reason(self, run: ImportRun) -> str:
        return run.why_released

    @column(_("Columns"))
    def shown_columns(self, run: ImportRun) -> str:
        return ", ".join(run.columns) or _t("As in the header row")

    @column(_("SHA-256"))
    def digest(self, run: ImportRun) -> str:
        return run.evidence.sha256

    @column(_("Quarantined"))
    def quarantined_rows(self, run: ImportRun) -> str:
        if not run.quarantined:
            return "0"
        url = f"{admin_url(QuarantinedRow, 'changelist')}?run={run.pk}"
        waiting = unsettled(run).count()
        text = _t("%(rows)s, still open: %(open)s") % {
            "rows": run.quarantined,
            "open": waiting,
        }
        return link(url, text)

    @column(_("Whole"))
    def cut_off(self, run: ImportRun) -> str:
        return _t("No, the end is cut off") if run.truncated else _t("Yes")

    @column(_("Jobs last written by it"))
    def jobs_written(self, run: ImportRun) -> str:
        return link(f"{admin_url(Job, 'changelist')}?run={run.pk}", _("Look"))
