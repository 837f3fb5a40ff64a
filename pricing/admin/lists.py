"""Price lists in the console: written, submitted, and approved by someone else."""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.exchange import ExchangeAdmin
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
)
from core.errors import Text
from pricing import lists, services
from pricing.admin.rows import FIRST_ROWS, EquivalentInline, RateInline, StateInline
from pricing.admin.studies import StudiedLists, studies_of
from pricing.content import ListContent, content_of, differences
from pricing.exchange import PriceListResource
from pricing.form_rows import offered_resources
from pricing.forms import HEAD, HOLDERS, PriceListForm
from pricing.models import PriceList
from pricing.study import canary

S = PriceList.Status
HEAD_ROWS = ("tier", ("project", "user"), ("effective_at", "ends_at"), ("currency", "note"))
TERM_ROWS = (
    ("quantum_seconds", "minimum_seconds"), ("minimum_per_job", "cap", "commitment"),
    ("free_resources", "suspended_is_free"),
)  # fmt: skip
TERMS_HINT = _("What is left empty is as usual: by the second, without minimum, cap or commitment.")
STATUS = {S.DRAFT: "info", S.SUBMITTED: "warning", S.PUBLISHED: "success"}


class SeenForm(ConsoleForm):
    """Carries when what the person looks at was submitted."""

    seen = forms.DateTimeField(widget=forms.HiddenInput)


class ApproveForm(SeenForm):
    """Asks for the reason why bills may change a lot."""

    override_reason = forms.CharField(
        label=_("Why bills may change so much"), max_length=200, required=False
    )


class RejectForm(SeenForm):
    """Asks for a reason that its author reads."""

    reason = forms.CharField(label=_("Reason"), max_length=200)


