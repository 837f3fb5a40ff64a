"""Tables in and out of the console as CSV: checked row by row, shown before, and in the log.

Built on django-import-export. What is exported can be imported again; cells that a spreadsheet
would compute leave with an apostrophe in front and lose it on the way in.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from import_export.admin import ImportMixin
from import_export.formats.base_formats import CSV
from import_export.resources import ModelResource
from import_export.results import Result
from unfold.contrib.import_export.forms import ImportForm

from audit.console import AuditedAdmin, CsvExport, values_of
from audit.services import record
from core.actor import Actor
from core.admin import admin_url
from core.spreadsheet import neutral

MAX_BYTES = 10 * 1024 * 1024


class AuditedResource(ModelResource):
    """A table whose import writes ``<kind>.created`` or ``.changed`` for each row that it saves."""

    kind = ""
    export_with: tuple[models.Prefetch[Any, Any, Any] | str, ...] = ()
    """What an export reads of other tables, once for many rows."""

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Take off what ``neutral`` put on."""
        for name, cell in row.items():
            if isinstance(cell, str) and cell[:1] == "'" and neutral(cell[1:]) == cell:
                row[name] = cell[1:]

    def before_save_instance(self, instance: Any, row: dict[str, Any], **kwargs: Any) -> None:
        """Remember what the row said before."""
        stored = self._meta.model.objects.filter(pk=instance.pk).first()
        self.before = values_of(stored) if stored is not None else None

    def after_save_instance(self, instance: Any, row: dict[str, Any], **kwargs: Any) -> None:
        """Record what was saved, in the transaction of the whole import."""
        after = values_of(instance)
        changes = {
            name: [(self.before or {}).get(name), value]
            for name, value in after.items()
            if self.before is None or self.before[name] != value
        }
        self.log(instance, "created" if self.before is None else "changed", changes, **kwargs)

    def after_import(self, dataset: Any, result: Result, **kwargs: Any) -> None:
        """Leave sequences alone: rows get their keys from them, and the role may not set them."""

    def log(self, target: models.Model, event: str, changes: Any, **kwargs: Any) -> None:
        """Write an event about one row."""
        name = self.kind if target._meta.model is self._meta.model else ""
        record(
            f"{name or target._meta.model_name}.{event}",
            actor=Actor.of(kwargs["user"]),
            target=target,
            data={"changes": changes, "file": str(kwargs.get("file_name") or "")},
        )


class CsvImportForm(ImportForm):
    """Asks for a CSV file of a sane size."""

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > MAX_BYTES:
            raise ValidationError(_("The file is larger than 10 MB."))
        return file


class ExchangeAdmin(ImportMixin, AuditedAdmin, CsvExport):
    """Adds an import with a preview, and exports the columns that the import reads.

    Goes before the admin class in the list of bases.
    """

    formats = (CSV,)
    import_form_class = CsvImportForm
    skip_admin_log = True  # the product's own log has it
    tmp_storage_class = "import_export.tmp_storages.CacheStorage"

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Who may add and change rows may import them."""
        return bool(self.has_add_permission(request) and self.has_change_permission(request))

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        """Make an import all or nothing."""
        return {**super().get_import_data_kwargs(**kwargs), "rollback_on_validation_errors": True}

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """Say what was imported, or that nothing was."""
        if result.has_errors() or result.has_validation_errors():
            messages.error(
                request, _t("Nothing was imported: a row is not acceptable any more. Try again.")
            )
            return HttpResponseRedirect(admin_url(self.model, "import"))
        self.after_change(request)
        response: HttpResponse = super().process_result(result, request)
        return response

    def csv_table(
        self, request: HttpRequest, rows: models.QuerySet[Any]
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """Return the columns of the import."""
        resource = self.get_import_resource_classes(request)[0]()
        return resource.get_export_headers(), _exported(resource, rows)


def _exported(resource: AuditedResource, rows: models.QuerySet[Any]) -> Iterator[list[Any]]:
    for item in rows.prefetch_related(*resource.export_with).iterator(chunk_size=2000):
        yield resource.export_resource(item)
