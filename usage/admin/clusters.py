"""Clusters, account mappings and nightly pulls in the console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.admin import TabularInline

from audit.console import AuditedAdmin, CsvExport
from core.admin import (
    ConsoleAdmin,
    ReadOnlyAdmin,
)
from core.errors import Invalid
from core.queue import after_commit
from usage.models import AccountMapping, Cluster, Pull, Source
from usage.services import check_time_zone


class ClusterForm(forms.ModelForm[Cluster]):
    """A cluster with a time zone that exists."""

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        try:
            check_time_zone(name)
        except Invalid as error:
            raise ValidationError(str(error)) from error
        return name


class SourceInline(TabularInline):
    """Ways to a cluster's accounting, in the order in which they are asked."""

    model = Source
    extra = 0


@admin.register(Cluster)
class ClusterAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """The Slurm installations that usage comes from."""

    form = ClusterForm
    inlines = (SourceInline,)
    list_display = ("name", "time_zone", "is_enabled", "pull_at", "reads_from", "created_at")
    list_filter = ("is_enabled",)
    search_fields = ("name",)
    readonly_fields: tuple[str, ...] = ("created_at",)
    csv_columns = {
        "name": "name",
        "time_zone": "time_zone",
        "enabled": "is_enabled",
        "slurm_name": "slurm_name",
        "pull_at": "pull_at",
        "reads_from": "reads_from",
    }

    def get_readonly_fields(self, request: HttpRequest, obj: Cluster | None = None) -> Any:
        """Keep the zone of a cluster that jobs came from: read in another one, the jobs of the
        next overlapping file would be submitted at other times, thus new, and billed again."""
        fixed = obj is not None and obj.jobs.exists()
        return (*self.readonly_fields, "time_zone") if fixed else self.readonly_fields


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


@admin.register(Pull)
class PullAdmin(CsvExport, ReadOnlyAdmin):
    """Visits to the clusters."""

    list_display = ("slot", "kind", "cluster", "files", "started_at", "finished_at", "error")
    list_filter = ("kind", "cluster")
    list_select_related = ("cluster",)
    date_hierarchy = "slot"
    csv_columns = {
        "day": "slot",
        "kind": "kind",
        "cluster": "cluster__name",
        "files": "files",
        "started": "started_at",
        "finished": "finished_at",
        "error": "error",
    }
