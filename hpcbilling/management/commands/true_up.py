"""``manage.py true_up``: bring projects' months up to their commitments and down to their caps."""

import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import DomainError
from hpcbilling.command_line import USAGE, actor_named
from pricing.closing import TrueUp, projects_of_month, true_up


class Command(BaseCommand):
    """Exit codes: 0 done, 2 used wrongly."""

    help = (
        "Make what a month's charges lack to their commitment, exceed of their cap, or owe as fees "
        "without usage. Asking again makes the difference only."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("period", help="the month, such as 2026-10")
        parser.add_argument("--project", metavar="CODE", help="only this project")
        parser.add_argument("--dry-run", action="store_true", help="tell what would be made")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "pricing.rate_jobs")
        month = _month(options["period"])
        projects = projects_of_month(month)
        if options["project"]:
            projects = projects.filter(code=options["project"])
            if not projects:
                raise CommandError("That project had no tier and no charges.", returncode=USAGE)
        try:
            done = [
                true_up(project_id=key, month=month, actor=actor, dry_run=options["dry_run"])
                for key in projects.values_list("pk", flat=True)
            ]
        except DomainError as refusal:
            raise CommandError(str(refusal), returncode=USAGE) from refusal
        found = [one for one in done if one is not None and one.is_due]
        if options["json"]:
            self.stdout.write(json.dumps([_as_data(one) for one in found]))
            return
        for one in found:
            self.stdout.write(_line(one))
        verb = "would be" if options["dry_run"] else "were"
        self.stdout.write(f"{len(found)} of {len(done)} projects {verb} trued up.")


def _month(period: str) -> date:
    try:
        return date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise CommandError("Give the month as 2026-10.", returncode=USAGE) from error


def _as_data(one: TrueUp) -> dict[str, str]:
    return {
        "project": one.project.code,
        "month": f"{one.month:%Y-%m}",
        "currency": one.currency,
        "charged": str(one.charged),
        "fees": str(one.fees),
        "difference": str(one.difference),
    }


def _line(one: TrueUp) -> str:
    return (
        f"{one.project.code}: charged {one.charged} {one.currency}, fees {one.fees}, "
        f"true-up {one.difference:+}"
    )
