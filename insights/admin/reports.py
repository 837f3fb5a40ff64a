"""Reports in the console, reached from receipts, projects and departments: aging, statements."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Project
from audit.exports import csv_response, record_export
from core.admin import ConsoleForm, admin_url, button
from core.forms import DayInput
from insights import aging, statement_files
from insights.statements import (
    Span,
    Statement,
    department_statement,
    last_month_of,
    last_month_of_department,
    project_statement,
)
from receipts.admin.billing import BilledDepartmentAdmin, BilledProjectAdmin
from receipts.admin.receipts import ReceiptAdmin
from receipts.forms import window_form
from receipts.models import Receipt

# Their own classes, below this app, know nothing of reports.
admin.site.unregister((Receipt, Project, Department))


class DayForm(ConsoleForm):
    """The day that a report is of."""

    as_of = forms.DateField(label=_("As of the end of"), widget=DayInput())


@admin.register(Receipt)
class ReportedReceiptAdmin(ReceiptAdmin):
    """Documents, from draft to paid, and how old what is owed is."""

    actions_list = ("aging", *ReceiptAdmin.actions_list)

    @button(_("Aging"), path="aging", icon="hourglass_bottom", permission="view")
    def aging(self, request: HttpRequest) -> HttpResponseBase:
        """Show what is owed by age, or export it."""
        form = DayForm({"as_of": request.GET.get("as_of") or timezone.localdate()})
        report = aging.aging(form.cleaned_data["as_of"]) if form.is_valid() else None
        if report is not None and request.GET.get("csv"):
            return csv_response(
                request,
                name=f"aging-{report.as_of}",
                header=aging.CSV_HEADER,
                rows=aging.csv_rows(report),
                filters={"as_of": report.as_of},
            )
        return self.page(
            request, "admin/insights/aging.html", title=_("Aging"), form=form, report=report
        )


class StatementPage:
    """A page with the statement of a project or department, as CSV and PDF too."""

    make_statement: Callable[[Any, Span], Statement]
    last_month: Callable[[Any], Span | None]

    def has_statement_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see statements: who may see receipts."""
        return request.user.has_perm("receipts.view_receipt")

    @button(_("Statement"), path="statement", icon="account_balance", permission="statement")
    def statement(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show what was owed, billed and paid in a period."""
        page: Any = self
        found = page.pick(request, object_id)
        latest = type(self).last_month(found)
        asked = request.GET.dict()
        if latest is not None and not {"first", "last"} & set(asked):
            asked |= {"first": str(latest.first), "last": str(latest.last)}
        form = window_form(asked)
        shown = None
        if form.is_valid():
            span = Span(form.cleaned_data["first"], form.cleaned_data["last"])
            shown = type(self).make_statement(found, span)
            wanted = request.GET.get("as", "")
            if wanted in {"csv", "pdf"}:
                return _file(request, shown, wanted, found.code)
        response: HttpResponse = page.page(
            request,
            "admin/insights/statement.html",
            title=_t("Statement: %(whose)s") % {"whose": found},
            form=form,
            statement=shown,
            latest=latest,
            back=admin_url(found, "change", found.pk),
        )
        return response


def _file(request: HttpRequest, shown: Statement, form: str, code: str) -> HttpResponseBase:
    name = f"statement-{code}-{shown.span.first}-{shown.span.last}"
    if form == "csv":
        rows = statement_files.csv_rows(shown)
        return csv_response(request, name=name, header=statement_files.CSV_HEADER, rows=rows)
    record_export(request, name=name, filters={"form": "pdf"})
    answer = HttpResponse(statement_files.pdf_of(shown), content_type="application/pdf")
    answer["Content-Disposition"] = content_disposition_header(True, f"{name}.pdf")
    answer["Cache-Control"] = "private, no-store"
    return answer


@admin.register(Project)
class ReportedProjectAdmin(StatementPage, BilledProjectAdmin):
    """Who pays, and how, and what they owed and paid."""

    actions_detail = ("statement",)
    make_statement = staticmethod(project_statement)

    @staticmethod
    def last_month(project: Project) -> Span | None:
        return last_month_of([project.pk])


@admin.register(Department)
class ReportedDepartmentAdmin(StatementPage, BilledDepartmentAdmin):
    """Parts of the institution, who is billed for them, and what they owed and paid."""

    actions_detail = ("statement",)
    make_statement = staticmethod(department_statement)
    last_month = staticmethod(last_month_of_department)
