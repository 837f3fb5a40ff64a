"""Clusters, imports, quarantine and jobs in the console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import AuditedAdmin, CsvExport
from core.admin import ConsoleAdmin, LinkedFilter, ReadOnlyAdmin, admin_url, button, column, link
from core.errors import Invalid, Text
from core.queue import after_commit
from core.shown import hours
from usage.console import ImportPages
from usage.explanations import explain_reason
from usage.models import AccountMapping, Cluster, ImportRun, Job, Pull, QuarantinedRow
from usage.raw import raw_row
from usage.services import check_time_zone

GB_HOUR = 3600 * 1024


class ClusterForm(forms.ModelForm[Cluster]):
    """A cluster with a time zone that exists."""

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        try:
            check_time_zone(name)
        except Invalid as error:
            raise ValidationError(str(error)) from error
        return name


@admin.register(Cluster)
class ClusterAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """The Slurm installations that usage comes from."""

    form = ClusterForm
    list_display = ("name", "time_zone", "is_enabled", "drop_folder", "created_at")
    list_filter = ("is_enabled",)
    search_fields = ("name",)
    readonly_fields = ("created_at",)
    csv_columns = {
        "name": "name",
        "time_zone": "time_zone",
        "enabled": "is_enabled",
        "drop_folder": "drop_folder",
    }


@admin.register(AccountMapping)
class AccountMappingAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Slurm accounts whose project has another name."""

    list_display = ("account", "cluster", "project")
    list_filter = ("cluster",)
    list_select_related = ("cluster", "project")
    search_fields = ("account", "project__code")
    autocomplete_fields = ("project",)
    csv_columns = {"cluster": "cluster__name", "account": "account", "project": "project__code"}

    def after_change(self, request: HttpRequest) -> None:
        after_commit("hpcbilling.rate_pending")


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
                    "columns",
                    "shown_state",
                    "error",
                    "requested_by",
                    "created_at",
                    "finished_at",
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
                    "steps",
                    "quarantined_rows",
                    "cut_off",
                    "jobs_written",
                )
            },
        ),
        (_("Release"), {"fields": ("released_at", "released_by", "release_reason")}),
    )
    readonly_fields = ("shown_state", "digest", "quarantined_rows", "cut_off", "jobs_written")

    def get_fieldsets(self, request: HttpRequest, obj: ImportRun | None = None) -> Any:
        """Leave out what a run in its present state has nothing to say about."""
        head, rows, release = self.fieldsets
        if obj is None or obj.status in (S.PREPARED, S.CANCELLED):
            return (head,)
        return (head, rows, release) if obj.status == S.RELEASED else (head, rows)

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

    @column(_("SHA-256"))
    def digest(self, run: ImportRun) -> str:
        return run.evidence.sha256

    @column(_("Quarantined"))
    def quarantined_rows(self, run: ImportRun) -> str:
        url = f"{admin_url(QuarantinedRow, 'changelist')}?run={run.pk}"
        return link(url, run.quarantined) if run.quarantined else "0"

    @column(_("Whole"))
    def cut_off(self, run: ImportRun) -> str:
        return _t("No, the end is cut off") if run.truncated else _t("Yes")

    @column(_("Jobs last written by it"))
    def jobs_written(self, run: ImportRun) -> str:
        return link(f"{admin_url(Job, 'changelist')}?run={run.pk}", _("Look"))


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(CsvExport, ReadOnlyAdmin):
    """Rows that could not be interpreted, as they came."""

    list_display = ("line", "run_link", "why", "detail", "beginning")
    fields = ("run_link", "line", "why", "detail", "row")
    readonly_fields = fields
    list_filter = ("reason", "run__status", "run__cluster", RunFilter)
    list_select_related = ("run",)
    search_fields = ("raw", "detail")
    csv_columns = {
        "run": "run",
        "cluster": "run__cluster__name",
        "origin": "run__origin",
        "line": "line",
        "reason": "reason",
        "detail": "detail",
        "raw": "raw",
    }

    @column(_("Import run"), ordering="run")
    def run_link(self, row: QuarantinedRow) -> str:
        return link(admin_url(ImportRun, "change", row.run_id), row.run)

    @column(_("Reason"), ordering="reason")
    def why(self, row: QuarantinedRow) -> str:
        return explain_reason(row.reason)

    @column(_("Row as it came"))
    def row(self, row: QuarantinedRow) -> str:
        return format_html('<pre class="console-raw">{}</pre>', row.raw)

    @column(_("Row as it came"))
    def beginning(self, row: QuarantinedRow) -> str:
        return Truncator(row.raw).chars(80)


