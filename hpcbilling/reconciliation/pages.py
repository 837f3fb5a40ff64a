"""A comparison as a page shows it: figures in the units of prices, jobs with their causes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from core import formatting
from core.errors import Text
from hpcbilling.reconciliation.causes import UNEXPLAINED, Cause
from hpcbilling.reconciliation.compare import QUARANTINED
from hpcbilling.reconciliation.figures import GROUPS, grouped
from insights.buckets import Bucket
from usage.models import Reconciliation

UNITS: dict[str, tuple[Text, int]] = {
    "cpu_seconds": (_lazy("CPU-core-hours"), 3600),
    "gpu_seconds": (_lazy("GPU-hours"), 3600),
    "mem_mib_seconds": (_lazy("GB-hours"), 3600 * 1024),
    "node_seconds": (_lazy("Node-hours"), 3600),
}
SECONDS: dict[str, Text] = {
    "cpu_seconds": _lazy("CPU-core-seconds"),
    "gpu_seconds": _lazy("GPU-seconds"),
    "mem_mib_seconds": _lazy("MiB-seconds"),
    "node_seconds": _lazy("Node-seconds"),
}
SHOWN_JOBS = 200
SHOWN_HISTORY = 15


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: its name and a text for each unit, with the unit's name beside it."""

    name: Text
    cells: list[tuple[Text, str]]
    kind: str = ""


def units() -> list[Text]:
    """Return the names of the columns."""
    return [name for name, _size in UNITS.values()]


def figure_lines(result: Reconciliation) -> list[Line]:
    """Return what Slurm says, our buckets, their sum, and the difference."""
    figures, groups = result.figures, grouped(result)
    ours = {name: sum(group[name] for group in groups.values()) for name in UNITS}
    buckets = [
        Line(label, _cells(groups[group]), "part") for group, (label, _members) in GROUPS.items()
    ]
    return [
        Line(_("Slurm says"), _cells({name: figures[name]["slurm"] for name in UNITS}), "sum"),
        *buckets,
        Line(_("All of these together"), _cells(ours), "sum"),
        Line(
            _("Difference"),
            _cells({name: figures[name]["difference"] for name in UNITS}, signed=True),
            "sum",
        ),
    ]


def cause_lines(result: Reconciliation) -> list[tuple[Line, int, bool]]:
    """Return the causes with their number of jobs, and whether they need a person."""
    return [
        (Line(_cause(cause), _cells(values, signed=True)), values["jobs"], cause in UNEXPLAINED)
        for cause, values in result.causes.items()
    ]


def job_rows(result: Reconciliation) -> list[dict[str, Any]]:
    """Return the jobs that differ, as many as a page shows."""
    return [
        {
            **row,
            "cause_text": _cause(row["cause"]),
            "where": _place(row["bucket"]),
            "cells": _cells(
                {name: row[name]["ours"] - row[name]["slurm"] for name in UNITS}, signed=True
            ),
        }
        for row in result.differences[:SHOWN_JOBS]
    ]


def report_rows(result: Reconciliation) -> list[dict[str, Any]]:
    """Return the sums in which sreport differs, without a cause while it lacks the last hours."""
    early = not result.report.get("rolled_up", True)
    return [
        {
            **row,
            "resource": SECONDS.get(row["resource"], row["resource"]),
            "cause": _cause(row.get("cause") or ("" if early else Cause.UNKNOWN)),
        }
        for row in result.report.get("differences", ())
    ]


def _cells(values: Mapping[str, int], *, signed: bool = False) -> list[tuple[Text, str]]:
    return [(name, _text(values[key], size, signed)) for key, (name, size) in UNITS.items()]


def _text(seconds: int, size: int, signed: bool) -> str:
    text = formatting.hours(seconds, size)
    return f"+{text}" if signed and seconds > 0 else text


def _cause(code: str) -> Text:
    return Cause(code).label if code in Cause.values else code


def _place(bucket: str) -> Text:
    if bucket == QUARANTINED:
        return _("In quarantine")
    return Bucket(bucket).label if bucket in Bucket.values else _("Not here")
