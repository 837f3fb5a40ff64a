"""``manage.py replay PERIOD``: is every charge of a month what its evidence comes to?"""

import json
import re
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hpcbilling.command_line import FAILED, USAGE, cluster_named
from hpcbilling.progress import steps
from pricing.replay import Difference, Replayed, replay_month

PERIOD = re.compile(r"(19[7-9][0-9]|20[0-9]{2}|21[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


class Command(BaseCommand):
    """Exit codes: 0 exact, 1 something differs, 2 used wrongly."""

    help = "Compute every charge of a month anew from the evidence, and name what differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("period", help="the month in which jobs ended, such as 2026-10")
        parser.add_argument("--cluster", help="jobs of this cluster only")
        parser.add_argument(
            "--json",
            action="store_true",
            help="a line of JSON for each difference, and one at last",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = bool(options["json"])
        match = PERIOD.fullmatch(options["period"])
        if match is None:
            raise CommandError("Give a month such as 2026-10.", returncode=USAGE)
        cluster = cluster_named(options["cluster"]) if options["cluster"] else None

        def tell(found: Difference) -> None:
            self.stdout.write(_line(found, as_json=as_json))

        with steps() as bars:
            found = replay_month(
                date(int(match[1]), int(match[2]), 1),
                cluster=cluster,
                tell=tell,
                looked_at=bars.step("Jobs"),
            )
        self.stdout.write(_summary(found, options["period"], as_json=as_json))
        if found.differences:
            raise CommandError(f"{found.differences} differences.", returncode=FAILED)


def _line(found: Difference, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(found._asdict(), ensure_ascii=False)
    charge = f", charge #{found.charge}" if found.charge else ""
    return (
        f"{found.about}{charge}: {found.field} is stored as {found.stored or 'nothing'},"
        f" computed as {found.recomputed or 'nothing'}"
    )


def _summary(found: Replayed, period: str, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {
                "period": period,
                "jobs": found.jobs,
                "charges": found.charges,
                "counters": found.counters,
                "differences": found.differences,
                "exact": not found.differences,
            }
        )
    result = "exact" if not found.differences else f"{found.differences:,} differences"
    return (
        f"{period}: {found.jobs:,} jobs, {found.charges:,} charges and {found.counters:,} counters"
        f" computed anew: {result}"
    )
