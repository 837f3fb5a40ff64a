"""``manage.py check_books``: does every invariant hold over the whole database?"""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import override

from hpcbilling.books import CHECKS, Break, Check, Result
from hpcbilling.books.results import check_and_keep
from hpcbilling.command_line import FAILED, USAGE

SHOWN = 20


class Command(BaseCommand):
    """Exit codes: 0 all hold, 1 something is wrong, 2 used wrongly."""

    help = (
        "Check every invariant of the books over the whole database, and name what breaks one."
        " Exit codes: 0 all hold, 1 something is wrong, 2 used wrongly."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--only",
            action="append",
            metavar="NAME",
            default=[],
            help=f"this check alone, may be repeated: {', '.join(check.name for check in CHECKS)}",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="a line of JSON for each break and each check, and one at last",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        only, as_json = options["only"], bool(options["json"])
        unknown = sorted(set(only) - {check.name for check in CHECKS})
        if unknown:
            raise CommandError(f"There is no check “{unknown[0]}”.", returncode=USAGE)
        told: dict[str, int] = {}

        def tell(check: Check, found: Break) -> None:
            told[check.name] = told.get(check.name, 0) + 1
            if as_json or told[check.name] <= SHOWN:
                self.stdout.write(_line(check, found, as_json=as_json))

        def done(result: Result) -> None:
            self.stdout.write(_outcome(result, as_json=as_json))

        with override("en"):
            results = check_and_keep(only=only, tell=tell, done=done)
        breaks = sum(result.breaks for result in results)
        if as_json:
            seconds = round(sum(result.seconds for result in results), 3)
            summary = {"checks": len(results), "breaks": breaks, "seconds": seconds}
            self.stdout.write(json.dumps(summary))
        else:
            self.stdout.write("The books balance." if not breaks else "The books do not balance.")
        if breaks:
            raise CommandError(f"{breaks:,} breaks.", returncode=FAILED)


def _line(check: Check, found: Break, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"check": check.name, **found._asdict()}, ensure_ascii=False)
    if check.informs:
        return f"  {found.about}: {found.field}: {found.stored}"
    return (
        f"  {found.about}: {found.field} is {found.stored or 'nothing'},"
        f" should be {found.computed or 'nothing'}"
    )


def _outcome(result: Result, *, as_json: bool) -> str:
    check = result.check
    if as_json:
        return json.dumps(
            {
                "check": check.name,
                "breaks": result.breaks,
                "found": result.count,
                "seconds": round(result.seconds, 3),
            }
        )
    said = (
        "ok"
        if not result.count
        else f"{result.count:,} " + ("to know" if check.informs else "BREAKS")
    )
    return f"{check.name}: {check.title}: {said} ({result.seconds:.1f} s)"
