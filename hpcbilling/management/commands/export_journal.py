"""``manage.py export_journal PERIOD``: the month's journal for the site's ledger."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import override

from core.errors import DomainError
from hpcbilling.command_line import FAILED, USAGE, actor_named
from insights.journal import export_journal, layouts


class Command(BaseCommand):
    """Exit codes: 0 done, 1 something has no account, 2 used wrongly."""

    help = (
        "Write a month's journal as CSV, to standard output or a file. Of a closed month the first "
        "export is kept and given again byte by byte; of an open one it is what is known so far."
        " Exit codes: 0 done, 1 something has no account, 2 used wrongly."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("period", metavar="PERIOD", help="the month, such as 2026-10")
        parser.add_argument(
            "--layout", default="plain", metavar="NAME", help=f"one of {', '.join(layouts())}"
        )
        parser.add_argument("--output", metavar="FILE", type=Path, help="write it to this file")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "insights.export_journal")
        try:
            month = date.fromisoformat(f"{options['period']}-01")
        except ValueError as error:
            raise CommandError("Give the month as 2026-10.", returncode=USAGE) from error
        if options["layout"] not in layouts():
            known = ", ".join(layouts())
            raise CommandError(f"There is no such layout (known: {known}).", returncode=USAGE)
        try:
            with override("en"):
                made = export_journal(month=month, layout=options["layout"], actor=actor)
        except DomainError as refusal:
            raise CommandError(str(refusal), returncode=FAILED) from refusal
        if options["output"] is not None:
            options["output"].write_bytes(made.content)
        else:
            self.stdout.write(made.content.decode("utf-8"), ending="")
        kept = "closed: it stays the same" if made.final else "still open: it may change"
        self.stderr.write(f"{made.lines:,} lines, {kept}, SHA-256 {made.sha256}")
