"""Pulls, their windows, and jobs that Slurm no longer has, in the console."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.admin import NOTHING, LinkedFilter, ReadOnlyAdmin, admin_url, column, link
from usage.models import MissingJob, Pull, Window
from usage.pulls import progress_of

WINDOW_STATUS = {
    Window.Status.WAITING: "info",
    Window.Status.READ: "success",
    Window.Status.EMPTY: "warning",
    Window.Status.FAILED: "danger",
}
SHOWN_WINDOWS = 200
FIRST_REMARK = 90
LABELS = {name: name for name in ("info", "danger", "warning", "success")}


def tried_text(window: Window) -> SafeString | str:
    """Return the sources that failed before one answered, and why, a line each."""
    lines = ((t["source"], t["error"], t["code"]) for t in window.tried)
    return format_html_join("", "<div>{}: {} <small>({})</small></div>", lines) or NOTHING


@admin.register(Pull)
class PullAdmin(CsvExport, ReadOnlyAdmin):
    """Visits to the clusters."""

    list_display = (
        "slot",
        "kind",
        "cluster",
        "state",
        "files",
        "started_at",
        "finished_at",
        "first_remark",
    )
    list_filter = ("kind", "cluster")
    list_select_related = ("cluster",)
    date_hierarchy = "slot"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "cluster",
                    "kind",
                    "slot",
                    "requested_by",
                    "started_at",
                    "finished_at",
                    "files",
                    "shown_remarks",
                )
            },
        ),
    )
    readonly_fields = ("shown_remarks",)
    csv_columns = {
        "day": "slot",
        "kind": "kind",
        "cluster": "cluster__name",
        "files": "files",
        "started": "started_at",
        "finished": "finished_at",
        "remarks": "remarks",
    }
    change_form_outer_before_template = "admin/usage/pull/state.html"
    change_form_outer_after_template = "admin/usage/pull/windows.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = path("<int:pull_id>/progress/", view(self.progress), name="usage_pull_progress")
        return [own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Add whether a window of it failed."""
        failed = Window.objects.filter(pull=OuterRef("pk"), status=Window.Status.FAILED)
        return super().get_queryset(request).annotate(has_failed=Exists(failed))

    @column(_("state"), label=LABELS)
    def state(self, pull: Any) -> tuple[str, str]:
        """Whether a pull is over, and whether all of it was read."""
        if pull.finished_at is None:
            return "info", _t("Running")
        if pull.has_failed:
            return "danger", _t("Not all was read")
        return ("warning", _t("With remarks")) if pull.remarks else ("success", _t("Complete"))

    @column(_("remarks"))
    def first_remark(self, pull: Pull) -> str:
        """The first thing that was wrong, and how many more there are."""
        lines = pull.error.splitlines()
        if not lines:
            return NOTHING
        first = Truncator(lines[0]).chars(FIRST_REMARK)
        return f"{first} (+{len(lines) - 1})" if len(lines) > 1 else first

    @column(_("remarks"))
    def shown_remarks(self, pull: Pull) -> SafeString | str:
        """What was wrong, a line each."""
        lines = ((line,) for line in pull.error.splitlines())
        return format_html_join("", "<div>{}</div>", lines) or NOTHING

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Add the windows to the page of a pull."""
        more = _windows(int(object_id)) if object_id.isdecimal() else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return response

    def progress(self, request: HttpRequest, pull_id: int) -> HttpResponse:
        """Show how far a pull is; its page asks for this part every other second."""
        pull: Pull = self.pick(request, pull_id)
        found = progress_of(pull)
        left = None if found.left is None else int(found.left.total_seconds())
        context = {"original": pull, "found": found, "left": left, **_windows(pull.pk)}
        response = render(request, "admin/usage/pull/_progress.html", context)
        if pull.finished_at is not None:
            response["HX-Redirect"] = admin_url(pull, "change", pull.pk)
        return response


def _windows(pull_id: int) -> dict[str, Any]:
    """What the page of a pull tells of its windows, the first ones in their order."""
    rows = Window.objects.filter(pull_id=pull_id).select_related("run").order_by("start", "pk")
    return {
        "windows": rows[:SHOWN_WINDOWS],
        "windows_more": max(0, rows.count() - SHOWN_WINDOWS),
        "missed": MissingJob.objects.filter(window__pull_id=pull_id).count(),
    }


class PullFilter(LinkedFilter):
    """Windows of one pull."""

    title = _("pull")
    parameter_name = "pull"
    lookup = "pull"
    model = "usage.Pull"


class WindowFilter(LinkedFilter):
    """Jobs missed in one window."""

    title = _("window")
    parameter_name = "window"
    lookup = "window"
    model = "usage.Window"


@admin.register(Window)
class WindowAdmin(CsvExport, ReadOnlyAdmin):
    """Spans of time that were asked for, and who answered."""

    list_display = ("span", "cluster", "state", "source", "run_link", "failed_sources")
    list_filter = ("status", "cluster", PullFilter)
    list_select_related = ("cluster", "run", "pull")
    date_hierarchy = "start"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "cluster",
                    "pull_link",
                    "start",
                    "end",
                    "state",
                    "source",
                    "tried_sources",
                    "run_link",
                    "missed",
                    "attempts",
                    "asked_at",
                    "error",
                )
            },
        ),
    )
    readonly_fields = ("pull_link", "state", "tried_sources", "run_link", "missed")
    csv_columns = {
        "cluster": "cluster__name",
        "start": "start",
        "end": "end",
        "status": "status",
        "source": "source",
        "tried": "tried",
        "run": "run",
        "asked": "asked_at",
        "error": "error",
    }

    @column(_("window"), ordering="start")
    def span(self, window: Window) -> str:
        """From when until when, in UTC: an hour may come twice on a local clock."""
        return f"{window.start:%Y-%m-%d %H:%M} – {window.end:%Y-%m-%d %H:%M} UTC"

    @column(_("status"), ordering="status", label=WINDOW_STATUS)
    def state(self, window: Window) -> tuple[str, str]:
        """What became of it."""
        return window.status, window.get_status_display()

    @column(_("sources that failed"))
    def failed_sources(self, window: Window) -> str:
        """Who failed before one answered, in short."""
        return ", ".join(f"{t['source']} ({t['code']})" for t in window.tried) or NOTHING

    @column(_("sources that failed"))
    def tried_sources(self, window: Window) -> SafeString | str:
        """Who failed before one answered, and why."""
        return tried_text(window)

    @column(_("import run"))
    def run_link(self, window: Window) -> SafeString | str:
        """The import that read the answer."""
        if window.run is None:
            return NOTHING
        return link(admin_url(window.run, "change", window.run_id), f"#{window.run_id}")

    @column(_("pull"))
    def pull_link(self, window: Window) -> SafeString | str:
        """The pull that asked."""
        if window.pull is None:
            return NOTHING
        return link(admin_url(window.pull, "change", window.pull_id), window.pull)

    @column(_("jobs that Slurm no longer has"))
    def missed(self, window: Window) -> SafeString | str:
        """Jobs that the answer should have had, by what it said before."""
        count = window.missing.count()
        if not count:
            return NOTHING
        return link(f"{admin_url(MissingJob, 'changelist')}?window={window.pk}", count)


@admin.register(MissingJob)
class MissingJobAdmin(CsvExport, ReadOnlyAdmin):
    """Jobs that Slurm had once and has no longer; they stay as they are."""

    list_display = ("job_link", "account", "ended", "noticed_at", "returned_at")
    list_filter = (("returned_at", admin.EmptyFieldListFilter), "job__cluster", WindowFilter)
    list_select_related = ("job__cluster",)
    search_fields = ("=job__job_id", "job__account", "job__user_name")
    date_hierarchy = "noticed_at"
    csv_columns = {
        "cluster": "job__cluster__name",
        "job": "job__display_id",
        "account": "job__account",
        "ended": "job__end",
        "noticed": "noticed_at",
        "returned": "returned_at",
    }

    @column(_("job"), ordering="job")
    def job_link(self, row: MissingJob) -> SafeString:
        """The job, with its charges."""
        return link(admin_url(row.job, "change", row.job_id), row.job)

    @column(_("account"), ordering="job__account")
    def account(self, row: MissingJob) -> str:
        """The job's Slurm account."""
        return row.job.account

    @column(_("ended"), ordering="job__end")
    def ended(self, row: MissingJob) -> Any:
        """When the job ended."""
        return row.job.end
