"""What a person chooses to bill on the self-service pages: a project and whole local days."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from accounts.selectors import Viewer, projects_managed_by
from core.forms import DayInput
from core.intervals import Interval, last_month, month_start
from core.site import is_period, site_days
from receipts.selectors import first_unbilled_day


class WindowForm(forms.Form):
    """A project that the person acts for, and a period by name or by its days, both included."""

    PERIODS = (
        ("last-month", _("Last month")),
        ("month", _("This month so far")),
        ("unbilled", _("Everything not billed yet")),
        ("days", _("From … to …")),
    )

    project = forms.ModelChoiceField(
        Project.objects.none(), label=_("Project"), to_field_name="code", empty_label=None
    )
    period = forms.ChoiceField(label=_("Period"), choices=PERIODS)
    first = forms.DateField(label=_("From"), required=False, widget=DayInput())
    last = forms.DateField(label=_("To"), required=False, widget=DayInput())

    def __init__(self, data: Mapping[str, Any] | None, *, viewer: Viewer) -> None:
        super().__init__(data, initial={"period": "unbilled"})
        projects: Any = self.fields["project"]
        projects.queryset = projects_managed_by(viewer).order_by("code")

    def clean(self) -> dict[str, Any]:
        """Turn the period into its first and last day."""
        cleaned: dict[str, Any] = super().clean() or {}
        project, period = cleaned.get("project"), cleaned.get("period")
        if period and period != "days" and project:
            cleaned["first"], cleaned["last"] = _named(period, project)
        first, last = cleaned.get("first"), cleaned.get("last")
        if not self.errors and not is_period(first, last):
            self.add_error("last", _("Enter the first and the last day of the period."))
        return cleaned

    @property
    def window(self) -> Interval:
        """The chosen days as moments in the site's time zone; only of a valid form."""
        return site_days(self.cleaned_data["first"], self.cleaned_data["last"])


def _named(period: str, project: Project) -> tuple[date, date]:
    today = timezone.localdate()
    if period == "last-month":
        return last_month(today)
    first = first_unbilled_day(project) if period == "unbilled" else month_start(today)
    return min(first or month_start(today), today), today


def expected_total(text: str) -> Decimal | None:
    """Return the total that a person saw and confirmed; None if it can't be read."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