@admin.register(PriceList)
class PriceListAdmin(ExchangeAdmin, StudiedLists):
    """Price lists on one page each: drafts are edited, all others are only seen.

    Everything goes through the services, which write to the log; so the admin's own writing is off.
    """

    form = PriceListForm
    resource_classes = (PriceListResource,)
    list_display = ("name", "holder", "effective_at", "revision", "currency", "state", "note")
    list_filter = ("status", "tier")
    list_select_related = ("tier", "project", "user")
    autocomplete_fields = ("project", "user")
    actions = None
    actions_detail = ("submit", "approve", "reject", "withdraw", "study", "copy")
    steps_by_status = {
        S.DRAFT: {"submit", "study", "copy"},
        S.SUBMITTED: {"approve", "reject", "withdraw", "study", "copy"},
        S.PUBLISHED: {"study", "copy"},
    }
    readonly_fields = ("revision", "status", "prices", "created_at", "created_by")
    change_form_after_template = "admin/pricing/pricelist/after.html"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer authors to withdraw their list, and others to approve it or to send it back."""
        found = super().get_actions_detail(request, object_id)
        row = self.get_object(request, str(object_id))
        others = {"approve", "reject"} if row and request.user.pk in row.authors else set()
        return [item for item in found if item.method.original_function_name not in others]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        more = _comparison(row) if row else {}
        shown: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return shown

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        more = {"offered_resources": offered_resources()}
        shown: HttpResponse = super().add_view(request, form_url, {**(extra_context or {}), **more})
        return shown

    def get_fieldsets(self, request: HttpRequest, obj: PriceList | None = None) -> Any:
        """Return fields for a draft, and what it says for a list that stands."""
        if obj is None or self.has_change_permission(request, obj):
            return (
                (None, {"fields": HEAD_ROWS}),
                (_("Terms"), {"fields": TERM_ROWS, "description": TERMS_HINT}),
            )
        steps = (
            "revision", "status", "created_by", "created_at", "edited_by", "submitted_by",
            "submitted_at", "approved_by", "published_at",
        )  # fmt: skip
        head = tuple(name for name in HEAD if name not in HOLDERS or getattr(obj, name) is not None)
        shown = tuple(name for name in head if name != "ends_at" or obj.ends_at)
        return ((None, {"fields": (*shown, "prices")}), (_("Steps"), {"fields": steps}))

    def get_inlines(self, request: HttpRequest, obj: PriceList | None) -> Any:
        """Rows are there to be edited; a list that stands shows them as text."""
        may_edit = obj is None or self.has_change_permission(request, obj)
        return (RateInline, EquivalentInline, StateInline) if may_edit else ()

    def get_formset_kwargs(
        self, request: HttpRequest, obj: PriceList, inline: Any, prefix: str
    ) -> dict[str, Any]:
        """Show the rows of the draft, or of a new list the usual resources."""
        made = super().get_formset_kwargs(request, obj, inline, prefix)
        content = content_of(obj) if obj.pk else FIRST_ROWS
        rows = [inline.form.initial_of(part) for part in getattr(content, prefix)]
        return {**made, "queryset": inline.model.objects.none(), "initial": rows}

    def _create_formsets(
        self, request: HttpRequest, obj: PriceList | None, change: bool
    ) -> tuple[list[Any], list[Any]]:
        """Let the rows of all kinds be checked together."""
        formsets, inlines = super()._create_formsets(request, obj, change)
        for formset in formsets:
            formset.siblings = formsets
        return formsets, inlines

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and bool(super().has_delete_permission(request, obj))

    def has_publish_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may approve what others submitted."""
        return request.user.has_perm("pricing.publish_pricelist")

    def has_draft_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may make drafts."""
        return bool(self.has_add_permission(request))

    def save_model(
        self, request: HttpRequest, obj: PriceList, form: PriceListForm, change: bool
    ) -> None:
        """Wait for the rows."""

    def save_related(
        self, request: HttpRequest, form: PriceListForm, formsets: Any, change: bool
    ) -> None:
        """Write the head and the rows by one service."""
        rows = formsets[0].content()
        content = replace(rows, terms=form.terms, free=form.free)
        actor, obj = Actor.of(request.user), form.instance
        if change:
            services.edit_price_list(
                price_list_id=obj.pk, head=form.head, content=content, actor=actor
            )
        else:
            obj.pk = services.draft_price_list(head=form.head, content=content, actor=actor).pk
            obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        services.discard_price_list(price_list_id=obj.pk, actor=Actor.of(request.user))

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, dict[str, list[str]]]]:
        """The services wrote the log already."""
        return []

    @button(_("Submit for approval"), path="submit", icon="send", permission="draft", primary=True)
    def submit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a draft wait for approval, after a last look."""

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.submit_price_list(price_list_id=int(object_id), actor=actor)
            return _t("The price list waits for the approval of someone else.")

        intro = _(
            "Someone else looks at it and approves it or sends it back. Until then it has no "
            "effect, and it can't be changed unless it is withdrawn."
        )
        return self._step(
            request,
            object_id,
            title=_("Submit the price list"),
            submit=_("Submit for approval"),
            run=run,
            intro=intro,
        )

    @button(_("Approve"), path="approve", icon="check", permission="publish", primary=True)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Publish what someone else submitted."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.approve_price_list(
                price_list_id=int(object_id),
                seen=values["seen"],
                actor=actor,
                override=values.get("override_reason", ""),
            )
            return _t("The price list is published. Jobs that waited for it are being rated.")

        compared, form = self._compared(request, object_id)
        intro = _(
            "Your approval publishes the list: jobs that end from that moment on take these "
            "prices. From then on nobody can change or delete it."
        )
        return self._step(
            request,
            object_id,
            title=_("Approve the price list"),
            submit=_("Approve and publish"),
            run=run,
            intro=intro,
            form=form,
            more=compared,
        )

    @button(_("Send back"), path="reject", icon="undo", permission="publish")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a list back to its author with a reason."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.reject_price_list(price_list_id=int(object_id), actor=actor, **values)
            return _t("The price list is a draft again; its author sees your reason.")

        intro = _("The list becomes a draft again. Its author sees the reason.")
        return self._step(
            request,
            object_id,
            title=_("Send the price list back"),
            submit=_("Send back"),
            run=run,
            intro=intro,
            form=RejectForm,
            danger=True,
        )

    @button(_("Withdraw"), path="withdraw", icon="undo", permission="draft")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a submitted list a draft again."""

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.withdraw_price_list(price_list_id=int(object_id), actor=actor)
            return _t("The price list is a draft again.")

        intro = _("The list becomes a draft again, which can be changed and submitted anew.")
        return self._step(
            request,
            object_id,
            title=_("Withdraw the price list"),
            submit=_("Withdraw"),
            run=run,
            intro=intro,
        )

    def _compared(
        self, request: HttpRequest, object_id: str
    ) -> tuple[dict[str, Any], type[forms.Form]]:
        """Return how the list compares with last month, and the form that this calls for."""
        comparison = canary.compare(self.pick(request, object_id))
        may = request.user.has_perm("pricing.override_canary")
        form = ApproveForm if may and not comparison.passes else SeenForm
        return {"canary": comparison, "may_override": may}, form

    def _step(
        self, request: HttpRequest, object_id: str, *, more: Any = None, **told: Any
    ) -> HttpResponse:
        """Show or do a step of the list's life, with what the list changes below it."""
        row: PriceList = self.pick(request, object_id)
        step = Step(
            back=admin_url(row, "change", row.pk),
            target=row,
            initial={"seen": row.submitted_at and row.submitted_at.isoformat()},
            facts=_facts(row),
            template="admin/pricing/pricelist/step.html",
            context={**_comparison(row), **(more or {})},
            **told,
        )
        return self.step(request, step)

    @button(_("Copy as new draft"), path="copy", icon="content_copy", permission="draft")
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a draft with the same prices."""
        row: PriceList = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> Done:
            copied = services.copy_price_list(price_list_id=row.pk, actor=actor)
            said = _t("This is the copy. Change what differs, then submit it.")
            return Done(said, admin_url(copied, "change", copied.pk))

        step = Step(
            title=_("Copy the price list"),
            submit=_("Make the copy"),
            run=run,
            back=admin_url(row, "change", row.pk),
            target=row,
            facts=((_("Price list"), row), (_("Prices"), self.prices(row))),
            intro=_("The copy is a draft. It has no effect before it is submitted and approved."),
        )
        return self.step(request, step)

    @column(_("Price list"), ordering="pk")
    def name(self, row: PriceList) -> str:
        return str(row)

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, row: PriceList) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @column(_("Prices"))
    def prices(self, row: PriceList) -> str:
        lines = [
            (line.name, line.new)
            for line in differences(ListContent(), content_of(row), ("", row.currency))
        ]
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) or NOTHING

    @column(_("For"), ordering="tier")
    def holder(self, row: PriceList) -> str:
        kind = "tier" if row.tier_id else "project" if row.project_id else "user"
        name = getattr(row._meta.get_field(kind), "verbose_name", kind)
        return row.holder if kind == "tier" else f"{row.holder} ({name})"


def _is_draft(obj: Any) -> bool:
    return not isinstance(obj, PriceList) or obj.status == S.DRAFT


def _facts(row: PriceList) -> tuple[tuple[Text, Any], ...]:
    facts: list[tuple[Text, Any]] = [
        (_("For"), row.holder),
        (_("Effective from"), formatting.moment(row.effective_at)),
    ]
    by = row.submitted_by or row.edited_by or row.created_by
    if by is not None:
        facts.append((_("Proposed by"), by.get_full_name() or by.get_username()))
    if row.submitted_at is not None:
        facts.append((_("Submitted for approval"), formatting.moment(row.submitted_at)))
    if row.note:
        facts.append((_("Note"), row.note))
    return tuple(facts)


def _comparison(row: PriceList) -> dict[str, Any]:
    """Return what a list changes, line by line, and what the last days come to."""
    before, content = lists.list_before(row), content_of(row)
    after = lists.list_after(row)
    same_currency = before is not None and before.currency == row.currency
    old = content_of(before) if before else ListContent()
    currencies = (before.currency if before else "", row.currency)
    return {
        "compared_with": before,
        "currency_changes": before is not None and not same_currency,
        "differences": differences(old, content, currencies),
        "effects": lists.effect(row, content) if same_currency else {},
        "is_flat": content.is_flat,
        "taken_over_by": after,
        "past": lists.past_of(row, after.effective_at if after else None)
        if row.status != S.PUBLISHED
        else None,
        "offered_resources": offered_resources(),
        "studies": studies_of(row),
    }
