"""The figures of the usage page: by day, by project, by resource or by person."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from django.conf import settings
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.selectors import Viewer
from core import formatting
from insights.charts import Figure, largest, stacked
from insights.periods import Days, buckets
from insights.selectors import cost_by, usage_by
from pricing.labels import resource_name
from pricing.resources import RESOURCES
from usage.models import Job

MONTHLY_FROM_DAYS = 93
"""Longer periods are drawn by month: a bar for each day would be a hair."""
MAX_BARS = 12

MEASURES: Mapping[str, str | Promise] = {
    "cost": pgettext_lazy("figure", "Cost"),
    "cpu": gettext_lazy("CPU hours"),
    "gpu": gettext_lazy("GPU hours"),
    "mem": gettext_lazy("GB hours of memory"),
}
STACKS: Mapping[str, str | Promise] = {
    "project": gettext_lazy("by project"),
    "resource": gettext_lazy("by resource"),
    "user": gettext_lazy("by person"),
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure with its heading, its element's id and the unit of its numbers."""

    key: str
    title: str
    figure: Figure
    unit: str
    monthly: bool = False

    @property
    def data(self) -> dict[str, Any]:
        return self.figure.for_script(self.unit)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which figures: what is measured, and what the bars of a day are stacked from."""

    measure: str
    stack: str

    @classmethod
    def read(cls, parameters: Mapping[str, str], *, with_people: bool) -> "Wanted":
        """Return what an address asks for; what makes no sense is replaced by the default."""
        measure = parameters.get("measure", "cost")
        measure = measure if measure in MEASURES else "cost"
        stack = parameters.get("stack", "project")
        possible = stack in STACKS and (stack != "user" or with_people)
        if not possible or (stack == "resource" and measure != "cost"):
            stack = "project"
        return cls(measure, stack)


def plots(jobs: QuerySet[Job], days: Days, wanted: Wanted, *, viewer: Viewer) -> list[Plot]:
    """Return the figures of the jobs that a filter found, at most two queries each time."""
    monthly = days.count > MONTHLY_FROM_DAYS
    cells = _cells(jobs, wanted, monthly=monthly, viewer=viewer)
    unit = settings.SITE_CURRENCY if wanted.measure == "cost" else _("hours")
    by_day = stacked(
        ((at, names[wanted.stack], value) for at, names, value in cells),
        labels=_day_labels(days, monthly=monthly),
        others=_("Others"),
    )
    title = _("By month") if monthly else _("By day")
    found = [Plot("by-day", title, by_day, unit, monthly)]
    further = [("project", _("By project"))]
    if wanted.stack == "user":
        further.append(("user", _("By person")))
    elif wanted.measure == "cost":
        further.append(("resource", _("By resource")))
    found += [_bars(cells, by=by, title=title, unit=unit) for by, title in further]
    return found


Cell = tuple[Any, Mapping[str, str], Decimal]


def _cells(jobs: QuerySet[Job], wanted: Wanted, *, monthly: bool, viewer: Viewer) -> list[Cell]:
    people = wanted.stack == "user"
    if wanted.measure == "cost":
        keys = ("project__code", "resource", *(("job__user_name",) if people else ()))
        rows = cost_by(jobs, *keys, monthly=monthly, viewer=viewer)
        return [(row[0], _names(row[1], row[2], row[3] if people else ""), row[-1]) for row in rows]
    keys = ("rating__project__code", *(("user_name",) if people else ()))
    size = RESOURCES[wanted.measure].unit_size
    rows = usage_by(jobs, wanted.measure, *keys, monthly=monthly)
    return [
        (row[0], _names(row[1], wanted.measure, row[2] if people else ""), Decimal(row[-1]) / size)
        for row in rows
    ]


def _names(project: str | None, resource: str, person: str) -> dict[str, str]:
    return {
        "project": project or _("No project"),
        "resource": resource_name(resource),
        "user": person,
    }


def _bars(cells: list[Cell], *, by: str, title: str, unit: str) -> Plot:
    """Return totals by one thing; cost is stacked from resources, or resources from projects."""
    inner = "project" if by == "resource" else "resource"
    flat = [(names[by], names[inner], value) for _at, names, value in cells]
    labels = [(name, name) for name in largest(flat, MAX_BARS)]
    return Plot(f"by-{by}", title, stacked(flat, labels=labels, others=_("Others")), unit)


def _day_labels(days: Days, *, monthly: bool) -> list[tuple[Any, str]]:
    pattern = "MMM y" if monthly else "d MMM"
    return [
        (day, format_date(day, format=pattern, locale=formatting.locale()))
        for day in buckets(days, monthly=monthly)
    ]
