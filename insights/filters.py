"""What a person asks of the usage page; it lives in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from accounts.selectors import Viewer, projects_managed_by, projects_of
from core.forms import DayInput
from core.intervals import Interval
from core.site import is_period, site_days
from insights.buckets import Bucket
from insights.periods import DEFAULT, PRESETS, Days
from usage.models import Cluster

STATES = (
    "COMPLETED", "RUNNING", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL",
    "PREEMPTED", "REQUEUED", "SUSPENDED", "DEADLINE", "BOOT_FAIL", "RESIZING",
)  # fmt: skip
"""Slurm's job states, those that people look for first."""

MAX_DAYS = 3660

PERIOD_LABELS = {
    "30d": _("30 days"),
    "month": _("This month"),
    "last-month": _("Last month"),
    "90d": _("90 days"),
    "year": _("This year"),
}
SORTS: Mapping[str, tuple[str, ...]] = {
    "end": ("end",),
    "job": ("cluster__name", "job_id"),
    "user": ("user_name",),
    "project": ("rating__project__code",),
    "state": ("state",),
    "elapsed": ("elapsed_seconds",),
    "cpu": ("cpu_seconds",),
    "gpu": ("gpu_seconds",),
    "mem": ("mem_mib_seconds",),
    "amount": ("amount",),
}
DEFAULT_SORT = "-end"


class UsageForm(forms.Form):
    """Filters of the usage page. ``first`` and ``last`` are local days, both included."""

    first = forms.DateField(label=_("From"), required=False, widget=DayInput())
    last = forms.DateField(label=_("To"), required=False, widget=DayInput())
    project = forms.ModelChoiceField(
        Project.objects.none(),
        label=_("Project"),
        required=False,
        to_field_name="code",
        empty_label=_("All projects"),
    )
    user = forms.CharField(label=_("Person"), required=False, max_length=128)
    cluster = forms.ModelChoiceField(
        Cluster.objects.all(),
        label=_("Cluster"),
        required=False,
        to_field_name="name",
        empty_label=_("All clusters"),
    )
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("All states")), *((state, state) for state in STATES)],
    )
    status = forms.ChoiceField(
        label=_("Billing"), required=False, choices=[("", _("All jobs")), *Bucket.choices]
    )

    def __init__(self, data: Mapping[str, Any], *, viewer: Viewer) -> None:
        self.days = _preset(str(data.get("period", "")))
        self.preset = "" if data.get("first") or data.get("last") else _preset_name(data)
        filled = {name: data.get(name, "") for name in self.base_fields}
        filled["first"] = filled["first"] or self.days.first.isoformat()
        filled["last"] = filled["last"] or self.days.last.isoformat()
        super().__init__(filled)
        projects: Any = self.fields["project"]
        projects.queryset = projects_of(viewer).order_by("code")
        self.is_pi = projects_managed_by(viewer).exists()
        self.fields["user"].widget.attrs["list"] = "people"
        if not self.is_pi:
            del self.fields["user"]

    def clean(self) -> dict[str, Any]:
        """Check that the span is a span, and not so long that nobody could mean it."""
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last:
            if not is_period(first, last):
                self.add_error("last", _("The period must end on or after its first day."))
            elif Days(first, last).count > MAX_DAYS:
                self.add_error("last", _("Choose a period of at most ten years."))
        return cleaned


def _preset_name(data: Mapping[str, Any]) -> str:
    name = str(data.get("period", ""))
    return name if name in PRESETS else DEFAULT


def _preset(name: str) -> Days:
    return PRESETS.get(name, PRESETS[DEFAULT])(timezone.localdate())


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """A valid question: which jobs, and in which order. Empty texts and None mean any."""

    days: Days
    project: Project | None = None
    cluster: Cluster | None = None
    user: str = ""
    state: str = ""
    status: str = ""
    sort: str = DEFAULT_SORT

    @property
    def window(self) -> Interval:
        """The days as an interval of moments, in the site's time zone."""
        return site_days(self.days.first, self.days.last)

    def described(self) -> dict[str, Any]:
        """Return what was asked, for the log."""
        asked = {
            "first": self.days.first, "last": self.days.last, "project": self.project,
            "cluster": self.cluster, "user": self.user, "state": self.state, "status": self.status,
        }  # fmt: skip
        return {name: value for name, value in asked.items() if value}


def read_filter(form: UsageForm, sort: str) -> UsageFilter:
    """Return what was asked. A filter that makes no sense is left out; the form says so."""
    order = sort if sort.removeprefix("-") in SORTS else DEFAULT_SORT
    form.is_valid()
    asked = form.cleaned_data
    first, last = asked.get("first"), asked.get("last")
    return UsageFilter(
        Days(first, last) if first and last else _preset(DEFAULT),
        project=asked.get("project"),
        cluster=asked.get("cluster"),
        user=asked.get("user", "").strip(),
        state=asked.get("state", ""),
        status=asked.get("status", ""),
        sort=order,
    )
