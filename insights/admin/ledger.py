"""The ledger in the console: accounts, the journal by month with its exports, and output tax."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.periods import first_open, period_of
from audit.console import AuditedAdmin, CsvExport
from audit.exports import csv_response
from core import formatting
from core.actor import Actor
from core.admin import ConsoleAdmin, ConsoleForm, ReadOnlyAdmin, button, column
from core.errors import DomainError, Text
from core.intervals import month_start, next_month
from core.site import is_period
from insights.journal import Line, Unmapped, export_journal, journal, layouts, totals_of
from insights.models import JournalExport, LedgerAccount
from insights.output_tax import Supply, sums_of, supplies

KINDS: dict[str, Text] = {
    "charge": _("Charges of the month"),
    "opening": _("Opening balances brought"),
    "issue": _("Documents issued"),
    "credit_note": _("Credit notes"),
    "payment": _("Payments"),
    "allocation": _("Payments used for receipts"),
    "withholding": _("Tax withheld by buyers"),
    "refund": _("Refunds"),
    "bounce": _("Payments taken back by the bank"),
    "write_off": _("Write-offs"),
}
LAYOUT_TEXTS: dict[str, Text] = {
    "plain": _("plain: commas, 2026-10-31"),
    "semicolon": _("semicolon: 31.10.2026, decimal comma, D/C"),
    "thai": _("thai: Thai headings, 31/10/2569"),
}
TAX_COLUMNS = (
    "date", "number", "buyer", "tax_id", "branch", "category", "rate", "net", "tax", "currency",
    "corrects", "replaces", "cancelled",
)  # fmt: skip


class MonthForm(ConsoleForm):
    """Which month to look at."""

    month = forms.DateField(
        label=_("Month"),
        input_formats=["%Y-%m"],
        widget=forms.DateInput(format="%Y-%m", attrs={"type": "month", "placeholder": "2026-11"}),
    )

    def clean_month(self) -> date:
        found: date = self.cleaned_data["month"]
        if not is_period(found, found):
            raise forms.ValidationError(_t("That is too long ago: is the year right?"))
        return found


def _layouts() -> list[tuple[str, Text]]:
    return [(name, LAYOUT_TEXTS.get(name, name)) for name in layouts()]


class LayoutForm(ConsoleForm):
    """How the site's ledger wants its lines."""

    layout = forms.ChoiceField(label=_("Layout"), choices=_layouts)


def asked_month(request: HttpRequest) -> tuple[MonthForm, date]:
    """Return the form and the month that a page is asked for; last month unless one is said."""
    first = month_start(month_start(timezone.localdate()) - timedelta(days=1))
    given = request.POST.get("month") or request.GET.get("month")
    form = MonthForm({"month": given} if given else None, initial={"month": first})
    return form, form.cleaned_data["month"] if form.is_valid() else first


@admin.register(LedgerAccount)
class LedgerAccountAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Which account and cost centre things are booked to, from day to day."""

    list_display = ("what", "whose", "detail", "account", "centre", "starts_on", "ends_on")
    list_filter = ("role", "department")
    list_select_related = ("project", "department")
    search_fields = ("account", "cost_centre", "project__code", "department__name")
    autocomplete_fields = ("project", "department")
    list_before_template = "admin/insights/ledger/accounts.html"
    csv_columns = {
        "role": "role",
        "project": "project__code",
        "department": "department__code",
        "detail": "detail",
        "account": "account",
        "cost_centre": "cost_centre",
        "from": "starts_on",
        "until": "ends_on",
    }

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new account begins with the first open month."""
        return {"starts_on": first_open() or month_start(timezone.localdate())}

    @column(_("Role"), ordering="role")
    def what(self, row: LedgerAccount) -> str:
        return row.get_role_display()

    @column(_("Whose"))
    def whose(self, row: LedgerAccount) -> str:
        return str(row.project or row.department or _t("all"))

    @column(_("Cost centre"), ordering="cost_centre")
    def centre(self, row: LedgerAccount) -> str:
        return row.cost_centre or _t("the project's own")


