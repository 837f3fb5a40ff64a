"""``manage.py price_study LIST --since --until``: what a price list would have made of the past."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone, translation

from core.intervals import Interval, local_midnight, month
from core.site import site_zone
from hpcbilling.command_line import FAILED, USAGE
from hpcbilling.progress import Steps, steps
from pricing.models import PriceList
from pricing.study import Figures, Line, study
from pricing.study.files import csv_of, pdf_of

SHOWN = 10


class Command(BaseCommand):
    """Exit codes: 0 the study was made; 1 it failed, or a file can't be written; 2 used wrongly."""

    help = (
        "Re-price the jobs of a time under a price list, draft or not, and compare with the charges"
        " in force. Nothing is charged. Exit codes: 0 done, 1 failed, 2 used wrongly."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "list", metavar="LIST", help="its number, or its name such as “mu 2026-01-01 r1”"
        )
        parser.add_argument(
            "--since", required=True, metavar="DAY", help="first day or month of job ends"
        )
        parser.add_argument(
            "--until", required=True, metavar="DAY", help="last day or month, included"
        )
        parser.add_argument("--cost", metavar="AMOUNT", help="what running the centre cost then")
        parser.add_argument("--json", action="store_true", help="print the study as JSON")
        parser.add_argument("--csv", metavar="FILE", help="write all lines as CSV")
        parser.add_argument("--pdf", metavar="FILE", help="write it as a PDF")
        parser.add_argument("--language", default="en", choices=("en", "th"), help="of the PDF")
        parser.add_argument(
            "--thorough", action="store_true", help="price each job anew by the engine (slow)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        price_list = _list_named(options["list"])
        window = _window(options["since"], options["until"])
        cost = _cost(options["cost"])
        with steps() as shown:
            figures = study(
                price_list=price_list,
                window=window,
                cost=cost,
                advance=_told(shown),
                thorough=options["thorough"],
            )
        if options["csv"]:
            text = "".join(csv_of(figures))
            _write(options["csv"], lambda path: path.write_text(text, encoding="utf-8", newline=""))
        if options["pdf"]:
            with translation.override(options["language"]):
                content = pdf_of(figures, title=str(price_list), made_at=timezone.now())
            _write(options["pdf"], lambda path: path.write_bytes(content))
        if options["json"]:
            self.stdout.write(json.dumps(figures.as_json(), ensure_ascii=False))
        else:
            self._print(price_list, figures)

    def _print(self, price_list: PriceList, figures: Figures) -> None:
        self.stdout.write(f"{price_list}, {figures.charges:,} charges in force, {figures.currency}")
        self.stdout.write(f"{'':32}{'before':>18}{'after':>18}{'change':>18}{'':>10}")
        self._line("total", figures.total)
        for title, found in (("by tier", figures.tiers), ("by resource", figures.resources)):
            self.stdout.write(title)
            for line in found:
                self._line(f"  {line.code or '-'}", line)
        for title, lines in (("pay less", figures.winners), ("pay more", figures.losers)):
            self._side(title, lines)
        self.stdout.write(f"unchanged: {figures.unchanged} projects")
        self._notes(figures)

    def _side(self, title: str, lines: Sequence[Line]) -> None:
        self.stdout.write(f"{title}: {len(lines)} projects")
        for line in lines[:SHOWN]:
            self._line(f"  {line.code}", line)

    def _line(self, name: str, line: Line) -> None:
        percent = "" if line.percent is None else f"{line.percent:+} %"
        self.stdout.write(
            f"{name:32}{line.before:>18,.2f}{line.after:>18,.2f}{line.change:>+18,.2f}{percent:>10}"
        )

    def _notes(self, figures: Figures) -> None:
        with translation.override("en"):
            for left in figures.unpriced:
                self.stdout.write(f"can't be priced: {left.jobs:,} jobs ({left.label})")
            for left in figures.exempt:
                self.stdout.write(f"exempt: {left.jobs:,} jobs ({left.label})")
        for code, amount in figures.foreign:
            self.stdout.write(f"not compared: {amount:,.2f} {code}")
        if figures.waiting:
            self.stdout.write(f"changed after they were billed: {figures.waiting:,} jobs")
        for name, side in zip(("before", "after"), figures.recovery or (), strict=False):
            self.stdout.write(
                f"of a cost of {side.cost:,.2f}, {name}: {side.percent} %, {side.over:+,.2f}"
            )


def _told(shown: Steps) -> Callable[[int, int], None]:
    totals = [0]
    bar = shown.step("Jobs", lambda: totals[0])

    def advance(done: int, total: int) -> None:
        totals[0] = total
        bar(done)

    return advance


def _list_named(text: str) -> PriceList:
    rows = PriceList.objects.select_related("tier", "project", "user")
    if text.isdecimal():
        found = list(rows.filter(pk=int(text)))
    else:
        found = [row for row in rows if str(row) == text]
    if len(found) != 1:
        known = ", ".join(f"{row.pk} ({row})" for row in rows.order_by("-pk")[:SHOWN])
        raise CommandError(
            f"“{text}” is no price list; known: {known or 'none yet'}.", returncode=USAGE
        )
    return found[0]


def _window(since: str, until: str) -> Interval:
    zone = site_zone()
    try:
        first, last = _day(since), _day(until)
        start = local_midnight(first, zone)
        whole = len(until) == len("2026-11")
        end = month(last, zone).end if whole else _next_midnight(last)
        return Interval(start, end)
    except ValueError as error:
        raise CommandError(
            f"{since} to {until} are no days such as 2026-11-21 or months such as 2026-11.",
            returncode=USAGE,
        ) from error


def _day(text: str) -> date:
    return date.fromisoformat(f"{text}-01" if len(text) == len("2026-11") else text)


def _next_midnight(day: date) -> datetime:
    following = date.fromordinal(day.toordinal() + 1)
    return local_midnight(following, site_zone())


def _cost(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        cost = Decimal(text)
    except InvalidOperation as error:
        raise CommandError(f"“{text}” is no amount.", returncode=USAGE) from error
    if not (cost.is_finite() and 0 < cost < Decimal("1e15")):
        raise CommandError("The cost must be more than zero.", returncode=USAGE)
    return cost


def _write(name: str, write: Callable[[Path], object]) -> None:
    try:
        write(Path(name))
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}", returncode=FAILED) from error
