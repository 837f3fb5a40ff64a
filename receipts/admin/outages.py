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

from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleForm,
    Done,
    Step,
    admin_url,
    button,
    column,
    link,
)
from core.errors import Text
from core.money import total
from pricing.models import Adjustment, OutageCredit, ReviewStatus
from pricing.outages import Credit, credits_of, figures_of
from pricing.services import outages as services
from receipts.admin.reviewed import ReviewedAdmin
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
class OutageCreditAdmin(ReviewedAdmin):
    """What was given back because a cluster was out of order."""

    may_write = "pricing.add_outagecredit"
    may_decide = "pricing.approve_outagecredit"
    titles = {
        "submit": _("Submit the outage credit"),
        "approve": _("Approve the outage credit"),
        "reject": _("Reject the outage credit"),
        "withdraw": _("Withdraw the outage credit"),
    }
    list_display = ("cluster", "start", "end", "share", "text", "author", "state")
    list_filter = ("status", "cluster")
    list_select_related = ("cluster", "author")
    search_fields = ("text", "reason")
    fieldsets = (
        (None, {"fields": ("cluster", "start", "end", "share", "text", "given_back")}),
        ReviewedAdmin.steps_fieldset,
    )
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

    def facts_of(self, row: OutageCredit) -> tuple[tuple[Any, Any], ...]:
        return (
            (_("Cluster"), row.cluster),
            (_("From"), formatting.moment(row.starts_at)),
            (_("Until"), formatting.moment(row.ends_at)),
            (_("Percent"), f"{row.percent.normalize():f} %"),
            (_("Text"), row.text),
            (_("Reason"), row.reason),
            (_("Author"), row.author),
        )

    def shown(self, row: OutageCredit, name: str) -> dict[str, Any]:
        """Show what it would give back now, which only just so is submitted or approved."""
        context = seen(row)
        mark = context["figures"].digest if name in ("submit", "approve") else ""
        template = "admin/pricing/outagecredit/step.html"
        return {"template": template, "context": context, "seen": mark}

    def act(self, name: str, row: OutageCredit, actor: Actor, values: dict[str, Any]) -> Text:
        if name == "submit":
            services.submit_outage(outage_id=row.pk, actor=actor, **values)
            return _t("It waits for the approval of somebody else.")
        if name == "reject":
            services.reject_outage(outage_id=row.pk, actor=actor, **values)
            return _t("It is rejected.")
        if name == "withdraw":
            services.withdraw_outage(outage_id=row.pk, actor=actor)
            return _t("It is withdrawn.")
        made = approve_outage_credit(outage_id=row.pk, actor=actor, **values)
        notes = len({one.credits_receipt_id for one in made} - {None})
        return _t("It is given back.") + " " + _told(notes)

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

    @column(_("From"), ordering="starts_at")
    def start(self, row: OutageCredit) -> str:
        return formatting.moment(row.starts_at)

    @column(_("Until"), ordering="ends_at")
    def end(self, row: OutageCredit) -> str:
        return formatting.moment(row.ends_at)

    @column(_("Percent"), ordering="percent")
    def share(self, row: OutageCredit) -> str:
        return f"{row.percent.normalize():f} %"

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
