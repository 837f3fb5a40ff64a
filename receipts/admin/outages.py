"""Outage credits in the console: seen whole, submitted, and approved by somebody else.

They stand with receipts, as approving one issues credit notes over what is billed already.
"""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from audit.console import CsvExport
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleForm,
    Done,
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    link,
)
from core.money import total
from pricing.admin.adjustments import STATUS
from pricing.models import Adjustment, OutageCredit, ReviewStatus
from pricing.outages import Credit, credits_of, figures_of
from pricing.services import outages as services
from receipts.services.outages import approve_outage_credit
from usage.models import Cluster, Job

S = ReviewStatus
SHOWN_JOBS = 50


class OutageForm(ConsoleForm):
    """Where, when, and how much of it is given back."""

    cluster = forms.ModelChoiceField(Cluster.objects.order_by("name"), label=_("Cluster"))
    starts_at = forms.SplitDateTimeField(label=_("From"), widget=UnfoldAdminSplitDateTimeWidget)
    ends_at = forms.SplitDateTimeField(label=_("Until"), widget=UnfoldAdminSplitDateTimeWidget)
    percent = forms.DecimalField(
        label=_("Percent"),
        min_value=Decimal(0),
        max_value=Decimal(100),
        max_digits=5,
        decimal_places=2,
        initial=100,
        help_text=_("Of what the jobs cost for the time that they ran within the outage."),
    )
    text = forms.CharField(
        label=_("Text"), max_length=200, help_text=_("As it is printed on the document.")
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, help_text=_("For the log; it is not printed.")
    )


def facts_of(row: OutageCredit) -> tuple[tuple[Any, Any], ...]:
    """Return what a person should see of an outage before pressing."""
    return (
        (_("Cluster"), row.cluster),
        (_("From"), formatting.moment(row.starts_at)),
        (_("Until"), formatting.moment(row.ends_at)),
        (_("Percent"), f"{row.percent.normalize():f} %"),
        (_("Text"), row.text),
        (_("Reason"), row.reason),
        (_("Author"), row.author),
    )


def seen(row: OutageCredit) -> dict[str, Any]:
    """Return what an outage would give back now: by project, and its first jobs."""
    found = credits_of(row)
    figures = figures_of(found)
    submitted = row.figures["digest"] if row.figures else figures.digest
    return {
        "figures": figures,
        "changed": submitted != figures.digest,
        "jobs": _jobs(found),
        "more": max(0, figures.jobs - SHOWN_JOBS),
    }


def _jobs(found: list[Credit]) -> list[dict[str, Any]]:
    by_job: dict[int, list[Credit]] = {}
    for one in found:
        by_job.setdefault(one.job_id, []).append(one)
    shown = list(by_job)[:SHOWN_JOBS]
    jobs = Job.objects.select_related("cluster").in_bulk(shown)
    return [
        {
            "job": jobs[key],
            "project": by_job[key][0].project,
            "within": formatting.duration(by_job[key][0].seconds),
            "amount": total(one.amount for one in by_job[key]),
            "currency": by_job[key][0].currency,
        }
        for key in shown
    ]


