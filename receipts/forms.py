"""Forms of the console's receipt pages."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.admin import ConsoleForm, DateInput
from core.intervals import Interval, days, last_month


class WindowForm(ConsoleForm):
    """Whole local days, both included."""

    first = forms.DateField(label=_("First day"), widget=DateInput)
    last = forms.DateField(label=_("Last day"), widget=DateInput)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            raise ValidationError(_("The last day lies before the first."))
        return cleaned

    @property
    def interval(self) -> Interval:
        """The chosen days as moments in the site's time zone."""
        return days(self.cleaned_data["first"], self.cleaned_data["last"], zone())


def window_form(values: Mapping[str, Any]) -> WindowForm:
    """Return the form bound to the given days, or to the last full month."""
    first, last = last_month(timezone.localdate())
    return WindowForm({"first": values.get("first", first), "last": values.get("last", last)})


def zone() -> ZoneInfo:
    """Return the site's time zone."""
    return ZoneInfo(settings.SITE_TIME_ZONE)
