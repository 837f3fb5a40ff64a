"""The console's pages of an import: upload, dry run, confirmation, progress, release."""

from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import path
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from audit.exports import record_export
from core.actor import Actor
from core.admin import Done, ReadOnlyAdmin, ReasonForm, Step, admin_url, button
from core.queue import RATE_TASK, after_commit
from usage import quarantine, services
from usage.evidence import blocks
from usage.explanations import explain_reason
from usage.forms import AgainForm, UploadForm
from usage.models import ImportRun, Job
from usage.previews import preview_run
from usage.quarantine_states import is_settled
from usage.selectors import IS_HELD

S = ImportRun.Status
PREVIEW_SECONDS = 15.0
SHOWN_ROWS = 20


class ImportPages(CsvExport, ReadOnlyAdmin):
    """The steps of an import. What they do is done by ``usage.services`` and the worker."""

    actions_list = ("upload", "export_csv")
    actions_detail = ("release", "again", "original")
    steps_by_status = {status: {"original"} for status in S} | {
        S.INCOMPLETE: {"release", "again", "original"},
        S.RELEASED: {"again", "original"},
    }
    change_form_outer_before_template = "admin/usage/importrun/state.html"
    change_form_outer_after_template = "admin/usage/importrun/windows.html"

    def has_import_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may upload, confirm and cancel."""
        return request.user.has_perm("usage.import_usage")

    def has_release_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may release an incomplete import."""
        return request.user.has_perm("usage.release_importrun")

    def has_evidence_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may take the original along."""
        return request.user.has_perm("usage.view_evidence")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        name = "usage_importrun"
        return [
            path("<int:run_id>/preview/", view(self.preview), name=f"{name}_preview"),
            path("<int:run_id>/progress/", view(self.progress), name=f"{name}_progress"),
            path("<int:run_id>/confirm/", view(self.confirm), name=f"{name}_confirm"),
            path("<int:run_id>/cancel/", view(self.cancel), name=f"{name}_cancel"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Add what the person may do to the page of a run."""
        run = self.get_object(request, object_id)
        settled = run is not None and is_settled(run)
        more = {
            "may_import": self.has_import_permission(request),
            "may_release": self.has_release_permission(request),
            "queued": "queued" in request.GET,
            "settled": settled,
            "held_jobs": Job.objects.filter(run=run).count() if settled else 0,
        }
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return response

    @button(
        _("Upload a file"), path="upload", icon="upload_file", permission="import", primary=True
    )
    def upload(self, request: HttpRequest) -> HttpResponse:
        """Store a file, and go on to what importing it would change."""

        def run(actor: Actor, values: dict[str, Any]) -> Done:
            file = values["file"]
            prepared = services.prepare_import(
                cluster=values["cluster"],
                stream=file,
                origin=file.name,
                actor=actor,
                columns=values["columns"],
                time_zone=values["time_zone"],
                as_of=values["as_of"],
            )
            said = _t("The file is stored. Nothing is imported yet.")
            if prepared.status != S.PREPARED:
                said = _t("This cluster's file was imported before, by this run.")
            return Done(said, admin_url(prepared, "change", prepared.pk))

        step = Step(
            title=_("Upload usage"),
            submit=_("Upload and look"),
            run=run,
            form=UploadForm,
            back=admin_url(ImportRun, "changelist"),
            intro=_(
                "The file is kept as it came. You then see what would change, "
                "and nothing is imported before you confirm."
            ),
        )
        return self.step(request, step)

    def preview(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Show what a prepared run would change; the page of the run loads this part."""
        run = self.pick(request, run_id)
        found = preview_run(run_id=run.pk, seconds=PREVIEW_SECONDS)
        context = {
            "run": run,
            "found": found,
            "rows": found.tally.as_counts()["rows_read"],
            "bad": [(row, explain_reason(row.reason)) for row in found.bad[:SHOWN_ROWS]],
            "may_import": self.has_import_permission(request),
        }
        return render(request, "admin/usage/importrun/_preview.html", context)

    def progress(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Show how far a run is; the page of the run asks for this part every other second."""
        run = self.pick(request, run_id)
        response = render(request, "admin/usage/importrun/_progress.html", {"run": run})
        if run.finished_at is not None:
            response["HX-Redirect"] = admin_url(run, "change", run.pk)
        return response

    def confirm(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Let the worker run a prepared import."""
        run = self._prepared(request, run_id)

        def confirmed(actor: Actor, _values: dict[str, Any]) -> Done:
            services.confirm_import(run_id=run.pk, actor=actor)
            return Done(_t("The import is on its way."), f"{_page(run)}?queued")

        step = Step(
            title=_("Import the file"),
            submit=_("Import"),
            run=confirmed,
            back=_page(run),
            target=run,
            facts=_facts(run),
            intro=_("A worker imports the file and rates its jobs."),
        )
        return self.step(request, step)

    def cancel(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Give a prepared import up."""
        run = self._prepared(request, run_id)

        def cancelled(actor: Actor, _values: dict[str, Any]) -> str:
            services.cancel_import(run_id=run.pk, actor=actor)
            return _t("The import is cancelled. The file stays as evidence.")

        step = Step(
            title=_("Cancel the import"),
            submit=_("Cancel the import"),
            run=cancelled,
            back=_page(run),
            target=run,
            facts=_facts(run),
            danger=True,
        )
        return self.step(request, step)

    @button(_("Release"), path="release", icon="lock_open", permission="release", primary=True)
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the jobs of an incomplete import be rated, with a reason."""
        run: ImportRun = self.pick(request, object_id)

        def released(actor: Actor, values: dict[str, Any]) -> str:
            services.release_import(run_id=run.pk, actor=actor, reason=values["reason"])
            after_commit(RATE_TASK)
            return _t("The import is released. Its jobs are being rated.")

        step = Step(
            title=_("Release an incomplete import"),
            submit=_("Release"),
            run=released,
            form=ReasonForm,
            initial={"reason": _settled_reason(run)},
            back=_page(run),
            target=run,
            facts=_facts(run),
            intro=_(
                "The rows in quarantine stay out and the file may lack its end. Release it if a "
                "better file won't come: its good jobs are then priced. Your name and reason are "
                "kept."
            ),
        )
        return self.step(request, step)

    @button(_("Try again"), path="again", icon="refresh", permission="import")
    def again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Read an import that left rows in quarantine once more."""
        run: ImportRun = self.pick(request, object_id)

        days = quarantine.days_of(run)

        def repeated(actor: Actor, values: dict[str, Any]) -> Done:
            if values.get("how") == AgainForm.SOURCE:
                pull = quarantine.ask_again(run_id=run.pk, actor=actor)
                return Done(_t("The pull is on its way."), admin_url(pull, "change", pull.pk))
            made = quarantine.read_again(run_id=run.pk, actor=actor)
            return Done(_t("The input is being read again."), _page(made))

        step = Step(
            title=_("Read an import again"),
            submit=_("Read it again"),
            run=repeated,
            back=_page(run),
            target=run,
            form=AgainForm if days else Form,
            facts=(*_facts(run), *(((_("Days"), _span(*days)),) if days else ())),
            intro=_FROM_SOURCE if days else _FROM_FILE,
        )
        return self.step(request, step)

    @button(_("The original"), path="original", icon="download", permission="evidence")
    def original(self, request: HttpRequest, object_id: str) -> StreamingHttpResponse:
        """Hand out the input as it came."""
        run: ImportRun = self.pick(request, object_id)
        record_export(request, name="evidence", filters={"sha256": run.evidence.sha256})
        response = StreamingHttpResponse(
            blocks(run.evidence), content_type="application/octet-stream"
        )
        disposition = content_disposition_header(as_attachment=True, filename=run.origin)
        response["Content-Disposition"] = disposition or "attachment"
        return response

    def _prepared(self, request: HttpRequest, run_id: int) -> ImportRun:
        if not self.has_import_permission(request):
            raise PermissionDenied
        run: ImportRun = self.pick(request, run_id)
        return run


def _page(run: ImportRun) -> str:
    return admin_url(run, "change", run.pk)


_FROM_FILE = _(
    "The stored original is read once more, with today's program and settings. Rows that can be"
    " read now become jobs, and nothing is counted twice. If the data was corrected in Slurm or in"
    " the file, upload the new file instead: rows whose jobs it brings count as resolved by"
    " themselves."
)
_FROM_SOURCE = _(
    "If the data was corrected in Slurm, ask again: rows whose jobs come well then count as"
    " resolved by themselves. If settings here were corrected, read the stored original again."
    " Nothing is counted twice."
)


def _span(first: date, last: date) -> str:
    return f"{first:%Y-%m-%d}" if first == last else f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"


def _settled_reason(run: ImportRun) -> str:
    if not is_settled(run):
        return ""
    return _t("All %(rows)s quarantined rows are resolved or dismissed.") % {
        "rows": run.quarantined
    }


def _facts(run: ImportRun) -> tuple[tuple[Any, Any], ...]:
    return (
        (_("Cluster"), run.cluster),
        (_("File"), run.origin),
        (_("Size"), filesizeformat(run.evidence.size_bytes)),
        (_("Time zone"), run.time_zone),
        (_("Held back"), Job.objects.filter(IS_HELD, run=run).count()),
    )
