"""``manage.py reconcile CLUSTER PERIOD``: Slurm's own totals against ours, by bucket and job."""

import json
from argparse import ArgumentParser
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import localtime

from core.errors import Conflict
from core.intervals import Interval, days, month
from core.site import site_zone
from hpcbilling.command_line import FAILED, USAGE, actor_named, cluster_named
from hpcbilling.reconciliation.causes import Cause
from hpcbilling.reconciliation.compare import RESOURCES
from hpcbilling.reconciliation.figures import GROUPS, grouped
from hpcbilling.reconciliation.services import reconcile
from usage.models import Reconciliation

UNREAD = 3
UNITS = {
    "cpu_seconds": ("CPU-hours", 3600),
    "gpu_seconds": ("GPU-hours", 3600),
    "mem_mib_seconds": ("GB-hours", 3600 * 1024),
    "node_seconds": ("node-hours", 3600),
}
SHOWN_JOBS = 50
Outcome = Reconciliation.Outcome


class Command(BaseCommand):
    """Exit codes: 0 it agrees, or each difference has its known cause; 1 differences without one;
    2 used wrongly, or there is nothing to compare with; 3 Slurm's totals could not be read."""

    help = (
        "Compare what Slurm says a cluster was used for with what is billed, unbilled, running,"
        " exempt, unpriced and quarantined here, to the second, and list each job that differs."
        " Exit codes: 0 agrees or each difference has a known cause, 1 it does not, 2 used wrongly,"
        " 3 Slurm's totals could not be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("cluster", metavar="CLUSTER")
        parser.add_argument(
            "period", metavar="PERIOD", help="a month (2026-11) or a day (2026-11-21) of the site"
        )
        parser.add_argument(
            "--until",
            metavar="TIME",
            type=_moment,
            help="compare only up to this moment, such as 2026-11-21T15:00:00Z (default: the end of"
            " the period, or the last full hour up to which usage was read)",
        )
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        cluster = cluster_named(options["cluster"])
        period = _period(options["period"])
        until = options["until"]
        if until is not None and not period.start < until <= period.end:
            raise CommandError("--until must lie within the period.", returncode=USAGE)
        actor = actor_named(options["by"], "usage.reconcile_usage")
        try:
            result = reconcile(cluster=cluster, period=period, actor=actor, until=until)
        except Conflict as error:
            raise CommandError(str(error), returncode=USAGE) from error
        if options["json"]:
            self.stdout.write(json.dumps(_told(result), ensure_ascii=False))
        else:
            self._print(result)
        if result.outcome == Outcome.FAILED:
            raise CommandError(
                f"Slurm's totals could not be read. {result.error}", returncode=UNREAD
            )
        if result.outcome == Outcome.UNEXPLAINED:
            raise CommandError(
                f"{result.unexplained:,} differences have no known cause.", returncode=FAILED
            )

    def _print(self, result: Reconciliation) -> None:
        until = localtime(result.until).strftime("%Y-%m-%d %H:%M")
        self.stdout.write(
            f"{result.cluster}, up to {until}, {result.jobs_stated:,} jobs by {result.source}"
        )
        if result.outcome == Outcome.FAILED:
            return
        self.stdout.write("".join(f"{name:>18}" for name in ("", *(u for u, _ in UNITS.values()))))
        for name, figures in _lines(result):
            cells = (f"{_hours(figures[unit], unit):>18}" for unit in RESOURCES)
            self.stdout.write(f"{name:<18}" + "".join(cells))
        for cause, values in result.causes.items():
            if cause:
                self.stdout.write(f"{values['jobs']:,} × {Cause(cause).label}")
        for row in result.differences[:SHOWN_JOBS]:
            changes = (
                f"{name.removesuffix('_seconds')} {row[name]['ours'] - row[name]['slurm']:+,} s"
                for name in RESOURCES
                if row[name]["ours"] != row[name]["slurm"]
            )
            self.stdout.write(f"  {row['job']} ({row['cause']}): {', '.join(changes)}")
        if result.report:
            agrees = "agrees with" if result.report["agrees"] else "differs from"
            counts = result.report["agrees"] or result.report["rolled_up"]
            early = "" if counts else ", but has not the last hours yet: that is no difference"
            self.stdout.write(f"sreport {agrees} the sum of Slurm's jobs{early}")
            for line in result.report["differences"]:
                self.stdout.write(
                    f"  {line['account']} {line['user']} {line['resource']}:"
                    f" sreport {line['sreport']:,}, jobs {line['jobs']:,}"
                    f"{' (suspended)' if line.get('cause') else ''}"
                )


def _period(text: str) -> Interval:
    try:
        if len(text) == len("2026-11"):
            return month(date.fromisoformat(f"{text}-01"), site_zone())
        day = date.fromisoformat(text)
        return days(day, day, site_zone())
    except (ValueError, OverflowError) as error:
        raise CommandError(
            f"“{text}” is neither a month such as 2026-11 nor a day such as 2026-11-21.",
            returncode=USAGE,
        ) from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=site_zone())).astimezone(UTC)


def _hours(seconds: int, resource: str) -> str:
    units = (Decimal(seconds) / UNITS[resource][1]).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return f"{units:,}"


def _lines(result: Reconciliation) -> list[tuple[str, dict[str, int]]]:
    groups = grouped(result)
    figures = result.figures
    return [
        ("Slurm", {name: figures[name]["slurm"] for name in RESOURCES}),
        *((group, groups[group]) for group in GROUPS),
        ("difference", {name: figures[name]["difference"] for name in RESOURCES}),
    ]


def _told(result: Reconciliation) -> dict[str, Any]:
    groups = grouped(result) if result.figures else {}
    return {
        "cluster": result.cluster.name,
        "start": result.start.isoformat(),
        "end": result.end.isoformat(),
        "until": result.until.isoformat(),
        "outcome": str(result.outcome),
        "source": result.source,
        "error": result.error,
        "jobs": result.jobs_stated,
        "jobs_differing": result.jobs_differing,
        "unexplained": result.unexplained,
        "slurm": {name: row["slurm"] for name, row in result.figures.items()},
        "buckets": groups,
        "difference": {name: row["difference"] for name, row in result.figures.items()},
        "causes": result.causes,
        "differences": result.differences,
        "quarantined_rows": result.quarantined_rows,
        "report": result.report,
    }
