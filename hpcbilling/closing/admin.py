"""Periods in the console: what stands against closing one, what it accrues, closing and opening."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.models import Period, PeriodReopening
from accounts.periods import earlier_open, last_closed
from accounts.services import (
    approve_reopening,
    check_closable,
    decline_reopening,
    request_reopening,
)
from audit.exports import csv_response
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    ConsoleForm,
    ReadOnlyAdmin,
    Step,
    admin_url,
    button,
    column,
    money,
)
from core.errors import Conflict
from core.queue import after_commit
from hpcbilling.closing import attempts, services
from hpcbilling.closing.accrual import Accrual, accrual
from hpcbilling.closing.findings import Finding, told, unexplained
from pricing.labels import resource_name
from pricing.models import Charge
from receipts.services.runs import run_of

TASK = "hpcbilling.close_month"
STATES = {"open": "info", "ended": "warning", "closed": "success"}


class LongReasonForm(ConsoleForm):
    """Asks for a reason that stays with the period."""

    reason = forms.CharField(
        label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


@admin.register(Period)
class PeriodAdmin(ReadOnlyAdmin):
    """The months that are billed; each as it stands, and what may be done with it."""

    list_display = ("shown_month", "shown_state", "charges", "amounts", "closed_at", "closed_by")
    list_filter = ("status",)
    list_select_related = ("closed_by",)
    list_before_template = "admin/accounts/period/intro.html"
    actions_detail = ("close", "approve", "decline", "reopen", "accrues")

    def has_close_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may close a month."""
        return request.user.has_perm("accounts.close_period")

    def has_reopen_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may ask that a month be opened again, and answer that of someone else."""
        return request.user.has_perm("accounts.reopen_period")

    def has_money_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see what all projects owe."""
        return request.user.has_perm("pricing.view_charge")

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.progress)
        return [
            path("<path:object_id>/progress/", page, name="accounts_period_progress"),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list, with the figures of the open periods added up once for all."""
        found = super().get_changelist_instance(request)
        sums = _sums_of_open()
        found.result_list = list(found.result_list)
        for row in found.result_list:
            row.figures = sealed(row) if row.is_closed else sums.get(row.month, (0, {}))
        return found

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons that fit how the period stands."""
        period = self.get_object(request, str(object_id))
        fitting = _fitting(request, period) if period else set()
        buttons = super().get_actions_detail(request, object_id)
        return [item for item in buttons if item.method.original_function_name in fitting]

    def _buttons(self, request: HttpRequest, period: Period) -> list[dict[str, str]]:
        """Return what may be done now, as the page shows it."""
        return [
            {
                "address": reverse(f"{self.admin_site.name}:{item.action_name}", args=(period.pk,)),
                "description": item.description,
                "variant": item.variant.value,
            }
            for item in self.get_actions_detail(request, period.pk)
        ]

    @column(_("Month"), ordering="month")
    def shown_month(self, period: Period) -> str:
        return formatting.month(period.month)

    @column(_("Status"), ordering="status", label=STATES)
    def shown_state(self, period: Period) -> tuple[str, str]:
        return state_of(period)

    @column(_("Charges"))
    def charges(self, period: Any) -> str:
        return formatting.number(period.figures[0])

    @column(_("Charged"))
    def amounts(self, period: Any) -> str:
        return amounts_text(period.figures[1])

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a period: how it stands, what stands against closing it, what it accrues."""
        period: Period = self.pick(request, object_id)
        if request.method == "POST":
            raise PermissionDenied
        with_money = self.has_money_permission(request)
        findings = [] if period.is_closed else unexplained(period)
        return self.page(
            request,
            "admin/accounts/period/page.html",
            title=formatting.month(period.month),
            period=period,
            state=state_of(period),
            attempt=None if period.is_closed else attempts.attempt_at(period.month),
            ended=period.ends_at <= timezone.now(),
            findings=findings,
            overridden=[told(finding) for finding in period.overridden],
            earlier=earlier_open(period.month).first(),
            run=run_of(period) if request.user.has_perm("receipts.view_receipt") else None,
            figures=_shown_figures(period) if with_money else None,
            accrual=accrual(period) if with_money else None,
            buttons=self._buttons(request, period),
            reopenings=list(
                period.reopenings.select_related("requested_by", "approved_by", "declined_by")
            ),
        )

    @button(_("Close"), path="close", icon="lock", permission="close", primary=True)
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close a month whose usage is explained, or say why it closes all the same."""
        period: Period = self.pick(request, object_id)
        try:
            check_closable(period)
        except Conflict as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(admin_url(period, "change", period.pk))
        return self._close(request, period, unexplained(period))

    def _close(self, request: HttpRequest, period: Period, findings: list[Finding]) -> HttpResponse:
        overrides = request.user.has_perm("accounts.override_findings")
        if findings and not overrides:
            raise PermissionDenied

        def run(actor: Actor, values: dict[str, Any]) -> str:
            services.check(month=period.month, actor=actor, reason=values.get("reason", ""))
            if not attempts.ask(period.month, actor.name):
                raise Conflict("asked", _("This month is being closed already."))
            after_commit(TASK, period.month.isoformat(), actor.user_id, values.get("reason", ""))
            return _t("The month is being closed. This page shows how far it is.")

        step = Step(
            title=_t("Close %(month)s") % {"month": formatting.month(period.month)},
            submit=_("Close all the same") if findings else _("Close the month"),
            run=run,
            form=LongReasonForm if findings else forms.Form,
            back=admin_url(period, "change", period.pk),
            target=period,
            danger=bool(findings),
            template="admin/accounts/period/close.html",
            context={"findings": findings},
            intro=_(
                "Jobs that wait are rated, caps and commitments are charged, and then nothing is "
                "booked into this month any more: late usage goes into the next one, at the prices "
                "of its own end."
            ),
        )
        return self.step(request, step)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show how far a closing is; the month's page asks for this part every other second."""
        period: Period = self.pick(request, object_id)
        attempt = None if period.is_closed else attempts.attempt_at(period.month)
        context = {"period": period, "attempt": attempt}
        response = render(request, "admin/accounts/period/_attempt.html", context)
        if attempt is None or not attempt.is_moving:
            response["HX-Refresh"] = "true"
        return response

    @button(_("Accrual"), path="accrual", icon="account_balance_wallet", permission="money")
    def accrues(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show what no document asks for at the month's end, by project; also as CSV."""
        period: Period = self.pick(request, object_id)
        found = accrual(period)
        if "csv" in request.GET:
            return _as_csv(request, found)
        title = _t("Accrual of %(month)s") % {"month": formatting.month(period.month)}
        return self.page(
            request,
            "admin/accounts/period/accrual.html",
            title=title,
            period=period,
            accrual=found,
        )

    @button(_("Ask to open again"), path="reopen", icon="lock_open", permission="reopen")
    def reopen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask another person to open a closed month again."""
        period: Period = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            request_reopening(month=period.month, reason=values["reason"], actor=actor)
            return _t("Asked. Another person has to approve before the month opens.")

        step = Step(
            title=_t("Open %(month)s again") % {"month": formatting.month(period.month)},
            submit=_("Ask"),
            run=run,
            form=LongReasonForm,
            back=admin_url(period, "change", period.pk),
            target=period,
            intro=_(
                "A closed month has been reported. Opened again it takes charges until it is "
                "closed anew; documents that were issued stay as they are. Late usage needs none "
                "of this: it is booked into the next month."
            ),
        )
        return self.step(request, step)

    @button(_("Approve opening"), path="approve", icon="check", permission="reopen", primary=True)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open a month again, as another person asked."""
        return self._answer(request, object_id, approve=True)

    @button(_("Decline opening"), path="decline", icon="close", permission="reopen")
    def decline(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Leave a month closed, although a person asked to open it; or take one's own wish back."""
        return self._answer(request, object_id, approve=False)

    def _answer(self, request: HttpRequest, object_id: str, *, approve: bool) -> HttpResponse:
        period: Period = self.pick(request, object_id)
        wish = waiting_wish(period)
        if wish is None:
            raise Http404

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            if approve:
                approve_reopening(reopening_id=wish.pk, actor=actor)
                return _t("The month is open again.")
            decline_reopening(reopening_id=wish.pk, actor=actor)
            return _t("Declined. The month stays closed.")

        title = _t("Open %(month)s again") if approve else _t("Leave %(month)s closed")
        step = Step(
            title=title % {"month": formatting.month(period.month)},
            submit=_("Open it") if approve else _("Leave it closed"),
            run=run,
            back=admin_url(period, "change", period.pk),
            target=period,
            danger=approve,
            facts=(
                (_("Asked for by"), wish.requested_by),
                (_("When"), formatting.moment(wish.requested_at)),
                (_("Reason"), wish.reason),
            ),
        )
        return self.step(request, step)


def state_of(period: Period) -> tuple[str, str]:
    """Return how a period stands, as a code and as text."""
    if period.is_closed:
        return "closed", _t("Closed")
    if period.ends_at <= timezone.now():
        return "ended", _t("To be closed")
    return "open", _t("Open")


def amounts_text(amounts: Mapping[str, Decimal]) -> str:
    """Return sums by currency as one text."""
    return ", ".join(money(amount, code) for code, amount in sorted(amounts.items())) or NOTHING


def waiting_wish(period: Period) -> PeriodReopening | None:
    """Return the wish to open a period again that nobody answered yet."""
    wishes = period.reopenings.filter(approved_at=None, declined_at=None)
    return wishes.select_related("requested_by").first()


def _fitting(request: HttpRequest, period: Period) -> set[str]:
    """Return the names of the buttons that make sense for a period and a person."""
    found = {"accrues"}
    if not period.is_closed:
        attempt = attempts.attempt_at(period.month)
        ended = period.ends_at <= timezone.now() and not (attempt and attempt.is_moving)
        closable = ended and not earlier_open(period.month).exists()
        return found | ({"close"} if closable else set())
    wish = waiting_wish(period)
    if wish is not None:
        mine = wish.requested_by_id == request.user.pk
        return found | ({"decline"} if mine else {"approve", "decline"})
    return found | ({"reopen"} if last_closed() == period else set())


def sealed(period: Period) -> tuple[int, Mapping[str, Decimal]]:
    """Return the count and the sums of a closed period's charges, as they were sealed."""
    seal = period.seal or {}
    amounts = {code: Decimal(amount) for code, amount in seal.get("amounts", {}).items()}
    return int(seal.get("charges", 0)), amounts


def _sums_of_open() -> dict[Any, tuple[int, dict[str, Decimal]]]:
    """Count and add up the charges of the open periods."""
    months = list(Period.objects.filter(status="open").values_list("month", flat=True))
    charges = Charge.objects.filter(period__in=months).order_by()
    rows = charges.values_list("period", "currency").annotate(n=Count("pk"), sum=Sum("amount"))
    found: dict[Any, tuple[int, dict[str, Decimal]]] = {}
    for month, currency, count, amount in rows:
        before, amounts = found.get(month, (0, {}))
        found[month] = (before + count, amounts | {currency: amount})
    return found


def _shown_figures(period: Period) -> dict[str, str]:
    """Return a period's figures as texts: all of its charges, and those of months before it."""
    charges = Charge.objects.filter(period=period)
    count, amounts = sealed(period) if period.seal else _sums_of_open().get(period.month, (0, {}))
    late = charges.filter(job_end__lt=period.starts_at).order_by()
    sums = dict(late.values_list("currency").annotate(sum=Sum("amount")))
    return {
        "charges": formatting.number(count),
        "amounts": amounts_text(amounts),
        "late": amounts_text(sums),
    }


def _as_csv(request: HttpRequest, found: Accrual) -> HttpResponseBase:
    month = f"{found.period.month:%Y-%m}"
    header = (
        "month", "project", "project_name", "department", "resource", "resource_name", "currency",
        "unbilled", "running", "total",
    )  # fmt: skip
    rows = (
        (
            month, line.project.code, line.project.name,
            line.project.department.code if line.project.department else "", line.resource,
            resource_name(line.resource), line.currency, line.unbilled, line.running, line.total,
        )
        for line in found.lines
    )  # fmt: skip
    return csv_response(
        request, name=f"accrual-{month}", header=header, rows=rows, filters={"month": month}
    )
