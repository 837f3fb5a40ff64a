"""``manage.py import_opening_balances FILE.csv``: what is still to be paid from before."""

import csv
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import Project
from core.errors import DomainError
from hpcbilling.command_line import FAILED, USAGE, actor_named
from receipts.services.openings import Opening, bring_opening, check_opening

COLUMNS = ("project", "number", "issued_on", "due_on", "amount", "currency")


class Command(BaseCommand):
    """Exit codes: 0 done, or nothing new; 1 a line is wrong, and nothing was imported; 2 used
    wrongly."""

    help = "Import open documents of the system before, all of a file or none of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help=f"CSV with {', '.join(COLUMNS)}")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "receipts.issue_receipt")
        found, problems = _checked(_rows(options["file"]))
        if problems:
            for problem in problems:
                self.stderr.write(problem)
            raise CommandError(
                f"{len(problems)} lines are wrong; nothing was imported.", returncode=FAILED
            )
        if options["dry_run"]:
            new = sum(1 for opening in found if check_opening(opening) is None)
        else:
            with transaction.atomic():
                new = sum(bring_opening(opening=opening, actor=actor) for opening in found)
        did = "would be imported" if options["dry_run"] else "imported"
        self.stdout.write(f"{new:,} opening balances {did}, {len(found) - new:,} there already")


def _rows(name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a file with the numbers of their lines."""
    try:
        text = Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} can't be read: {error}", returncode=USAGE) from error
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise CommandError(f"Line 1 has to be: {','.join(COLUMNS)}", returncode=USAGE)
    for row in reader:
        yield reader.line_num, row


def _checked(rows: Iterator[tuple[int, dict[str, str]]]) -> tuple[list[Opening], list[str]]:
    found: dict[str, Opening] = {}
    problems = []
    for line, row in rows:
        try:
            opening = _opening(row)
            check_opening(opening)
            if found.setdefault(opening.number, opening) != opening:
                raise ValueError(f"the number {opening.number} is there twice")
        except (ValueError, InvalidOperation, DomainError) as error:
            problems.append(f"line {line}: {_told(error)}")
    return list(found.values()), problems


def _told(error: Exception) -> str:
    return "the amount is no number" if isinstance(error, InvalidOperation) else str(error)


def _opening(row: dict[str, str]) -> Opening:
    """Read a row. Raises ValueError or InvalidOperation."""
    if None in row or None in row.values():
        raise ValueError(f"a row has {len(COLUMNS)} cells")
    cells = {name: text.strip() for name, text in row.items()}
    project = Project.objects.filter(code=cells["project"]).first()
    if project is None:
        raise ValueError(f"there is no project “{cells['project']}”")
    currency = cells["currency"]
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise ValueError("the currency is three capital letters")
    return Opening(
        project,
        cells["number"],
        date.fromisoformat(cells["issued_on"]),
        date.fromisoformat(cells["due_on"]),
        Decimal(cells["amount"]),
        currency,
    )
