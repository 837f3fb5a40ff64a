"""``manage.py usage_totals CLUSTER``: jobs and hours of a cluster, by day, month or who used it."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError

from core.errors import DomainError
from core.site import EARLIEST, LATEST, is_period
from hpcbilling.command_line import USAGE, cluster_named
from hpcbilling.pulls.shown import day_argument
from usage.services import check_time_zone
from usage.totals import By, Sums, usage_totals

COUNTS = {
    "started": "jobs_started",
    "ended": "jobs_ended",
    "running": "jobs_running",
    "no end yet": "jobs_unfinished",
}
HOURS = {
    "CPU-hours": "cpu_seconds",
    "GPU-hours": "gpu_seconds",
    "node-hours": "node_seconds",
    "wall-hours": "wall_seconds",
}


class Command(BaseCommand):
    """Exit codes: 0 printed, 2 used wrongly."""

    help = (
        "Print what a cluster's jobs used, shared out over the days on which they ran. Only jobs"
        " that were placed on nodes count; “running” ran at some time within the row's span."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("cluster", metavar="CLUSTER")
        parser.add_argument(
            "--since",
            required=True,
            type=day_argument,
            metavar="DAY",
            help="first day, as 2026-11-01",
        )
        parser.add_argument(
            "--until", required=True, type=day_argument, metavar="DAY", help="last day, included"
        )
        parser.add_argument("--by", choices=[str(by) for by in By], default=str(By.DAY))
        parser.add_argument(
            "--timezone",
            default="",
            metavar="ZONE",
            help="where the days begin, such as UTC (default: the cluster's time zone)",
        )
        parser.add_argument("--json", action="store_true", help="print the table as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        cluster = cluster_named(options["cluster"])
        zone, by = _zone(options["timezone"] or cluster.time_zone), By(options["by"])
        first, last = options["since"], options["until"]
        if first > last:
            raise CommandError("--since must not be after --until.", returncode=USAGE)
        if not is_period(first, last):
            raise CommandError(
                f"Days are known from {EARLIEST} to {LATEST} only.", returncode=USAGE
            )
        found = usage_totals(cluster=cluster, first=first, last=last, zone=zone, by=by)
        if options["json"]:
            told = {
                "cluster": cluster.name,
                "since": str(first),
                "until": str(last),
                "time_zone": zone.key,
                "by": str(by),
                "rows": [{str(by): key} | _figures(sums) for key, sums in found.rows],
                "total": _figures(found.total),
            }
            self.stdout.write(json.dumps(told, ensure_ascii=False))
            return
        lines = [(str(by), *COUNTS, *HOURS)]
        lines += [_line(key, sums) for key, sums in (*found.rows, ("total", found.total))]
        widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        for key, *cells in lines:
            rest = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
            self.stdout.write("  ".join((f"{key:<{widths[0]}}", *rest)))
        self.stdout.write(f"Days of {zone.key}, from {first} to {last}, both included.")


def _zone(name: str) -> ZoneInfo:
    try:
        check_time_zone(name)
    except DomainError as error:
        raise CommandError(str(error), returncode=USAGE) from error
    return ZoneInfo(name)


def _hours(seconds: int) -> Decimal:
    return (Decimal(seconds) / 3600).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _line(key: str, sums: Sums) -> tuple[str, ...]:
    figures = asdict(sums)
    counts = (f"{figures[name]:,}" for name in COUNTS.values())
    hours = (f"{_hours(figures[name]):,}" for name in HOURS.values())
    return (key or "(none)", *counts, *hours)


def _figures(sums: Sums) -> dict[str, Any]:
    """Return counts, exact seconds, and hours rounded to four decimals for the eye."""
    figures = asdict(sums)
    hours = {
        name.replace("_seconds", "_hours"): float(_hours(figures[name])) for name in HOURS.values()
    }
    return figures | hours
