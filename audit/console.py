"""What admin classes of all apps share that leaves a line in the log: edits and CSV exports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from django import forms
from django.contrib.admin.utils import NestedObjects
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.exports import csv_response
from audit.services import record
from core.actor import Actor
from core.admin import button

HIDDEN = "(not shown)"
MAX_ROWS = 500
"""How many rows that are deleted along with another the log tells of."""
_SECRET_FIELDS = ("password", "digest", "secret", "token")


def shown(value: Any) -> Any:
    """Return a form's value as the log keeps it: exact, and never a whole object."""
    if isinstance(value, models.Model):
        return f"{value} (#{value.pk})"
    if isinstance(value, models.QuerySet | list | tuple | set):
        return [shown(item) for item in value]
    if value is None or isinstance(value, bool | int | str | Decimal | datetime | date):
        return value
    return str(value)


def changes_of(form: forms.BaseForm) -> dict[str, Any]:
    """Return the fields that a form changed as ``{name: [before, after]}``, without secrets."""
    found = {}
    for name in form.changed_data:
        if any(word in name for word in _SECRET_FIELDS):
            found[name] = [HIDDEN, HIDDEN]
            continue
        item = form.fields.get(name)
        before = form.get_initial_for_field(item, name) if item else None
        if isinstance(item, forms.ModelMultipleChoiceField):
            before = item.clean(before) if before else []
        elif isinstance(item, forms.ModelChoiceField):
            before = item.to_python(before)
        found[name] = [shown(before), shown(form.cleaned_data.get(name))]
    return found


def values_of(instance: models.Model) -> dict[str, Any]:
    """Return the columns of a row as the log keeps them, without secrets."""
    return {item.name: _column(instance, item) for item in instance._meta.concrete_fields}


def _column(instance: models.Model, item: Any) -> Any:
    value = item.value_from_object(instance)
    if any(word in item.name for word in _SECRET_FIELDS):
        return HIDDEN
    if item.is_relation and value is not None:
        return f"{getattr(instance, item.name)} (#{value})"
    return shown(value)


class AuditedAdmin:
    """Writes ``<model>.created``, ``.changed`` and ``.deleted`` with before and after, in the
    transaction of the change, and leads *History* to the log.

    Goes before the admin class in the list of bases.
    """

    model: Any
    kind = ""
    """What the log calls the thing; the model's name unless given."""

    def audit(
        self, request: HttpRequest, event: str, target: models.Model, data: Mapping[str, Any]
    ) -> None:
        """Record one event about an object of this admin."""
        kind = self.kind or self.model._meta.model_name
        record(f"{kind}.{event}", actor=Actor.of(request.user), target=target, data=data)

    def after_change(self, request: HttpRequest) -> None:
        """Called in the transaction of each change, for work that follows from it."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, dict[str, list[str]]]]:
        """Django calls this after it saved everything and before it commits."""
        changes = changes_of(form)
        rows = [item for formset in formsets or () for item in _rows_changed(formset)]
        if changes or rows or add:
            data = {"changes": changes} | ({"rows": rows} if rows else {})
            target = getattr(form, "instance", None) or form.user  # a form for a password has none
            self.audit(request, "created" if add else "changed", target, data)
            self.after_change(request)
        return []

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        with transaction.atomic():
            rows = list(islice(_goes_along(obj), MAX_ROWS))
            data = {"values": values_of(obj)} | ({"rows": rows} if rows else {})
            self.audit(request, "deleted", obj, data)
            obj.delete()
            self.after_change(request)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        with transaction.atomic():
            for item in queryset:
                self.delete_model(request, item)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The product's own log has it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The product's own log has it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """The product's own log has it."""
        return []

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show what the log says of an object."""
        return HttpResponseRedirect(history_url(self.model, object_id))


def _goes_along(obj: models.Model) -> Iterator[dict[str, Any]]:
    """Yield the rows that are deleted with an object, such as the memberships of a person."""
    collector = NestedObjects(using=obj._state.db or DEFAULT_DB_ALIAS)
    collector.collect([obj])
    for item in [row for rows in collector.data.values() for row in rows]:
        if item != obj:
            yield {"kind": item._meta.model_name, "deleted": values_of(item)}


def history_url(model: type[models.Model], pk: Any) -> str:
    """Return the address of the log's events about an object."""
    page = reverse("admin:audit_auditevent_changelist")
    return f"{page}?target={model._meta.label_lower}:{pk}"


def _rows_changed(formset: Any) -> Iterator[dict[str, Any]]:
    name = formset.model._meta.model_name
    for item in formset.new_objects:
        more = getattr(item, "also_logged", {})  # rows that were made with it
        yield {"kind": name, "id": item.pk, "created": values_of(item) | more}
    changed = {form.instance.pk: form for form in formset.initial_forms}
    for item, _fields in formset.changed_objects:
        yield {"kind": name, "id": item.pk, "changes": changes_of(changed[item.pk])}
    for item in formset.deleted_objects:
        yield {"kind": name, "deleted": values_of(item)}


class CsvExport:
    """A button that streams the list as it is filtered and searched, as CSV.

    ``csv_columns`` maps headings, which programs read, to lookups such as ``project__code``.
    """

    actions_list: tuple[Any, ...] = ("export_csv",)
    csv_columns: Mapping[str, str] = {}
    csv_name = ""

    def has_export_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see the list may take it along."""
        return bool(self.has_view_permission(request))  # type: ignore[attr-defined]

    @button(_("Export CSV"), path="export-csv", icon="download", permission="export")
    def export_csv(self, request: HttpRequest) -> StreamingHttpResponse:
        """Stream what the list shows now, all pages of it."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        changes = self.get_changelist_instance(request)  # type: ignore[attr-defined]
        header, rows = self.csv_table(request, changes.get_queryset(request))
        return csv_response(
            request,
            name=self.csv_name or f"{changes.opts.app_label}-{changes.opts.model_name}",
            header=header,
            rows=rows,
            filters=request.GET.dict(),
        )

    def csv_table(
        self, request: HttpRequest, rows: models.QuerySet[Any]
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """Return headings and cells, read through a server-side cursor."""
        cells = rows.values_list(*self.csv_columns.values()).iterator(chunk_size=2000)
        return list(self.csv_columns), _cells(cells)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Let the export's link carry the filters of the list."""
        response: HttpResponse = super().changelist_view(request, extra_context)  # type: ignore[misc]
        for item in (getattr(response, "context_data", None) or {}).get("actions_list", ()):
            if item.get("path", "").endswith("/export-csv/") and request.GET:
                item["path"] += f"?{request.GET.urlencode()}"
        return response


def _cells(rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    for row in rows:
        yield [_cell(value) for value in row]


def _cell(value: Any) -> Any:
    """Return times in the site's zone, and nothing where there is nothing."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds")
    return value
