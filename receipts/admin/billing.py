"""How projects are billed, in the console: tax profiles, and what stands on the pages of projects
and departments about it."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline, TabularInline

from accounts.admin import DepartmentAdmin, ProjectAdmin
from accounts.models import Department, Project
from audit.console import AuditedAdmin, CsvExport
from core import formatting
from core.admin import NOTHING, ConsoleAdmin, column, plain_number
from receipts.admin.billing_forms import BillingProfileForm, TaxRateFormSet
from receipts.models import (
    BillingProfile,
    Contact,
    DepartmentBilling,
    RemindersStopped,
    TaxProfile,
    TaxRate,
)


class PlainNumbers:
    """Rows whose numbers show the decimals that they have."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        made = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(made, forms.DecimalField):
            made.prepare_value = plain_number  # type: ignore[method-assign]
        return made


class TaxRateInline(PlainNumbers, TabularInline):
    """The dated rates of a profile."""

    model = TaxRate
    formset = TaxRateFormSet
    extra = 0
    hide_title = True
    ordering = ("-starts_on",)


@admin.register(TaxProfile)
class TaxProfileAdmin(AuditedAdmin, CsvExport, ConsoleAdmin):
    """Ways in which documents are taxed. Each document keeps the rate of the day of its issue."""

    list_display = ("code", "name", "category", "inclusive", "rate_today", "projects")
    list_filter = ("category",)
    search_fields = ("code", "name")
    inlines = (TaxRateInline,)
    fields = ("code", "name", "category", "inclusive", "reason")
    csv_columns = {
        "code": "code",
        "name": "name",
        "category": "category",
        "inclusive": "inclusive",
        "reason": "reason",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaxProfile]:
        queryset: QuerySet[TaxProfile] = super().get_queryset(request)
        return queryset.annotate(buyers=Count("profiles", distinct=True)).prefetch_related("rates")

    @column(_("Rate today"))
    def rate_today(self, profile: TaxProfile) -> str:
        today = timezone.localdate()
        for rate in profile.rates.all():
            if rate.starts_on <= today and (rate.ends_on is None or rate.ends_on > today):
                return f"{formatting.number(rate.percent)} %"
        return NOTHING

    @column(_("Projects"), ordering="buyers")
    def projects(self, profile: TaxProfile) -> str:
        return str(profile.buyers)  # type: ignore[attr-defined]  # annotated

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Say what a change of the past does not do."""
        super().save_formset(request, form, formset, change)
        if any(_changes_the_past(each) for each in formset.initial_forms):
            messages.warning(
                request,
                _t(
                    "A rate that has begun was changed. Documents issued before keep the tax that"
                    " they state; only credit notes correct it."
                ),
            )


def _changes_the_past(form: Any) -> bool:
    """Whether a rate is changed, moved or deleted for days that have been."""
    if not form.has_changed():
        return False
    tomorrow = timezone.localdate() + timedelta(days=1)
    values = (form.initial, form.cleaned_data)
    starts, ends = ([row.get(name) for row in values] for name in ("starts_on", "ends_on"))
    if set(form.changed_data) == {"ends_on"}:
        return min(end or date.max for end in ends) < tomorrow
    return min(start or date.max for start in starts) < tomorrow


class BillingProfileInline(PlainNumbers, StackedInline):
    """How the project is billed; without it, by the site's defaults."""

    model = BillingProfile
    form = BillingProfileForm
    fk_name = "project"
    autocomplete_fields = ("payer",)
    extra = 0
    tab = True
    fields = BillingProfileForm.Meta.fields


class ContactInline(TabularInline):
    """Who hears of the project's documents."""

    model = Contact
    extra = 0
    tab = True


class RemindersStoppedInline(TabularInline):
    """Whether the project is reminded of what it owes."""

    model = RemindersStopped
    fields = ("reason", "since")
    readonly_fields = ("since",)
    extra = 0
    tab = True


class DepartmentBillingInline(TabularInline):
    """Which project is billed for those of the department that ask for it."""

    model = DepartmentBilling
    autocomplete_fields = ("project",)
    extra = 0


# Their own classes, below this app, know nothing of documents.
admin.site.unregister((Project, Department))


@admin.register(Project)
class BilledProjectAdmin(ProjectAdmin):
    """Who pays, and how."""

    inlines = (
        *ProjectAdmin.inlines,
        BillingProfileInline,
        ContactInline,
        RemindersStoppedInline,
    )


@admin.register(Department)
class BilledDepartmentAdmin(DepartmentAdmin):
    """Parts of the institution, and who is billed for them."""

    inlines = (DepartmentBillingInline,)
