"""The quarantine in the console: rows as they came, what to do about them, and who decided what."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from audit.console import CsvExport
from core.actor import Actor
from core.admin import Done, ReadOnlyAdmin, ReasonForm, Step, admin_url, button, column, link
from core.errors import Text
from usage import quarantine
from usage.admin.imports import RunFilter
from usage.explanations import explain_reason
from usage.models import ImportRun, QuarantineDecision, QuarantinedRow
from usage.quarantine_states import State, is_settled, with_state
from usage.reasons import Reason

COLOURS = {
    State.OPEN: "warning",
    State.AGAIN: "info",
    State.RESOLVED: "success",
    State.DISMISSED: "info",
}
SHOWN_IDS = 200
"""So many rows are chosen by their boxes at most; more are chosen by the filters."""


class StateFilter(admin.SimpleListFilter):
    """Where a row stands."""

    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(value, label) for value, label in State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class ReasonFilter(admin.SimpleListFilter):
    """Why rows could not be read, in words."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = QuarantinedRow.objects.order_by("reason").values_list("reason", flat=True)
        return [(code, explain_reason(code)) for code in found.distinct()[: len(Reason)]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(QuarantinedRow)
class QuarantinedRowAdmin(CsvExport, ReadOnlyAdmin):
    """Rows that could not be read, as they came, until each is resolved or dismissed."""

    list_display = ("why", "detail", "beginning", "came_from", "shown_state")
    fields = (
        "state_text",
        "why",
        "detail",
        "what_to_do",
        "cluster",
        "run_link",
        "origin",
        "line",
        "row",
    )
    readonly_fields = fields
    list_filter = (StateFilter, ReasonFilter, "run__cluster", RunFilter)
    list_select_related = ("run", "run__cluster")
    search_fields = ("raw", "detail")
    actions = ("dismiss_chosen",)
    actions_list = ("dismiss_shown", "export_csv")
    actions_detail = ("dismiss_one", "reopen_one", "try_again")
    change_form_after_template = "admin/usage/quarantinedrow/decisions.html"
    csv_columns = {
        "run": "run",
        "cluster": "run__cluster__name",
        "origin": "run__origin",
        "line": "line",
        "state": "state",
        "reason": "reason",
        "detail": "detail",
        "raw": "raw",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_state(super().get_queryset(request))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer what fits the row's state."""
        found = self.get_object(request, str(object_id))
        fitting = {"try_again"}
        if found is not None:
            fitting.add("reopen_one" if found.state == State.DISMISSED else "dismiss_one")
            if found.state == State.RESOLVED:
                fitting.clear()
        return [
            item
            for item in super().get_actions_detail(request, object_id)
            if item.method.original_function_name in fitting
        ]

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may dismiss rows and take that back."""
        return request.user.has_perm("usage.decide_quarantinedrow")

    def has_import_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may have rows read again."""
        return request.user.has_perm("usage.import_usage")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Let the button that dismisses what is shown carry the filters of the list."""
        response = super().changelist_view(request, extra_context)
        for item in (getattr(response, "context_data", None) or {}).get("actions_list", ()):
            if item.get("path", "").endswith("/dismiss-shown/") and request.GET:
                item["path"] += f"?{request.GET.urlencode()}"
        return response

    @button(_("Dismiss"), path="dismiss", icon="block", permission="decide", primary=True)
    def dismiss_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Leave one row out, with a reason."""
        row = self.pick(request, object_id)
        return self._dismiss(request, [row.pk], admin_url(row, "change", row.pk), row)

    @admin.action(description=_("Dismiss"), permissions=["decide"])
    def dismiss_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Leave the chosen rows out: goes on to the page that asks for the reason."""
        ids = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True)[:SHOWN_IDS])
        page = reverse("admin:usage_quarantinedrow_dismiss_shown")
        return HttpResponseRedirect(f"{page}?id__in={ids}")

    @button(_("Dismiss what is shown"), path="dismiss-shown", icon="block", permission="decide")
    def dismiss_shown(self, request: HttpRequest) -> HttpResponse:
        """Leave all rows out that the list shows under its filters."""
        shown = self.get_changelist_instance(request).get_queryset(request)
        waiting = shown.filter(state__in=(State.OPEN, State.AGAIN)).order_by()
        ids = list(waiting.values_list("pk", flat=True)[: quarantine.MAX_ROWS])
        return self._dismiss(request, ids, admin_url(QuarantinedRow, "changelist"))

    def _dismiss(
        self, request: HttpRequest, ids: Sequence[int], back: str, row: Any = None
    ) -> HttpResponse:
        def run(actor: Actor, values: dict[str, Any]) -> Done:
            count = quarantine.dismiss(row_ids=ids, actor=actor, reason=values["reason"])
            said = ngettext("%(rows)s row is dismissed.", "%(rows)s rows are dismissed.", count)
            return _after(ids, said % {"rows": count}, back)

        step = Step(
            title=_("Dismiss quarantined rows"),
            submit=_("Dismiss"),
            run=run,
            form=ReasonForm,
            back=back,
            target=row,
            facts=_facts(ids),
            danger=True,
            intro=_(
                "Their jobs are left out: they are billed to nobody. The same rows stay dismissed"
                " when a later reading brings them again. Your name and reason are kept, and it can"
                " be undone. Jobs that wait for these rows still wait until their import is"
                " released."
            ),
        )
        return self.step(request, step)

    @button(_("Open again"), path="reopen", icon="undo", permission="decide", primary=True)
    def reopen_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a dismissal back, with a reason."""
        row = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> Text:
            quarantine.reopen(row_ids=[row.pk], actor=actor, reason=values["reason"])
            return _t("The row is open again.")

        step = Step(
            title=_("Open a dismissed row again"),
            submit=_("Open again"),
            run=run,
            form=ReasonForm,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=_facts([row.pk]),
            intro=_(
                "The next reading that brings this row is held back until someone looks. What was"
                " released because of the dismissal stays released."
            ),
        )
        return self.step(request, step)

    @button(_("Try again"), path="try-again", icon="refresh", permission="import")
    def try_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page that reads the row's import again."""
        row = self.pick(request, object_id)
        return HttpResponseRedirect(admin_url(ImportRun, "again", row.run_id))

    @column(_("Import run"), ordering="run")
    def run_link(self, row: QuarantinedRow) -> str:
        return link(admin_url(ImportRun, "change", row.run_id), row.run)

    @column(_("Import run"), ordering="run")
    def came_from(self, row: QuarantinedRow) -> str:
        text = _t("%(run)s, line %(line)s") % {"run": row.run, "line": row.line}
        url = admin_url(ImportRun, "change", row.run_id)
        return format_html("<span>{}<br>{}</span>", link(url, text), row.run.cluster)

    @column(_("Cluster"), ordering="run__cluster")
    def cluster(self, row: QuarantinedRow) -> str:
        return str(row.run.cluster)

    @column(_("Source"))
    def origin(self, row: QuarantinedRow) -> str:
        windows = row.run.windows.exclude(source="").values_list("source", flat=True)
        return ", ".join(windows.distinct()[:3]) or row.run.origin

    @column(_("Status"), label=COLOURS)
    def shown_state(self, row: Any) -> tuple[str, str]:
        return row.state, str(State(row.state).label)

    @column(_("Status"))
    def state_text(self, row: Any) -> str:
        return str(State(row.state).label)

    @column(_("Reason"), ordering="reason")
    def why(self, row: QuarantinedRow) -> str:
        return row.explanation

    @column(_("What to do"))
    def what_to_do(self, row: QuarantinedRow) -> str:
        return row.advice

    @column(_("Row as it came"))
    def row(self, row: QuarantinedRow) -> str:
        return format_html('<pre class="console-raw" tabindex="0">{}</pre>', row.raw)

    @column(_("Row as it came"))
    def beginning(self, row: QuarantinedRow) -> str:
        return format_html('<code class="console-code">{}</code>', Truncator(row.raw).chars(80))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Add what was decided about the row."""
        more = {"decisions": _decisions(object_id)}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return response


def _decisions(object_id: str) -> QuerySet[QuarantineDecision]:
    row = QuarantinedRow.objects.filter(pk=object_id) if object_id.isdecimal() else ()
    keys = [(found.run.cluster_id, found.digest) for found in row]
    decisions = QuarantineDecision.objects.select_related("author")
    if not keys:
        return decisions.none()
    return decisions.filter(cluster=keys[0][0], digest=keys[0][1]).order_by("-number")


def _facts(ids: Sequence[int]) -> tuple[tuple[Any, Any], ...]:
    rows = QuarantinedRow.objects.filter(pk__in=ids)
    runs = rows.order_by("run").values_list("run", flat=True).distinct()
    reasons = rows.order_by("reason").values_list("reason", flat=True).distinct()
    shown = [f"#{pk}" for pk in runs[:6]]
    return (
        (_("Rows"), len(ids)),
        (_("Imports"), ", ".join(shown[:5]) + (" …" if len(shown) > 5 else "")),
        (_("Reason"), " ".join(explain_reason(code) for code in reasons[:4])),
    )


def _after(ids: Sequence[int], said: str, back: str) -> Done:
    """Go on to the import if nothing else of it is open: it can be released now."""
    runs = list(ImportRun.objects.filter(quarantine__in=ids[:1]))
    alone = not QuarantinedRow.objects.filter(pk__in=ids).exclude(run__in=runs).exists()
    if runs and alone and is_settled(runs[0]):
        more = _t("Nothing else of this import is open: it can be released.")
        return Done(f"{said} {more}", admin_url(ImportRun, "change", runs[0].pk))
    return Done(said, back)
