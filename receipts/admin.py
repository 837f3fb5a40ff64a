"""Receipts in the console: what waits to be billed, drafts, issue, void."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from accounts.models import Project
from audit.console import CsvExport, history_url
from core.actor import Actor
from core.admin import (
    Done,
    LinkedFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    link,
    refusals_told,
)
from core.intervals import first_and_last_day
from core.shown import hours, money, plain
from pricing.models import Charge
from pricing.resources import RESOURCES
from receipts import services
from receipts.forms import window_form, zone
from receipts.models import Line, Receipt
from receipts.selectors import overdue, preview, unbilled_sums

S = Receipt.Status
STATUS = {S.DRAFT: "info", S.ISSUED: "warning", S.PAID: "success", S.VOID: "danger"}


class OverdueFilter(admin.SimpleListFilter):
    """Issued receipts whose due date has passed."""

    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Overdue"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(pk__in=overdue().values("pk")) if self.value() == "1" else queryset


class ProjectFilter(LinkedFilter):
    """Receipts of one project."""

    title = _("project")
    parameter_name = "project"
    lookup = "project"
    model = "accounts.Project"


class LineInline(ReadOnlyInline, TabularInline):
    """A receipt's lines with their arithmetic."""

    model = Line
    verbose_name_plural = _("Lines")
    fields = ("position", "resource", "units", "price", "charged", "shown_amount", "jobs_link")
    readonly_fields = fields

    @column(_("Quantity"))
    def units(self, line: Line) -> str:
        return f"{hours(line.quantity, line.unit_size)} {RESOURCES[line.resource].unit}"

    @column(_("Unit price"))
    def price(self, line: Line) -> str:
        return plain(line.unit_price)

    @column(_("Amount"))
    def shown_amount(self, line: Line) -> str:
        return money(line.amount, line.receipt.currency)

    @column(_("Jobs"))
    def jobs_link(self, line: Line) -> str:
        page = admin_url(Charge, "changelist")
        url = f"{page}?receipt={line.receipt_id}&resource__exact={line.resource}"
        return link(url, line.jobs)


