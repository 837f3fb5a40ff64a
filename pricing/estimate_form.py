"""The form of the estimate page: jobs in figures, or a batch script, and by whose prices."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Tier
from accounts.selectors import Viewer
from core.forms import DayInput
from core.intervals import local_midnight
from core.site import EARLIEST, LATEST, site_zone
from pricing.quote_requests import (
    MOST_GB,
    MOST_HOURS,
    FromScript,
    from_script,
    kib_of,
    projects_to_ask_about,
    seconds_of,
    tiers_with_prices,
)
from pricing.quotes import MOST_JOBS, Wanted
from usage.models import Cluster
from usage.sbatch.options import MAX_TEXT

MOST = 10**7
GPU_TYPE = r"\A[A-Za-z0-9._-]*\Z"


def _whole(label: Any, initial: int, least: int = 0, most: int = MOST) -> forms.IntegerField:
    return forms.IntegerField(label=label, initial=initial, min_value=least, max_value=most)


def _decimal(label: Any, most: Decimal, **options: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, max_value=most, max_digits=14, decimal_places=6, **options
    )


class EstimateForm(forms.Form):
    """What a person wants to run. Who is not logged in chooses among tiers only."""

    payer = forms.ChoiceField(label=_("By the prices of"))
    cluster = forms.ModelChoiceField(
        Cluster.objects.all(),
        label=_("Cluster"),
        required=False,
        to_field_name="name",
        empty_label=_("Any"),
    )
    partition = forms.CharField(label=_("Partition"), required=False, max_length=255)
    qos = forms.CharField(label=_("QOS"), required=False, max_length=128)
    cpus = _whole(_("CPUs"), 4)
    memory_gb = _decimal(_("Memory in GB"), MOST_GB, min_value=Decimal(0), required=False)
    gpus = _whole(_("GPUs"), 0)
    gpu_type = forms.RegexField(GPU_TYPE, label=_("Type of GPU"), required=False, max_length=55)
    nodes = _whole(_("Nodes"), 1, 1)
    hours = _decimal(_("Hours"), MOST_HOURS, min_value=Decimal("0.000001"), required=False)
    jobs = _whole(_("Number of jobs"), 1, 1, MOST_JOBS)
    day = forms.DateField(label=_("Ended on"), required=False, widget=DayInput())

    def __init__(self, data: Mapping[str, Any] | None, *, viewer: Viewer) -> None:
        super().__init__(data, initial={"memory_gb": 8, "hours": 1})
        self.payers: dict[str, Tier | Project] = {}
        self.viewer = viewer
        payer: Any = self.fields["payer"]
        payer.choices = self._payers(viewer)
        clusters: Any = self.fields["cluster"]
        clusters.queryset = Cluster.objects.order_by("name")

    def _payers(self, viewer: Viewer) -> list[Any]:
        projects = [(f"project:{one.code}", one) for one in projects_to_ask_about(viewer)]
        tiers = [(f"tier:{one.code}", one) for one in tiers_with_prices()]
        self.payers = {**dict(projects), **dict(tiers)}
        groups = (
            (_("Project"), [(key, f"{one.code} – {one.name}") for key, one in projects]),
            (_("Tier"), [(key, f"{one.code} – {one.name}") for key, one in tiers]),
        )
        return [group for group in groups if group[1]]

    @property
    def chosen(self) -> tuple[Tier | None, Project | None]:
        """The tier or project whose prices count; only of a valid form."""
        found = self.payers[self.cleaned_data["payer"]]
        return (found, None) if isinstance(found, Tier) else (None, found)

    def clean_day(self) -> date | None:
        day: date | None = self.cleaned_data["day"]
        if day is not None and not EARLIEST <= day <= LATEST:
            raise forms.ValidationError(_("Enter a valid date."))
        return day

    def moment(self) -> datetime:
        """Noon of the day on which the jobs end, or now; only of a valid form."""
        day: date | None = self.cleaned_data["day"]
        if day is None or day == timezone.localdate():
            return timezone.now()
        return local_midnight(day, site_zone()) + timedelta(hours=12)

    def source(self) -> FromScript:
        """What the figures ask for; only of a valid form."""
        asked = self.cleaned_data
        wanted = Wanted(
            seconds=seconds_of(asked["hours"] or Decimal(1)),
            cpus=asked["cpus"],
            mem_kib=kib_of(asked["memory_gb"] or Decimal(0)),
            gpus=((asked["gpu_type"], asked["gpus"]),) if asked["gpus"] else (),
            nodes=asked["nodes"],
            jobs=asked["jobs"],
            partition=asked["partition"],
            qos=asked["qos"],
        )
        return FromScript((wanted,), "", ())


class ScriptForm(EstimateForm):
    """A pasted batch script; hours and memory stand in for what it leaves out."""

    script = forms.CharField(
        label=_("Batch script"),
        max_length=MAX_TEXT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "class": "mono"}),
    )

    def __init__(self, data: Mapping[str, Any] | None, *, viewer: Viewer) -> None:
        super().__init__(data, viewer=viewer)
        for name in ("cpus", "gpus", "gpu_type", "nodes", "jobs", "partition", "qos"):
            del self.fields[name]

    def source(self) -> FromScript:
        """What the script asks for; only of a valid form. Raises Invalid."""
        asked = self.cleaned_data
        text = asked["script"].replace("\r\n", "\n")
        return from_script(text, hours=asked["hours"], memory_gb=asked["memory_gb"])
