"""``manage.py open_series CODE YEAR LAST``: go on with numbers that were given out elsewhere."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.errors import DomainError
from hpcbilling.command_line import FAILED, USAGE, actor_named
from receipts.services import open_series


class Command(BaseCommand):
    """Exit codes: 0 done, 1 refused, 2 used wrongly."""

    help = "Begin a number series after the last number that was used elsewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="as SERIES_RECEIPT or SERIES_CREDIT_NOTE say, e.g. RC")
        parser.add_argument("year", type=int, help="the fiscal year, named by its end")
        parser.add_argument("last", type=int, help="the last number used elsewhere")
        parser.add_argument("--pattern", help="how numbers are written; default SERIES_PATTERN")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "receipts.issue_receipt")
        if options["last"] < 0 or not 2000 <= options["year"] <= 2999:
            raise CommandError("A year has four digits, a number is 0 or more.", returncode=USAGE)
        try:
            series = open_series(
                code=options["code"],
                year=options["year"],
                last_number=options["last"],
                pattern=options["pattern"] or settings.SERIES_PATTERN,
                actor=actor,
            )
        except DomainError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        self.stdout.write(f"The next number is {series.text_of(series.last_number + 1)}.")