class BucketFilter(admin.SimpleListFilter):
    """Where a job stands on its way to a charge. The rating is downstream and asked by name."""

    title = _("stands at")
    parameter_name = "bucket"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("running", _("Not ended yet")),
            ("held", _("Held back")),
            ("due", _("To be rated")),
            ("rated", _("Rated")),
            ("exempt", _("Exempt")),
            ("unpriced", _("Unpriced")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        bucket = self.value()
        if not bucket:
            return queryset
        if bucket == "running":
            return queryset.filter(end=None)
        ended = queryset.filter(end__isnull=False)
        if bucket == "held":
            return ended.filter(held=True)
        unlike = Q(rating=None) | ~Q(rating__job_revision=F("revision"))
        if bucket == "due":
            return ended.filter(unlike, held=False)
        return ended.filter(rating__status=bucket, held=False).exclude(unlike)


@admin.register(Job)
class JobAdmin(CsvExport, ReadOnlyAdmin):
    """Every job that a cluster told of."""

    list_display = (
        "display_id",
        "cluster",
        "user_name",
        "account",
        "state",
        "end",
        "cpu_hours",
        "gpu_hours",
        "memory_gb_hours",
        "rating_status",
    )
    list_filter = (
        "cluster",
        BucketFilter,
        "rating__reason",
        "state",
        "partition",
        "estimated",
        "held",
        RunFilter,
    )
    list_select_related = ("cluster", "rating")
    actions_detail = ("raw",)
    change_form_after_template = "admin/usage/job/after.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "cluster",
                    "display_id",
                    "job_id",
                    "user_name",
                    "account",
                    "name",
                    "state",
                    "partition",
                    "qos",
                    "node_list",
                )
            },
        ),
        (
            _("Time and quantities"),
            {
                "fields": (
                    "submit",
                    "start",
                    "end",
                    "elapsed_seconds",
                    "suspended_seconds",
                    "cpu_seconds",
                    "gpu_seconds",
                    "mem_mib_seconds",
                    "node_seconds",
                    "gpu_type_seconds",
                    "tres",
                    "estimated",
                    "flags",
                )
            },
        ),
        (_("Where it comes from"), {"fields": ("source", "revision", "held", "first_seen_at")}),
    )
    readonly_fields = ("source",)
    search_fields = ("=user_name", "=account", "^display_id", "^name")
    date_hierarchy = "end"
    csv_columns = {
        "cluster": "cluster__name",
        "job_id": "display_id",
        "raw_job_id": "job_id",
        "submitted": "submit",
        "started": "start",
        "ended": "end",
        "user": "user_name",
        "account": "account",
        "partition": "partition",
        "qos": "qos",
        "state": "state",
        "name": "name",
        "elapsed_seconds": "elapsed_seconds",
        "cpu_seconds": "cpu_seconds",
        "gpu_seconds": "gpu_seconds",
        "mem_mib_seconds": "mem_mib_seconds",
        "node_seconds": "node_seconds",
        "estimated": "estimated",
        "held": "held",
        "rating": "rating__status",
        "reason": "rating__reason",
    }

    @button(_("Row as it came"), path="raw", icon="data_object", permission="view")
    def raw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the accounting row that the job was last read from."""
        job: Job = self.pick(request, object_id)
        return self.page(
            request,
            "admin/usage/job/raw.html",
            title=_t("Job %(job)s as it came") % {"job": job},
            job=job,
            raw=raw_row(job),
        )

    @column(_("From"))
    def source(self, job: Job) -> str:
        text = _t("%(run)s, line %(line)s") % {"run": job.run, "line": job.line}
        return link(admin_url(ImportRun, "change", job.run_id), text)

    @column(_("CPU-core-hours"), ordering="cpu_seconds")
    def cpu_hours(self, job: Job) -> str:
        return hours(job.cpu_seconds)

    @column(_("GPU-hours"), ordering="gpu_seconds")
    def gpu_hours(self, job: Job) -> str:
        return hours(job.gpu_seconds)

    @column(_("GB-hours"), ordering="mem_mib_seconds")
    def memory_gb_hours(self, job: Job) -> str:
        return hours(job.mem_mib_seconds, GB_HOUR)

    @column(
        _("Rating"),
        label={"rated": "success", "unpriced": "warning", "running": "info", "held": "warning"},
    )
    def rating_status(self, job: Job) -> tuple[str, Text]:
        rating = getattr(job, "rating", None)
        if rating is not None:
            return rating.status, rating.get_status_display()
        if job.end is None:
            return "running", _("Running")
        return ("held", _("Held back")) if job.held else ("due", _("Due"))


@admin.register(Pull)
class PullAdmin(CsvExport, ReadOnlyAdmin):
    """Nightly visits to the clusters."""

    list_display = ("slot", "cluster", "files", "started_at", "finished_at", "error")
    list_filter = ("cluster",)
    list_select_related = ("cluster",)
    date_hierarchy = "slot"
    csv_columns = {
        "night": "slot",
        "cluster": "cluster__name",
        "files": "files",
        "started": "started_at",
        "finished": "finished_at",
        "error": "error",
    }
