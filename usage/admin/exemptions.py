"""Exemptions in the console: made with a reason, ended, never rewritten."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import AuditedAdmin, CsvExport
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleAdmin,
    ConsoleForm,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
)
from core.formatting import moment
from core.queue import RATE_TASK, after_commit
from usage.exemption_decisions import approve_exemption, refuse_exemption, waiting
from usage.models import Exemption

STATES = {
    Exemption.Status.IN_FORCE: "success",
    Exemption.Status.WAITING: "warning",
    Exemption.Status.REFUSED: "danger",
}


class ExemptionForm(forms.ModelForm[Exemption]):
    """An exemption that begins now unless something else is said."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "starts_at" in self.fields:
            self.fields["starts_at"].required = False
            self.fields["starts_at"].help_text = _(
                "Jobs that end from here on. Empty: from now on. A moment in the past needs the"
                " approval of a second person."
            )
            self.initial.pop("starts_at", None)
            self.fields["starts_at"].initial = None

    def clean_ends_at(self) -> datetime | None:
        """Refuse what the database does, in words."""
        ends_at: datetime | None = self.cleaned_data["ends_at"]
        before: datetime | None = self.initial.get("ends_at")
        revived = before is not None and before <= timezone.now()
        if revived and before is not None and (ends_at is None or ends_at > before):
            raise ValidationError(_("An exemption that ended does not begin again: make another."))
        return ends_at

    def clean_starts_at(self) -> datetime:
        return self.cleaned_data["starts_at"] or timezone.now()


class SeenForm(ConsoleForm):
    """What the person was shown."""

    ends_at = forms.DateTimeField(widget=forms.HiddenInput, required=False)


class WaitingFilter(admin.SimpleListFilter):
    """Those that wait for a second person."""

    title = _("status")
    parameter_name = "waiting"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", Exemption.Status.WAITING.label)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Exemption]) -> Any:
        if self.value() != "1":
            return queryset
        return queryset.filter(pk__in=waiting().values("pk"))


def _facts(row: Exemption) -> tuple[tuple[Any, Any], ...]:
    return (
        (_("Cluster"), row.cluster),
        (_("Which jobs"), row.criteria),
        (_("From"), moment(row.starts_at)),
        (_("Until"), moment(row.ends_at) if row.ends_at else _("until further notice")),
        (_("Reason"), row.reason),
        (_("Author"), row.author),
    )


@admin.register(Exemption)
class ExemptionAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Jobs that are not charged. What was charged and is not billed yet is taken back by the next
    rating; what is billed stays as it is."""

    list_display = ("matches", "cluster", "starts_at", "ends_at", "reason", "author", "state_now")
    list_filter = (WaitingFilter, "cluster")
    list_select_related = ("cluster", "author")
    actions_detail = ("approve", "refuse")
    steps_by_status = {
        Exemption.Status.WAITING: {"approve", "refuse"},
        Exemption.Status.IN_FORCE: set(),
        Exemption.Status.REFUSED: set(),
    }
    search_fields = ("account", "user_name", "partition", "qos", "state", "reservation", "reason")
    fieldsets = (
        (None, {"fields": ("cluster", "reason", "starts_at", "ends_at")}),
        (_("Which jobs"), {"fields": Exemption.CRITERIA}),
    )
    whose = (_("Second person"), {"fields": ("state_now", "author", "decided")})
    csv_columns = {
        "cluster": "cluster__name",
        "partition": "partition",
        "account": "account",
        "user": "user_name",
        "qos": "qos",
        "state": "state",
        "reservation": "reservation",
        "from": "starts_at",
        "until": "ends_at",
        "reason": "reason",
        "author": "author__username",
        "created": "created_at",
        "decision": "decision",
        "decided_by": "decided_by__username",
        "decided_at": "decided_at",
        "decision_reason": "decision_reason",
    }
    change_form_outer_before_template = "admin/usage/exemption/intro.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Exemption | None = None) -> Any:
        """Of one that was made, only the end changes."""
        fixed = ("cluster", "reason", "starts_at", *Exemption.CRITERIA)
        return () if obj is None else (*fixed, "state_now", "author", "decided")

    def get_fieldsets(self, request: HttpRequest, obj: Exemption | None = None) -> Any:
        """Tell where one stands that was made."""
        return self.fieldsets if obj is None else (*self.fieldsets, self.whose)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_form(request, obj, **{"form": ExemptionForm, **kwargs})

    def has_approve_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may decide about exemptions of the past, as long as they are another's."""
        return request.user.has_perm("usage.approve_exemption")

    @button(_("Approve"), path="approve", icon="check", permission="approve", primary=True)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let an exemption of the past take effect."""
        row: Exemption = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            approve_exemption(exemption_id=row.pk, ends_at=values["ends_at"], actor=actor)
            return _t("The exemption is in force. Its jobs are being rated.")

        step = Step(
            title=_("Approve the exemption"),
            submit=_("Approve"),
            run=run,
            form=SeenForm,
            initial={"ends_at": row.ends_at and row.ends_at.isoformat()},
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=_facts(row),
            intro=_(
                "It begins before it was entered, so it gives away what is used already. Charges of"
                " its jobs that are on no document are taken back. This can't be undone, but it can"
                " be ended."
            ),
        )
        return self.step(request, step)

    @button(_("Refuse"), path="refuse", icon="close", permission="approve")
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse an exemption of the past, for good."""
        row: Exemption = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            refuse_exemption(exemption_id=row.pk, reason=values["reason"], actor=actor)
            return _t("The exemption is refused.")

        step = Step(
            title=_("Refuse the exemption"),
            submit=_("Refuse"),
            run=run,
            form=ReasonForm,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=_facts(row),
            intro=_("Its jobs are charged as if it had not been entered. Its author sees why."),
            danger=True,
        )
        return self.step(request, step)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Exemption, form: Any, change: bool) -> None:
        """Keep who made it."""
        if not change:
            obj.author_id = Actor.of(request.user).user_id or 0
        super().save_model(request, obj, form, change)

    def after_change(self, request: HttpRequest) -> None:
        after_commit(RATE_TASK)

    @column(_("Status"), label=STATES)
    def state_now(self, row: Exemption) -> tuple[str, str]:
        return row.status, str(Exemption.Status(row.status).label)

    @column(_("Decision"))
    def decided(self, row: Exemption) -> str:
        if row.decided_by is None or row.decided_at is None:
            return NOTHING
        said = f"{row.get_decision_display()}, {row.decided_by}, {moment(row.decided_at)}"
        return f"{said}: {row.decision_reason}" if row.decision_reason else said

    @column(_("Which jobs"), ordering="pk")
    def matches(self, row: Exemption) -> str:
        return row.criteria
