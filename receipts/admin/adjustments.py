"""Adjustments in the console: written, submitted, decided about by somebody else, taken back."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDateWidget

from accounts.models import Project
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleForm,
    Done,
    LinkedFilter,
    Step,
    admin_url,
    button,
    column,
    link,
    money,
)
from core.errors import Text
from core.intervals import local_midnight
from core.site import site_zone
from pricing.admin.charges import ProjectFilter
from pricing.limits import limit_in
from pricing.models import Adjustment, AdjustmentKind, Charge, ReviewStatus
from pricing.selectors import charge_of_adjustment
from pricing.services import adjustments as services
from pricing.services.adjustments import Wanted
from receipts.admin.reviewed import ReviewedAdmin
from receipts.alone import alone_before
from receipts.services.adjustments import submit_adjustment

S = ReviewStatus
KINDS = [(kind.value, kind.label) for kind in AdjustmentKind if kind is not AdjustmentKind.OUTAGE]


class AdjustmentForm(ConsoleForm):
    """What somebody charges or gives back by hand."""

    project = forms.ModelChoiceField(
        Project.objects.filter(is_active=True), label=_("Project"), to_field_name="code"
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=KINDS,
        help_text=_("Credits and discounts are given back; a fee is charged."),
    )
    amount = forms.DecimalField(
        label=_("Amount"),
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=4,
        required=False,
        help_text=_("Before tax. Empty for a discount in percent."),
    )
    percent = forms.DecimalField(
        label=_("Percent"),
        min_value=Decimal(0),
        max_value=Decimal(100),
        decimal_places=2,
        required=False,
        help_text=_("Of a discount only: of all that the project has unbilled now."),
    )
    day = forms.DateField(
        label=_("Day"),
        widget=UnfoldAdminDateWidget,
        initial=timezone.localdate,
        help_text=_("It goes on the receipt that this day does."),
    )
    text = forms.CharField(
        label=_("Text"), max_length=200, help_text=_("As it is printed on the document.")
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, help_text=_("For the log; it is not printed.")
    )


class OutageFilter(LinkedFilter):
    """Adjustments that an outage made."""

    title = _("outage")
    parameter_name = "outage"
    lookup = "outage"
    model = "pricing.OutageCredit"


@admin.register(Adjustment)
class AdjustmentAdmin(ReviewedAdmin):
    """Amounts by hand. What it says never changes: it is withdrawn, or taken back by another
    charge."""

    may_write = "pricing.add_adjustment"
    may_decide = "pricing.approve_adjustment"
    titles = {
        "submit": _("Submit the adjustment"),
        "approve": _("Approve the adjustment"),
        "reject": _("Reject the adjustment"),
        "withdraw": _("Withdraw the adjustment"),
        "take_back": _("Take the adjustment back"),
    }
    list_display = ("text", "project", "shown_kind", "shown_amount", "day", "author", "state")
    list_filter = ("status", "kind", ProjectFilter, OutageFilter)
    list_select_related = ("project", "author")
    search_fields = ("text", "reason", "=project__code")
    actions_detail = (*ReviewedAdmin.actions_detail, "take_back")
    fieldsets = (
        (
            None,
            {"fields": ("project", "kind", "shown_amount", "percent", "day", "text", "charge")},
        ),
        ReviewedAdmin.steps_fieldset,
    )
    readonly_fields = ("shown_amount", "day", "charge")
    csv_columns = {
        "project": "project__code",
        "kind": "kind",
        "amount": "amount",
        "currency": "currency",
        "percent": "percent",
        "at": "at",
        "text": "text",
        "reason": "reason",
        "status": "status",
        "author": "author__username",
        "created": "created_at",
        "submitted": "submitted_at",
        "decided": "decided_at",
        "decided_by": "decided_by__username",
        "answer": "answer",
        "outage": "outage",
    }

    def facts_of(self, row: Adjustment) -> tuple[tuple[Any, Any], ...]:
        percent = ((_("Percent"), f"{row.percent.normalize():f} %"),) if row.percent else ()
        return (
            (_("Project"), row.project),
            (_("Kind"), row.get_kind_display()),
            (_("Amount"), money(row.amount, row.currency)),
            *percent,
            (_("Day"), formatting.day(row.at)),
            (_("Text"), row.text),
            (_("Reason"), row.reason),
            (_("Author"), row.author),
        )

    def shown(self, row: Adjustment, name: str) -> dict[str, Any]:
        """Say before submitting whether a second person has to look."""
        if name != "submit" or row.status != S.DRAFT:
            return {}
        before, limit = alone_before(row), limit_in(row.currency)
        said = (
            _(
                "It is charged at once. Of what goes on this addressee's next document, one person"
                " alone decided %(before)s before; with this, it stays within %(limit)s."
            )
            if before + abs(row.amount) <= limit
            else _(
                "Somebody else has to approve it. Of what goes on this addressee's next document,"
                " one person alone decided %(before)s before; with this, it would be more than"
                " %(limit)s."
            )
        )
        amounts = {"before": money(before, row.currency), "limit": money(limit, row.currency)}
        return {"intro": said % amounts}

    def act(self, name: str, row: Adjustment, actor: Actor, values: dict[str, Any]) -> Text:
        if name == "submit":
            done = submit_adjustment(adjustment_id=row.pk, actor=actor)
            if done.status == S.SUBMITTED:
                return _t("It waits for the approval of somebody else.")
        elif name == "approve":
            services.approve_adjustment(adjustment_id=row.pk, actor=actor)
        elif name == "reject":
            services.reject_adjustment(adjustment_id=row.pk, actor=actor, **values)
            return _t("It is rejected.")
        elif name == "withdraw":
            services.withdraw_adjustment(adjustment_id=row.pk, actor=actor)
            return _t("It is withdrawn.")
        else:
            services.take_back_adjustment(adjustment_id=row.pk, actor=actor, **values)
            return _t("The charge is taken back.")
        return _t("It is charged: it goes on the project's next receipt.")

    @button(_("New adjustment"), path="write", icon="add", permission="write", primary=True)
    def write(self, request: HttpRequest) -> HttpResponse:
        """Write one down, to be looked at and submitted."""

        def run(actor: Actor, values: dict[str, Any]) -> Done:
            wanted = Wanted(
                project=values["project"],
                kind=AdjustmentKind(values["kind"]),
                at=local_midnight(values["day"], site_zone()),
                text=values["text"],
                reason=values["reason"],
                amount=values["amount"] or None,
                percent=values["percent"] or None,
            )
            made = services.draft_adjustment(wanted=wanted, actor=actor)
            said = _t("The draft is made. Look at it and submit it.")
            return Done(said, admin_url(made, "change", made.pk))

        limit = formatting.money(limit_in(settings.SITE_CURRENCY), settings.SITE_CURRENCY)
        step = Step(
            title=_("New adjustment"),
            submit=_("Make the draft"),
            run=run,
            form=AdjustmentForm,
            back=admin_url(Adjustment, "changelist"),
            intro=_(
                "An amount that no price list says: given back, or charged. It is a line of its own"
                " on the project's next receipt. Where all that one person alone decided for that"
                " document would be more than %(limit)s, somebody else has to approve it."
            )
            % {"limit": limit},
        )
        return self.step(request, step)

    @button(_("Take back"), path="take-back", icon="undo", permission="write")
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take back what was charged, by a second charge that negates it."""
        return self.take(request, object_id, "take_back", _("Take back"), because=True)

    @column(_("Kind"), ordering="kind")
    def shown_kind(self, row: Adjustment) -> str:
        return row.get_kind_display()

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, row: Adjustment) -> str:
        return money(row.amount, row.currency)

    @column(_("Day"), ordering="at")
    def day(self, row: Adjustment) -> str:
        return formatting.day(row.at)

    @column(_("Charge"))
    def charge(self, row: Adjustment) -> str:
        """Its charge, if it has one in force."""
        found = charge_of_adjustment(row)
        if found is None:
            return _t("Taken back") if row.status == S.APPROVED else NOTHING
        shown = money(found.amount, found.currency)
        return link(admin_url(Charge, "change", found.pk), shown)
