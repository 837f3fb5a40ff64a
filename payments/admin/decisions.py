"""Queues of what needs a second person, in the console."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audit.console import CsvExport
from core.actor import Actor
from core.admin import (
    ConsoleForm,
    ReadOnlyAdmin,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    link,
    money,
)
from payments import services
from payments.models import Payment, Refund
from payments.services.settlement import standing
from receipts.models import Receipt, WriteOff

R, W = Refund.Status, WriteOff.Status

ANSWER = ("approved_by", "approved_at", "rejected_by", "rejected_at", "rejected_because")
"""What a request says once a second person decided."""

BOUNCED = {
    "approve": _("Confirm: the bank took it back"),
    "reject": _("Reject: the payment stays"),
}
"""What the buttons say where the bank took a payment back."""


class ReferenceForm(ConsoleForm):
    """The bank's reference of money that left."""

    reference = forms.CharField(label=_("Bank's reference"), max_length=200)


class Decided(CsvExport, ReadOnlyAdmin):
    """Something that one person asks for and another one decides about."""

    may_approve: ClassVar[str]
    list_filter: tuple[str, ...] = ("status",)
    date_hierarchy = "requested_at"

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may approve and reject."""
        return request.user.has_perm(self.may_approve)

    def facts_of(self, row: Any) -> tuple[tuple[Any, Any], ...]:
        """Return what a person should see before deciding. None of it changes once it was asked
        for, but what is left to pay, with which the service compares the amount."""
        raise NotImplementedError

    def decide(
        self,
        request: HttpRequest,
        object_id: str,
        run: Callable[[Actor, dict[str, Any]], str],
        *,
        form: type[forms.Form] = forms.Form,
        **step: Any,
    ) -> HttpResponse:
        """Show what a step decides about, and take it."""
        row = self.pick(request, object_id)
        back = admin_url(row, "change", row.pk)
        facts = self.facts_of(row)
        made = Step(run=run, form=form, back=back, target=row, facts=facts, **step)
        return self.step(request, made)


@admin.register(Refund)
class RefundAdmin(Decided):
    """Refunds: to be approved, to be paid out, paid out; and payments that the bank took back."""

    may_approve = "payments.approve_refund"
    list_display = (
        "requested_at", "receipt_link", "kind", "shown_amount", "state", "reason", "done_at",
    )  # fmt: skip
    list_filter = ("status", "bounced")
    list_select_related = ("payment__receipt",)
    search_fields = ("^payment__receipt__number", "=payment__receipt__project__code", "reason")
    fields = (
        "receipt_link",
        "payment_link",
        "kind",
        "shown_amount",
        "state",
        "reason",
        "requested_by",
        "requested_at",
        "approved_by",
        "approved_at",
        "rejected_by",
        "rejected_at",
        "rejected_because",
        "paid_out_by",
        "done_at",
        "reference",
    )
    filled_only = (*ANSWER, "paid_out_by", "done_at", "reference")
    readonly_fields = ("receipt_link", "payment_link", "kind", "shown_amount", "state")
    actions_detail = ("approve", "pay_out", "reject")
    steps_by_status = {
        R.REQUESTED: {"approve", "reject"},
        R.APPROVED: {"pay_out", "reject"},
        R.PAID_OUT: set(),
        R.REJECTED: set(),
    }
    csv_columns = {
        "receipt": "payment__receipt__number",
        "project": "payment__receipt__project__code",
        "payment": "payment__public_id",
        "amount": "amount",
        "currency": "payment__currency",
        "status": "status",
        "taken_back_by_bank": "bounced",
        "reason": "reason",
        "requested": "requested_at",
        "requested_by": "requested_by__username",
        "approved_by": "approved_by__username",
        "paid_out": "done_at",
        "reference": "reference",
    }

    @button(
        _("Approve the refund"), path="approve", icon="verified", permission="decide", primary=True
    )
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Agree to a refund that a colleague asked for, or that the bank took a payment back."""
        refund: Refund = self.pick(request, object_id)
        if refund.bounced:
            return self._taken_back(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.approve_refund(refund_id=int(object_id), actor=actor)
            return _t("The refund is approved. Pay it out and enter the bank's reference.")

        return self.decide(
            request, object_id, run, title=_("Approve the refund"), submit=_("Approve")
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Say on the buttons what happens: it differs where the bank took a payment back."""
        actions = super().get_actions_detail(request, object_id)
        found = self.get_object(request, str(object_id))
        if found is not None and found.bounced:
            for each in actions:
                each.description = BOUNCED.get(each.path, each.description)
        return actions

    def _taken_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.approve_bounce(refund_id=int(object_id), actor=actor, **values)
            return _t("The payment is taken back: its receipts are to be paid again.")

        title = _("The bank took this payment back")
        intro = _(
            "Its receipts are to be paid again, due when they always were, and its official"
            " receipts are cancelled. This can't be undone."
        )
        step = {"title": title, "submit": _("Confirm"), "intro": intro, "danger": True}
        return self.decide(request, object_id, run, form=ReferenceForm, **step)

    @button(
        _("Record that it was paid out"),
        path="pay-out",
        icon="payments",
        permission="decide",
        primary=True,
    )
    def pay_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say that the money has left."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.pay_out_refund(refund_id=int(object_id), actor=actor, **values)
            return _t("The refund is paid out.")

        title = _("The refund was paid out")
        return self.decide(
            request, object_id, run, title=title, submit=_("Record"), form=ReferenceForm
        )

    @button(_("Reject the refund"), path="reject", icon="block", permission="decide")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse a refund: the money stays the project's balance."""
        refund: Refund = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.reject_refund(refund_id=int(object_id), actor=actor, **values)
            if refund.bounced:
                return _t("It is rejected: the payment stays as it was.")
            return _t("The refund is rejected. The money is the project's balance again.")

        return self.decide(
            request,
            object_id,
            run,
            title=BOUNCED["reject"] if refund.bounced else _("Reject the refund"),
            submit=_("Reject"),
            form=ReasonForm,
            danger=True,
        )

    def facts_of(self, row: Refund) -> tuple[tuple[Any, Any], ...]:
        return (
            (_("Receipt"), row.payment.receipt),
            (_("Project"), row.payment.receipt.project),
            (_("Amount"), self.shown_amount(row)),
            (_("Reason"), row.reason),
            (_("Requested by"), row.requested_by),
        )

    @column(_("Receipt"), ordering="payment__receipt")
    def receipt_link(self, refund: Refund) -> str:
        receipt = refund.payment.receipt
        return link(admin_url(Receipt, "change", receipt.pk), receipt)

    @column(_("Payment"))
    def payment_link(self, refund: Refund) -> str:
        return link(admin_url(Payment, "change", refund.payment_id), refund.payment)

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, refund: Refund) -> str:
        return money(refund.amount, refund.payment.currency)

    @column(
        _("Status"),
        ordering="status",
        label={
            R.REQUESTED: "warning",
            R.APPROVED: "info",
            R.PAID_OUT: "success",
            R.REJECTED: "danger",
        },
    )
    def state(self, refund: Refund) -> tuple[str, str]:
        return refund.status, refund.state

    @column(_("Kind"), ordering="bounced")
    def kind(self, refund: Refund) -> str:
        return _t("Taken back by the bank") if refund.bounced else _t("Refund")


@admin.register(WriteOff)
class WriteOffAdmin(Decided):
    """Receipts that are to be given up."""

    may_approve = "receipts.approve_writeoff"
    list_display = (
        "requested_at",
        "receipt_link",
        "shown_amount",
        "state",
        "reason",
        "approved_at",
    )
    list_select_related = ("receipt",)
    search_fields = ("^receipt__number", "=receipt__project__code", "reason")
    fields = (
        "receipt_link",
        "shown_amount",
        "shown_left",
        "status",
        "reason",
        "requested_by",
        "requested_at",
        "approved_by",
        "approved_at",
        "rejected_by",
        "rejected_at",
        "rejected_because",
    )
    filled_only = ANSWER
    readonly_fields = ("receipt_link", "shown_amount", "shown_left")
    actions_detail = ("approve", "reject")
    steps_by_status = {
        W.REQUESTED: {"approve", "reject"},
        W.APPROVED: set(),
        W.REJECTED: set(),
    }
    csv_columns = {
        "receipt": "receipt__number",
        "project": "receipt__project__code",
        "amount": "amount",
        "currency": "receipt__currency",
        "status": "status",
        "reason": "reason",
        "requested": "requested_at",
        "requested_by": "requested_by__username",
        "approved_by": "approved_by__username",
        "approved": "approved_at",
    }

    @button(_("Approve"), path="approve", icon="verified", permission="decide", primary=True)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Agree to give up what a colleague asked for."""

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            services.approve_write_off(write_off_id=int(object_id), actor=actor)
            return _t("The receipt is written off.")

        return self.decide(
            request,
            object_id,
            run,
            title=_("Approve the write-off"),
            submit=_("Approve"),
            danger=True,
        )

    @button(_("Reject"), path="reject", icon="block", permission="decide")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse to give a receipt up."""

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.reject_write_off(write_off_id=int(object_id), actor=actor, **values)
            return _t("The write-off is rejected.")

        title = _("Reject the write-off")
        return self.decide(
            request, object_id, run, title=title, submit=_("Reject"), form=ReasonForm, danger=True
        )

    def facts_of(self, row: WriteOff) -> tuple[tuple[Any, Any], ...]:
        return (
            (_("Receipt"), row.receipt),
            (_("Project"), row.receipt.project),
            (_("Amount"), self.shown_amount(row)),
            (_("Left to pay"), self.shown_left(row)),
            (_("Reason"), row.reason),
            (_("Requested by"), row.requested_by),
        )

    @column(_("Receipt"), ordering="receipt")
    def receipt_link(self, write_off: WriteOff) -> str:
        return link(admin_url(Receipt, "change", write_off.receipt_id), write_off.receipt)

    @column(_("Amount"), ordering="amount")
    def shown_amount(self, write_off: WriteOff) -> str:
        return money(write_off.amount, write_off.receipt.currency)

    @column(_("Left to pay"))
    def shown_left(self, write_off: WriteOff) -> str:
        return money(standing(write_off.receipt).left, write_off.receipt.currency)

    @column(
        _("Status"),
        ordering="status",
        label={W.REQUESTED: "warning", W.APPROVED: "success", W.REJECTED: "danger"},
    )
    def state(self, write_off: WriteOff) -> tuple[str, str]:
        return write_off.status, write_off.get_status_display()
