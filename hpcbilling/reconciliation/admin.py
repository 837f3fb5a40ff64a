"""Comparisons with Slurm in the console."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core import formatting
from core.actor import Actor
from core.admin import ConsoleForm, ReadOnlyAdmin, Step, admin_url, button, column
from core.errors import Text
from core.intervals import month, month_start, next_month
from core.queue import after_commit
from core.site import is_period, site_zone
from hpcbilling.reconciliation import pages
from usage.models import Cluster, QuarantinedRow, Reconciliation
from usage.reconciliations import comparable_clusters

O = Reconciliation.Outcome  # noqa: E741 - as S stands for a status elsewhere
OUTCOMES = {O.AGREED: "success", O.EXPLAINED: "info", O.UNEXPLAINED: "danger", O.FAILED: "warning"}
TASK = "hpcbilling.reconcile_period"


class PeriodForm(ConsoleForm):
    """Which cluster and month to compare."""

    cluster = forms.ModelChoiceField(
        Cluster.objects.none(), label=_("Cluster"), help_text=_("With a sacct or slurmrestd source")
    )
    month = forms.DateField(
        label=_("Month"),
        input_formats=["%Y-%m"],
        widget=forms.DateInput(format="%Y-%m", attrs={"type": "month", "placeholder": "2026-11"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["cluster"]
        chosen.queryset = comparable_clusters()

    def clean_month(self) -> date:
        found: date = self.cleaned_data["month"]
        if found > timezone.localdate():
            raise forms.ValidationError(_t("This month has not begun."))
        if not is_period(found, found):
            raise forms.ValidationError(_t("That is too long ago: is the year right?"))
        return found


@admin.register(Reconciliation)
class ReconciliationAdmin(CsvExport, ReadOnlyAdmin):
    """What Slurm says was used, against what we have; each result as it came out."""

    list_display = ("period", "cluster", "state", "created_at", "jobs_stated", "jobs_differing")
    list_filter = ("outcome", "cluster")
    list_select_related = ("cluster",)
    date_hierarchy = "start"
    list_before_template = "admin/usage/reconciliation/intro.html"
    actions_list = ("compare", "export_csv")
    csv_columns = {
        "cluster": "cluster__name",
        "from": "start",
        "to": "end",
        "compared_up_to": "until",
        "outcome": "outcome",
        "jobs": "jobs_stated",
        "jobs_differing": "jobs_differing",
        "unexplained": "unexplained",
        "source": "source",
        "error": "error",
        "compared": "created_at",
    }

    def has_compare_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may ask Slurm."""
        return request.user.has_perm("usage.reconcile_usage")

    @button(_("Compare now"), path="compare", icon="balance", permission="compare", primary=True)
    def compare(self, request: HttpRequest) -> HttpResponse:
        """Have the worker compare a month."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            span = month(values["month"], site_zone())
            edges = (span.start.isoformat(), span.end.isoformat())
            after_commit(TASK, values["cluster"].pk, *edges, actor.user_id)
            return _t("Slurm is being asked. The result shows here in a moment: look again.")

        step = Step(
            title=_("Compare a month with Slurm"),
            submit=_("Compare"),
            run=run,
            form=PeriodForm,
            initial={"month": timezone.localdate().replace(day=1)},
            back=admin_url(Reconciliation, "changelist"),
            intro=_(
                "A worker asks Slurm for its own totals and compares them with ours, job by job. "
                "The open month is compared up to the last full hour that was read."
            ),
        )
        return self.step(request, step)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a result: the buckets, the causes, the jobs, and earlier results of the period."""
        result: Reconciliation = self.pick(request, object_id)
        if request.method == "POST":
            raise PermissionDenied
        span = {"cluster": result.cluster, "start": result.start, "end": result.end}
        others = Reconciliation.objects.filter(**span).exclude(pk=result.pk)
        return self.page(
            request,
            "admin/usage/reconciliation/page.html",
            title=f"{result.cluster}: {period_text(result)}",
            result=result,
            verdict=verdict(result),
            units=pages.units(),
            lines=pages.figure_lines(result) if result.figures else [],
            causes=pages.cause_lines(result),
            jobs=pages.job_rows(result),
            report=pages.report_rows(result),
            left=max(0, result.jobs_differing - pages.SHOWN_JOBS),
            history=others[: pages.SHOWN_HISTORY],
            quarantine=admin_url(QuarantinedRow, "changelist"),
            sees_jobs=request.user.has_perm("usage.view_job"),
        )

    @column(_("Period"), ordering="start")
    def period(self, result: Reconciliation) -> str:
        return period_text(result)

    @column(_("Outcome"), ordering="outcome", label=OUTCOMES)
    def state(self, result: Reconciliation) -> tuple[str, str]:
        return result.outcome, result.get_outcome_display()


def period_text(result: Reconciliation) -> str:
    """Return the period as its month, or as its first and last day."""
    first = localtime(result.start).date()
    last = localtime(result.end - timedelta(seconds=1)).date()
    if first == month_start(first) and next_month(first) == last + timedelta(days=1):
        return formatting.month(first)
    return (
        formatting.day(first) if first == last else " – ".join(map(formatting.day, (first, last)))
    )


def verdict(result: Reconciliation) -> Text:
    """Return one sentence that says how it came out, and what to do."""
    return {
        O.AGREED: _t("What Slurm says and what we have are the same, to the second."),
        O.EXPLAINED: _t("There are differences. Each has a known cause; nothing needs to be done."),
        O.UNEXPLAINED: _t(
            "There are differences without a known cause. Jobs may be missing or counted wrongly: "
            "have the operator look before this period is billed."
        ),
        O.FAILED: _t("Slurm's totals could not be read, so nothing was compared."),
    }[O(result.outcome)]