@admin.register(Receipt)
class ReceiptAdmin(CsvExport, ReadOnlyAdmin):
    """Documents, from draft to paid."""

    list_display = (
        "name",
        "project",
        "period",
        "state",
        "shown_total",
        "issued_at",
        "due_on",
        "paid_at",
    )
    list_filter = ("status", OverdueFilter, "currency", ProjectFilter)
    list_select_related = ("project",)
    search_fields = ("^number", "=project__code", "project__name")
    date_hierarchy = "created_at"
    inlines = (LineInline,)
    actions_list = ("unbilled", "export_csv")
    actions_detail = ("issue", "discard", "transfer", "void", "history")
    steps_by_status = {
        S.DRAFT: {"issue", "discard", "history"},
        S.ISSUED: {"transfer", "void", "history"},
        S.PAID: {"history"},
        S.VOID: {"history"},
    }
    change_form_after_template = "admin/receipts/receipt/after.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "project_link",
                    "period",
                    "state",
                    "shown_net",
                    "shown_tax",
                    "shown_total",
                    "due_on",
                    "charges_link",
                )
            },
        ),
        (
            _("Steps"),
            {
                "fields": (
                    "created_at",
                    "created_by",
                    "issued_at",
                    "issued_by",
                    "paid_at",
                    "voided_at",
                    "voided_by",
                    "void_reason",
                    "sha256",
                )
            },
        ),
    )
    readonly_fields = (
        "project_link",
        "period",
        "state",
        "shown_net",
        "shown_tax",
        "shown_total",
        "charges_link",
    )
    csv_columns = {
        "number": "number",
        "project": "project__code",
        "from": "window_start",
        "until": "window_end",
        "status": "status",
        "net": "net_amount",
        "tax": "tax_amount",
        "total": "total",
        "currency": "currency",
        "issued": "issued_at",
        "due": "due_on",
        "paid": "paid_at",
        "voided": "voided_at",
        "void_reason": "void_reason",
    }

    def has_issue_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may draft and issue."""
        return request.user.has_perm("receipts.issue_receipt")

    def has_void_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may void."""
        return request.user.has_perm("receipts.void_receipt")

    def has_transfer_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may record transfers."""
        return request.user.has_perm("payments.record_transfer")

    def has_audit_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may read the log."""
        return request.user.has_perm("audit.view_auditevent")

    def get_urls(self) -> list[Any]:
        make = self.admin_site.admin_view(self.make)
        return [
            path("make/<int:project_id>/", make, name="receipts_receipt_make"),
            *super().get_urls(),
        ]

    @column(_("Number"), ordering="pk")
    def name(self, receipt: Receipt) -> str:
        return str(receipt)

    @column(_("Period"), ordering="window_start")
    def period(self, receipt: Receipt) -> str:
        first, last = first_and_last_day(receipt.window_start, receipt.window_end, zone())
        return (
            f"{date_format(first, 'SHORT_DATE_FORMAT')} – {date_format(last, 'SHORT_DATE_FORMAT')}"
        )

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, receipt: Receipt) -> tuple[str, str]:
        return receipt.status, receipt.get_status_display()

    @column(_("Net"))
    def shown_net(self, receipt: Receipt) -> str:
        return money(receipt.net_amount, receipt.currency)

    @column(_("Tax"))
    def shown_tax(self, receipt: Receipt) -> str:
        return f"{money(receipt.tax_amount, receipt.currency)} ({plain(receipt.tax_rate)} %)"

    @column(_("Total"), ordering="total")
    def shown_total(self, receipt: Receipt) -> str:
        return money(receipt.total, receipt.currency)

    @column(_("Project"))
    def project_link(self, receipt: Receipt) -> str:
        return link(admin_url(Project, "change", receipt.project_id), receipt.project)

    @column(_("Charges"))
    def charges_link(self, receipt: Receipt) -> str:
        url = f"{admin_url(Charge, 'changelist')}?receipt={receipt.pk}"
        return link(url, _("All charges behind the lines"))

    @button(_("Waiting to be billed"), path="unbilled", icon="pending_actions", permission="view")
    def unbilled(self, request: HttpRequest) -> HttpResponse:
        """Show by project what is on no document."""
        rows = unbilled_sums()
        return self.page(
            request,
            "admin/receipts/receipt/unbilled.html",
            title=_("Waiting to be billed"),
            rows=rows,
            may_draft=self.has_issue_permission(request),
        )

    def make(self, request: HttpRequest, project_id: int) -> HttpResponse:
        """Show what a receipt over a window would say, and draft it."""
        if not self.has_issue_permission(request):
            raise PermissionDenied
        project = get_object_or_404(Project, pk=project_id)
        form = window_form(request.POST or request.GET)
        currency = (request.POST or request.GET).get("currency") or settings.SITE_CURRENCY
        if request.method == "POST" and form.is_valid():
            with refusals_told(request):
                receipt = services.draft_receipt(
                    project_id=project.pk,
                    window=form.interval,
                    currency=currency,
                    actor=Actor.of(request.user),
                )
                messages.success(request, _t("The draft is made. Look at it and issue it."))
                return HttpResponseRedirect(admin_url(receipt, "change", receipt.pk))
        return self.page(
            request,
            "admin/receipts/receipt/make.html",
            title=_t("New receipt: %(project)s") % {"project": project},
            project=project,
            form=form,
            currency=currency,
            seen=preview(project, form.interval, currency) if form.is_valid() else None,
        )

    @button(_("Issue"), path="issue", icon="verified", permission="issue", primary=True)
    def issue(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give a draft its number."""
        receipt = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> str:
            issued = services.issue_receipt(receipt_id=receipt.pk, actor=actor)
            return _t("Receipt %(number)s is issued.") % {"number": issued.number}

        return self.step(
            request,
            Step(
                title=_("Issue the receipt"),
                submit=_("Issue"),
                run=run,
                back=admin_url(receipt, "change", receipt.pk),
                facts=facts_of(receipt),
                intro=_(
                    "The receipt gets the next number and can't be changed any more. "
                    "The project is told by e-mail."
                ),
            ),
        )

    @button(_("Discard the draft"), path="discard", icon="delete", permission="issue")
    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Delete a draft and free its charges."""
        receipt = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> Done:
            services.discard_draft(receipt_id=receipt.pk, actor=actor)
            said = _t("The draft is gone. Its charges wait to be billed again.")
            return Done(said, admin_url(Receipt, "changelist"))

        return self.step(
            request,
            Step(
                title=_("Discard the draft"),
                submit=_("Discard"),
                run=run,
                danger=True,
                back=admin_url(receipt, "change", receipt.pk),
                facts=facts_of(receipt),
                intro=_("The charges on it can then be billed otherwise."),
            ),
        )

    @button(_("Void"), path="void", icon="block", permission="void")
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Void an unpaid receipt, with a reason."""
        receipt = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            done = services.void_receipt(
                receipt_id=receipt.pk, actor=actor, reason=values["reason"]
            )
            return _t("Receipt %(number)s is void.") % {"number": done.number}

        return self.step(
            request,
            Step(
                title=_("Void the receipt"),
                submit=_("Void"),
                run=run,
                form=ReasonForm,
                danger=True,
                back=admin_url(receipt, "change", receipt.pk),
                facts=facts_of(receipt),
                intro=_(
                    "Its charges are reversed and the usage can be billed again. "
                    "The number stays used. This can't be undone."
                ),
            ),
        )

    @button(_("Record a transfer"), path="transfer", icon="account_balance", permission="transfer")
    def transfer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page of payments that records a bank transfer."""
        return HttpResponseRedirect(reverse("admin:payments_payment_transfer", args=[object_id]))

    @button(_("History"), path="log", icon="history", permission="audit")
    def history(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what the log says of a receipt."""
        return HttpResponseRedirect(history_url(Receipt, object_id))


def facts_of(receipt: Receipt) -> tuple[tuple[Any, Any], ...]:
    """Return what a person should see of a receipt before pressing."""
    first, last = first_and_last_day(receipt.window_start, receipt.window_end, zone())
    return (
        (_("Receipt"), receipt),
        (_("Project"), receipt.project),
        (_("Period"), f"{first} – {last}"),
        (_("Total"), money(receipt.total, receipt.currency)),
    )
