"""Jobs in the console."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.admin import (
    ReadOnlyAdmin,
    admin_url,
    button,
    column,
    hours,
    link,
)
from core.errors import Text
from core.list_filters import DayFilter, LatestValues
from usage import stages
from usage.admin.imports import RunFilter
from usage.models import ImportRun, Job
from usage.raw import is_whole, origins, row_at, step_rows
from usage.stages import Stage

GB_HOUR = 3600 * 1024
SHOWN_REVISIONS = 10


class BucketFilter(admin.SimpleListFilter):
    """Where a job stands on its way to a charge."""

    title = _("stage")
    parameter_name = "bucket"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Stage.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        stage = self.value()
        return queryset.filter(stages.condition(stage)) if stage in Stage.values else queryset


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
        ("state", LatestValues),
        ("partition", LatestValues),
        "estimated",
        DayFilter,
        RunFilter,
    )
    list_select_related = ("cluster",)
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
                    "reservation",
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
                    "gpu_types",
                    "tres",
                    "estimated",
                    "flags",
                )
            },
        ),
        (
            _("Asked for and really used"),
            {
                "fields": (
                    "req_tres",
                    "used_cpu_seconds",
                    "used_mem_mib_seconds",
                    "energy_joules",
                ),
                "description": _("Empty where the cluster's accounting does not tell."),
            },
        ),
        (_("Where it comes from"), {"fields": ("source", "revision", "is_held", "first_seen_at")}),
    )
    readonly_fields = ("source", "is_held", "gpu_types")
    search_fields = ("=user_name", "=account", "^display_id", "^name")
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
        "requested_tres": "req_tres",
        "reservation": "reservation",
        "used_cpu_seconds": "used_cpu_seconds",
        "used_mem_mib_seconds": "used_mem_mib_seconds",
        "energy_joules": "energy_joules",
        "import_status": "run__status",
        "rating": "rating__status",
        "reason": "rating__reason",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.annotate(stage=stages.stage())

    @button(_("Row as it came"), path="raw", icon="data_object", permission="view")
    def raw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the accounting rows that the job was read from, and on wish check the originals."""
        job: Job = self.pick(request, object_id)
        checked = "check" in request.GET
        rows = [
            {
                "origin": origin,
                "end": origin.offset + origin.size,
                "raw": row_at(origin.evidence, offset=origin.offset, size=origin.size),
                "steps": step_rows(origin),
                "whole": is_whole(origin.evidence) if checked else None,
            }
            for origin in origins(job)[:SHOWN_REVISIONS]
        ]
        return self.page(
            request,
            "admin/usage/job/raw.html",
            title=_t("Job %(job)s as it came") % {"job": job},
            job=job,
            rows=rows,
            checked=checked,
        )

    @column(_("From"))
    def source(self, job: Job) -> str:
        text = _t("%(run)s, line %(line)s") % {"run": job.run, "line": job.line}
        return link(admin_url(ImportRun, "change", job.run_id), text)

    @column(_("held back"), boolean=True)
    def is_held(self, job: Job) -> bool:
        return job.held

    @column(_("GPU seconds by type"))
    def gpu_types(self, job: Job) -> str:
        return ", ".join(f"{kind}: {seconds}" for kind, seconds in job.gpu_type_seconds.items())

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
        label={
            Stage.RATED: "success",
            Stage.UNPRICED: "warning",
            Stage.RUNNING: "info",
            Stage.HELD: "warning",
        },
    )
    def rating_status(self, job: Job) -> tuple[str, Text]:
        stage = Stage(getattr(job, "stage"))  # noqa: B009 - annotated by get_queryset
        return stage.value, stage.label
