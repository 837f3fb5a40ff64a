"""Forms of the console's receipt pages."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.admin import ConsoleForm
from core.forms import DayInput
from core.intervals import Interval, last_month
from core.site import is_period, site_days


class WindowForm(ConsoleForm):
    """Whole local days, both included."""

    first = forms.DateField(label=_("First day"), widget=DayInput())
    last = forms.DateField(label=_("Last day"), widget=DayInput())

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and not is_period(first, last):
            raise ValidationError(_("The period must end on or after its first day."))
        return cleaned

    @property
    def interval(self) -> Interval:
        """The chosen days as moments in the site's time zone."""
        return site_days(self.cleaned_data["first"], self.cleaned_data["last"])


def window_form(values: Mapping[str, Any]) -> WindowForm:
    """Return the form bound to the given days, or to the last full month."""
    first, last = last_month(timezone.localdate())
    return WindowForm({"first": values.get("first", first), "last": values.get("last", last)})