@admin.register(JournalExport)
class JournalExportAdmin(ReadOnlyAdmin):
    """Journals of closed periods that were handed out, and the pages of a month."""

    list_display = ("month", "name", "lines", "closed", "created_at", "created_by", "digest")
    ordering = ("-period_id", "layout")
    list_display_links = None
    list_select_related = ("created_by",)
    actions_list = ("journal", "output_tax")

    def has_export_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may hand the journal out."""
        return request.user.has_perm("insights.export_journal")

    @column("SHA-256")
    def digest(self, export: JournalExport) -> SafeString:
        return format_html('<span title="{0}">{1}…</span>', export.sha256, export.sha256[:12])

    @button(_("Journal of a month"), path="journal", icon="menu_book", permission="view")
    def journal(self, request: HttpRequest) -> HttpResponse:
        """Show what a month comes to by account, or hand its journal out."""
        form, month = asked_month(request)
        if request.method == "POST" and self.has_export_permission(request):
            return self._handed_out(request, month)
        missing: list[str] = []
        lines: list[Line] = []
        try:
            lines = journal(month)
        except Unmapped as refusal:
            missing = [one.text for one in refusal.missing]
        kinds = Counter(kind for kind, _entry in {(line.kind, line.entry) for line in lines})
        return self.page(
            request,
            "admin/insights/ledger/journal.html",
            title=_t("Journal of %(month)s") % {"month": formatting.month(month)},
            form=form,
            month=month,
            period=period_of(month),
            missing=missing,
            totals=list(totals_of(lines)),
            kinds=[(title, kinds[kind]) for kind, title in KINDS.items() if kinds[kind]],
            chosen=LayoutForm(),
            may_export=self.has_export_permission(request),
            before=month_start(month - timedelta(days=1)),
            after=next_month(month),
        )

    def _handed_out(self, request: HttpRequest, month: date) -> HttpResponse:
        layout = request.POST.get("layout", "")
        try:
            made = export_journal(month=month, layout=layout, actor=Actor.of(request.user))
        except DomainError as refusal:
            messages.error(request, str(refusal))
            page = reverse("admin:insights_journalexport_journal")
            return HttpResponseRedirect(f"{page}?month={month:%Y-%m}")
        name = f"journal-{month:%Y-%m}-{layout}.csv"
        return HttpResponse(
            made.content,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @button(_("Output tax of a month"), path="output-tax", icon="percent", permission="view")
    def output_tax(self, request: HttpRequest) -> HttpResponseBase:
        """Show the documents with their tax point in a month, or hand them out."""
        form, month = asked_month(request)
        rows = supplies(month)
        if request.GET.get("csv") and self.has_export_permission(request):
            return csv_response(
                request,
                name=f"output-tax-{month:%Y-%m}",
                header=TAX_COLUMNS,
                rows=map(_tax_row, rows),
                filters={"month": f"{month:%Y-%m}"},
            )
        return self.page(
            request,
            "admin/insights/ledger/output_tax.html",
            title=_t("Output tax of %(month)s") % {"month": formatting.month(month)},
            form=form,
            month=month,
            rows=rows,
            csv=f"?month={month:%Y-%m}&csv=1" if rows else "",
            sums=sums_of(rows),
            may_export=self.has_export_permission(request),
            before=month_start(month - timedelta(days=1)),
            after=next_month(month),
        )

    @column(_("Period"), ordering="period")
    def month(self, kept: JournalExport) -> str:
        return formatting.month(kept.period_id)

    @column(_("Layout"), ordering="layout")
    def name(self, kept: JournalExport) -> str:
        return kept.layout or _t("the booked lines")

    @column(_("Period closed"), ordering="closed_at")
    def closed(self, kept: JournalExport) -> str:
        return formatting.moment(kept.closed_at)


def _tax_row(row: Supply) -> tuple[Any, ...]:
    return (
        row.day, row.number, row.buyer, row.tax_id, row.branch, row.category, row.rate, row.net,
        row.tax, row.currency, row.corrects, row.replaces, "yes" if row.is_cancelled else "",
    )  # fmt: skip
