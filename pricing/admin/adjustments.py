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
from audit.console import CsvExport
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleForm,
    Done,
    LinkedFilter,
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    link,
    money,
)
from core.intervals import local_midnight
from core.site import site_zone
from pricing.admin.charges import ProjectFilter
from pricing.limits import limit_in
from pricing.models import Adjustment, AdjustmentKind, Charge, ReviewStatus
from pricing.selectors import charge_of_adjustment
from pricing.services import adjustments as services
from pricing.services.adjustments import Wanted

S = ReviewStatus
STATUS = {
    S.DRAFT: "info",
    S.SUBMITTED: "warning",
    S.APPROVED: "success",
    S.REJECTED: "danger",
    S.WITHDRAWN: "default",
}
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


def facts_of(row: Adjustment) -> tuple[tuple[Any, Any], ...]:
    """Return what a person should see of an adjustment before pressing."""
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


@admin.register(Adjustment)
class AdjustmentAdmin(CsvExport, ReadOnlyAdmin):
    """Amounts by hand. What it says never changes: it is withdrawn, or taken back by another
    charge."""

    list_display = ("text", "project", "shown_kind", "shown_amount", "day", "author", "state")
    list_filter = ("status", "kind", ProjectFilter, OutageFilter)
    list_select_related = ("project", "author")
    search_fields = ("text", "reason", "=project__code")
    actions_list = ("write",)
    actions_detail = ("submit", "approve", "reject", "withdraw", "take_back")
    steps_by_status = {
        S.DRAFT: {"submit", "withdraw"},
        S.SUBMITTED: {"approve", "reject", "withdraw"},
        S.APPROVED: {"take_back"},
        S.REJECTED: set(),
        S.WITHDRAWN: set(),
    }
    fieldsets = (
        (
            None,
            {"fields": ("project", "kind", "shown_amount", "percent", "day", "text", "charge")},
        ),
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

    def has_write_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may write adjustments down."""
        return request.user.has_perm("pricing.add_adjustment")

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may approve another's."""
        return request.user.has_perm("pricing.approve_adjustment")

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
                " on the project's next receipt. Above %(limit)s somebody else has to approve it."
            )
            % {"limit": limit},
        )
        return self.step(request, step)

    @button(_("Submit"), path="submit", icon="send", permission="write", primary=True)
    def submit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Submit a draft; up to the limit that charges it."""
        row: Adjustment = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            done = services.submit_adjustment(adjustment_id=row.pk, actor=actor)
            if done.status == S.APPROVED:
                return _t("It is charged: it goes on the project's next receipt.")
            return _t("It waits for the approval of somebody else.")

        return self.step(request, self._of(row, _("Submit the adjustment"), _("Submit"), run))

    @button(_("Approve"), path="approve", icon="check", permission="decide", primary=True)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Approve what somebody else submitted, which charges it."""
        row: Adjustment = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.approve_adjustment(adjustment_id=row.pk, actor=actor)
            return _t("It is charged: it goes on the project's next receipt.")

        return self.step(request, self._of(row, _("Approve the adjustment"), _("Approve"), run))

    @button(_("Reject"), path="reject", icon="close", permission="decide")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say no, for good; the author sees why."""
        row: Adjustment = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.reject_adjustment(adjustment_id=row.pk, reason=values["reason"], actor=actor)
            return _t("It is rejected.")

        title = _("Reject the adjustment")
        return self.step(request, self._of(row, title, _("Reject"), run, because=True))

    @button(_("Withdraw"), path="withdraw", icon="undo", permission="write")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take away what was not decided about yet."""
        row: Adjustment = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.withdraw_adjustment(adjustment_id=row.pk, actor=actor)
            return _t("It is withdrawn.")

        return self.step(request, self._of(row, _("Withdraw the adjustment"), _("Withdraw"), run))

    @button(_("Take back"), path="take-back", icon="undo", permission="write")
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take back what was charged, by a second charge that negates it."""
        row: Adjustment = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.take_back_adjustment(
                adjustment_id=row.pk, reason=values["reason"], actor=actor
            )
            return _t("The charge is taken back.")

        title = _("Take the adjustment back")
        return self.step(request, self._of(row, title, _("Take back"), run, because=True))

    def _of(
        self, row: Adjustment, title: Any, submit: Any, run: Any, *, because: bool = False
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
        )

    @column(_("Kind"), ordering="kind")
    def shown_kind(self, row: Adjustment) -> str:
        return row.get_kind_display()

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, row: Adjustment) -> str:
        return money(row.amount, row.currency)

    @column(_("Day"), ordering="at")
    def day(self, row: Adjustment) -> str:
        return formatting.day(row.at)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, row: Adjustment) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @column(_("Charge"))
    def charge(self, row: Adjustment) -> str:
        """Its charge, if it has one in force."""
        found = charge_of_adjustment(row)
        if found is None:
            return _t("Taken back") if row.status == S.APPROVED else NOTHING
        shown = money(found.amount, found.currency)
        return link(admin_url(Charge, "change", found.pk), shown)
