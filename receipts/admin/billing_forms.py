"""How projects are billed, as it is typed into the console: tax profiles and billing profiles."""

from itertools import pairwise
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet

from accounts.models import Project
from core import formatting
from receipts.models import BillingProfile, DepartmentBilling, Grouping, TaxCategory


class TaxRateFormSet(PaginationInlineFormSet):
    """The rates of a profile on one page: none may overlap another, and there is one where the
    category needs it."""

    def clean(self) -> None:
        super().clean()
        rows = [getattr(form, "cleaned_data", {}) for form in self.forms]
        kept = [row for row in rows if row.get("starts_on") and not row.get("DELETE")]
        if any(self.errors):
            return
        standard = self.instance.category == TaxCategory.STANDARD
        if kept and not standard:
            raise ValidationError(_("Only profiles of the standard category have rates."))
        if standard and not kept:
            raise ValidationError(_("Add a rate: documents of this profile are taxed by it."))
        spans = sorted((row["starts_on"], row.get("ends_on")) for row in kept)
        for (start, end), (next_start, _end) in pairwise(spans):
            if end is None or end > next_start:
                text = _("The rate from %(day)s overlaps with the next one. End it first.")
                raise ValidationError(text % {"day": formatting.day(start)})


class BillingProfileForm(forms.ModelForm[BillingProfile]):
    """How a project is billed. What the database refuses is told beside the field."""

    class Meta:
        model = BillingProfile
        fields = (
            "grouping",
            "payer",
            "in_run",
            "tax_profile",
            "exemption_certificate",
            "withholding_percent",
            "branch",
            "contact_name",
            "document_language",
            "promptpay_id",
        )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        project: Project | None = values.get("project")
        if self.instance.pk:
            project = self.instance.project
        payer, grouping = values.get("payer"), values.get("grouping")
        if payer is not None and payer == project:
            self.add_error("payer", _("Another project pays, not the project itself."))
        if grouping == Grouping.DEPARTMENT:
            self._check_department(project)
        return values

    def _check_department(self, project: Project | None) -> None:
        if project is None or project.department_id is None:
            self.add_error("grouping", _("The project belongs to no department."))
        elif not DepartmentBilling.objects.filter(department=project.department_id).exists():
            self.add_error(
                "grouping",
                _("Nobody pays for the department yet: choose a project on the department's page."),
            )