@admin.register(OutageCredit)
class OutageCreditAdmin(CsvExport, ReadOnlyAdmin):
    """What was given back because a cluster was out of order."""

    list_display = ("cluster", "start", "end", "share", "text", "author", "state")
    list_filter = ("status", "cluster")
    list_select_related = ("cluster", "author")
    search_fields = ("text", "reason")
    actions_list = ("write",)
    actions_detail = ("submit", "approve", "reject", "withdraw")
    steps_by_status = {
        S.DRAFT: {"submit", "withdraw"},
        S.SUBMITTED: {"approve", "reject", "withdraw"},
        S.APPROVED: set(),
        S.REJECTED: set(),
        S.WITHDRAWN: set(),
    }
    fieldsets = (
        (None, {"fields": ("cluster", "start", "end", "share", "text", "given_back")}),
        (
            _("Steps"),
            {
                "fields": (
                    "status", "reason", "author", "created_at", "submitted_at", "decided_by",
                    "decided_at", "answer",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = ("start", "end", "share", "given_back")
    csv_columns = {
        "cluster": "cluster__name",
        "from": "starts_at",
        "until": "ends_at",
        "percent": "percent",
        "text": "text",
        "reason": "reason",
        "status": "status",
        "author": "author__username",
        "submitted": "submitted_at",
        "decided": "decided_at",
        "decided_by": "decided_by__username",
        "answer": "answer",
    }

    def has_write_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may write outages down."""
        return request.user.has_perm("pricing.add_outagecredit")

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may approve another's."""
        return request.user.has_perm("pricing.approve_outagecredit")

    @button(_("New outage credit"), path="write", icon="add", permission="write", primary=True)
    def write(self, request: HttpRequest) -> HttpResponse:
        """Write an outage down, to see what it would give back."""

        def run(actor: Actor, values: dict[str, Any]) -> Done:
            made = services.draft_outage(**values, actor=actor)
            said = _t("Look at what it would give back, and submit it.")
            return Done(said, admin_url(made, "submit", made.pk))

        step = Step(
            title=_("New outage credit"),
            submit=_("See what it gives back"),
            run=run,
            form=OutageForm,
            back=admin_url(OutageCredit, "changelist"),
            intro=_(
                "All jobs that ran on the cluster then get back a part of what they cost, for the"
                " time that they ran within the outage. Nothing is given back before somebody else"
                " has approved it."
            ),
        )
        return self.step(request, step)

    @button(_("Submit"), path="submit", icon="send", permission="write", primary=True)
    def submit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what it would give back, and ask somebody else."""
        row: OutageCredit = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> Done:
            services.submit_outage(outage_id=row.pk, actor=actor)
            said = _t("It waits for the approval of somebody else.")
            return Done(said, admin_url(row, "change", row.pk))

        return self.step(request, self._of(row, _("Submit the outage credit"), _("Submit"), run))

    @button(_("Approve"), path="approve", icon="check", permission="decide", primary=True)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what was submitted, and give it back."""
        row: OutageCredit = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> Done:
            made = approve_outage_credit(outage_id=row.pk, actor=actor)
            notes = len({one.credits_receipt_id for one in made} - {None})
            said = _t("It is given back.") + " " + _told(notes)
            return Done(said, admin_url(row, "change", row.pk))

        return self.step(request, self._of(row, _("Approve the outage credit"), _("Approve"), run))

    @button(_("Reject"), path="reject", icon="close", permission="decide")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say no, for good; the author sees why."""
        row: OutageCredit = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.reject_outage(outage_id=row.pk, reason=values["reason"], actor=actor)
            return _t("It is rejected.")

        title = _("Reject the outage credit")
        return self.step(request, self._of(row, title, _("Reject"), run, because=True))

    @button(_("Withdraw"), path="withdraw", icon="undo", permission="write")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take away what was not decided about yet."""
        row: OutageCredit = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.withdraw_outage(outage_id=row.pk, actor=actor)
            return _t("It is withdrawn.")

        title = _("Withdraw the outage credit")
        return self.step(request, self._of(row, title, _("Withdraw"), run))

    def _of(
        self, row: OutageCredit, title: Any, submit: Any, run: Any, *, because: bool = False
    ) -> Step:
        return Step(
            title=title,
            submit=submit,
            run=run,
            form=ReasonForm if because else forms.Form,
            danger=because,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=facts_of(row),
            template="admin/pricing/outagecredit/step.html",
            context=seen(row),
        )

    @column(_("From"), ordering="starts_at")
    def start(self, row: OutageCredit) -> str:
        return formatting.moment(row.starts_at)

    @column(_("Until"), ordering="ends_at")
    def end(self, row: OutageCredit) -> str:
        return formatting.moment(row.ends_at)

    @column(_("Percent"), ordering="percent")
    def share(self, row: OutageCredit) -> str:
        return f"{row.percent.normalize():f} %"

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, row: OutageCredit) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @column(_("Given back"))
    def given_back(self, row: OutageCredit) -> str:
        """The adjustments that it made."""
        count = row.adjustments.count()
        if not count:
            return NOTHING
        shown = ngettext("%(n)s adjustment", "%(n)s adjustments", count) % {"n": count}
        return link(f"{admin_url(Adjustment, 'changelist')}?outage={row.pk}", shown)


def _told(notes: int) -> str:
    if not notes:
        return _t("It goes on the next receipts of the projects.")
    told = ngettext("%(n)s credit note is issued.", "%(n)s credit notes are issued.", notes)
    return told % {"n": notes}
