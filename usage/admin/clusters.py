"""Clusters and account mappings in the console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.forms import PaginationInlineFormSet

from audit.console import AuditedAdmin, CsvExport
from core.admin import ConsoleAdmin
from core.errors import Invalid
from core.queue import RATE_TASK, after_commit
from usage.admin.cluster_pages import ClusterPages
from usage.connections import ConnectionsInvalid, configured
from usage.models import AccountMapping, Cluster, Source
from usage.remarks import told
from usage.services import check_time_zone
from usage.twins import twins_of


class ClusterForm(forms.ModelForm[Cluster]):
    """A cluster with a time zone that exists, which Slurm is asked for by its own name."""

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        try:
            check_time_zone(name)
        except Invalid as error:
            raise ValidationError(str(error)) from error
        return name

    def clean(self) -> dict[str, Any]:
        """Keep the name by which Slurm knows a cluster that gets another one here."""
        found = super().clean() or self.cleaned_data
        old = self.initial.get("name", "")
        if old and found.get("name") and found["name"] != old and not found.get("slurm_name"):
            found["slurm_name"] = old
            self.changed_data.append("slurm_name")
        return found


class SourceForm(forms.ModelForm[Source]):
    """A source whose connection is one that the operator configured."""

    def clean(self) -> dict[str, Any]:
        """Refuse names of connections that don't exist, or are of another kind."""
        found = super().clean() or self.cleaned_data
        kind, place = found.get("kind"), found.get("place")
        if kind and place and kind != Source.Kind.FOLDER:
            self._check_connection(kind, place)
        return found

    def _check_connection(self, kind: str, place: str) -> None:
        try:
            connections = configured()
        except ConnectionsInvalid as error:
            self.add_error("place", str(error))
            return
        fitting = sorted(name for name, each in connections.items() if each.kind == kind)
        if place in fitting:
            return
        if fitting:
            said = _t("There is no such connection. The operator configured: %(names)s.")
            self.add_error("place", said % {"names": ", ".join(fitting)})
        else:
            said = _t("The operator configured no connection of this kind (SLURM_CONNECTIONS).")
            self.add_error("place", said)


class Connections(forms.TextInput):
    """A text that offers the names of the configured connections."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        place = f"{name}-offered"
        field = super().render(name, value, {**(attrs or {}), "list": place}, renderer)
        try:
            offered = sorted((each.name, each.kind) for each in configured().values())
        except ConnectionsInvalid:
            offered = []
        context = {"id": place, "offered": offered}
        return field + render_to_string("admin/usage/cluster/connections.html", context)


class SourceFormSet(PaginationInlineFormSet):
    """Sources that no other cluster reads the same accounting from."""

    def clean(self) -> None:
        super().clean()
        known_as = self.instance.known_to_slurm_as
        for form in self.forms:
            asked = form.cleaned_data if form.is_valid() else {}
            if asked and not asked.get("DELETE"):
                self._check_alone(asked["kind"], asked["place"], known_as)

    def _check_alone(self, kind: str, place: str, known_as: str) -> None:
        rows = Source.objects.filter(kind=kind, place=place).exclude(cluster=self.instance.pk)
        for row in rows.select_related("cluster"):
            if row.cluster.known_to_slurm_as == known_as:
                said = _t(
                    "The cluster %(name)s reads the same accounting from %(source)s: its jobs would"
                    " be billed twice."
                )
                raise ValidationError(said % {"name": row.cluster.name, "source": row})


class SourceInline(TabularInline):
    """Ways to a cluster's accounting, in the order in which they are asked."""

    model = Source
    form = SourceForm
    formset = SourceFormSet
    extra = 0

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        made = super().formfield_for_dbfield(db_field, request, **kwargs)
        if made is not None and db_field.name == "place":
            made.widget = Connections(attrs=made.widget.attrs)
        return made


@admin.register(Cluster)
class ClusterAdmin(AuditedAdmin, ClusterPages, CsvExport, ConsoleAdmin):
    """The Slurm installations that usage comes from."""

    form = ClusterForm
    inlines = (SourceInline,)
    list_display = (
        "name",
        "time_zone",
        "is_enabled",
        "shown_sources",
        "pull_at",
        "reads_from",
        "shown_state",
    )
    list_filter = ("is_enabled",)
    change_form_outer_before_template = "admin/usage/cluster/twins.html"
    search_fields = ("name", "slurm_name")
    readonly_fields: tuple[str, ...] = ("created_at",)
    csv_columns = {
        "name": "name",
        "time_zone": "time_zone",
        "enabled": "is_enabled",
        "slurm_name": "slurm_name",
        "pull_at": "pull_at",
        "reads_from": "reads_from",
        "reads_steps": "reads_steps",
    }
    fieldsets = (
        (None, {"fields": ("name", "slurm_name", "time_zone", "is_enabled", "created_at")}),
        (
            _("When it is read"),
            {"fields": ("reads_from", "pull_at", "overlap_days", "rescan_days", "reads_steps")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("sources")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Warn of clusters that seem to be the same Slurm."""
        cluster = self.get_object(request, object_id)
        twins = [told(remark) for remark in twins_of(cluster)] if cluster else []
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "twins": twins}
        )
        return response

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
        after_commit(RATE_TASK)
