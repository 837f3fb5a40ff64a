"""``manage.py estimate``: what jobs would cost before they are submitted."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from rest_framework.renderers import JSONRenderer

from accounts.models import Project, Tier
from core import formatting
from core.errors import DomainError
from core.rest.moments import read_moment
from hpcbilling.command_line import FAILED, USAGE
from pricing import quote_wording
from pricing.api.quotes import as_data
from pricing.quote_requests import (
    MOST_GB,
    MOST_HOURS,
    FromScript,
    cluster_called,
    from_script,
    kib_of,
    moment_of,
    payer_of,
    seconds_of,
)
from pricing.quotes import Quote, QuotePart, Wanted, quote
from usage.sbatch import Found
from usage.sbatch.options import MAX_TEXT

NOBODY = AnonymousUser()


class Command(BaseCommand):
    """Exit codes: 0 estimated, 1 it has no price, 2 used wrongly."""

    help = "Estimate what jobs would cost, by figures or by a batch script."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sbatch", metavar="FILE", help="a batch script; - is standard input")
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("--tier", help="by the published list of this tier")
        whose.add_argument("--project", help="by this project's prices, on top of its month")
        parser.add_argument("--cluster", default="")
        parser.add_argument("--partition", default="")
        parser.add_argument("--qos", default="")
        parser.add_argument("--hours", help="with a script: where it sets no limit of time")
        parser.add_argument("--memory-gb", help="of the whole job; a GB is 1024 MiB")
        for name, default in (("cpus", 1), ("gpus", 0), ("nodes", 1), ("jobs", 1)):
            parser.add_argument(f"--{name}", type=int, default=default)
        parser.add_argument("--gpu-type", default="")
        parser.add_argument("--date", help="when the jobs end: a day, or a time with its zone")
        parser.add_argument("--json", action="store_true", help="as the API answers")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            source = _jobs(options)
            found = quote(
                source.jobs,
                payer=payer_of(
                    NOBODY,
                    tier=_named(Tier, options["tier"]),
                    project=_named(Project, options["project"]),
                ),
                moment=moment_of(_moment(options["date"])),
                cluster=cluster_called(options["cluster"] or source.cluster),
            )
        except DomainError as error:
            raise CommandError(f"{error} ({error.code})", returncode=FAILED) from error
        if options["json"]:
            data = as_data(found, source.remarks)
            text = JSONRenderer().render(data, accepted_media_type="application/json; indent=2")
            self.stdout.write(text.decode())
            return
        with translation.override("en"):
            self._show(found, source.remarks)

    def _show(self, found: Quote, remarks: tuple[Found, ...]) -> None:
        for part in found.parts:
            self.stdout.write(self.style.MIGRATE_HEADING(quote_wording.wanted_text(part.wanted)))
            self._lines(part)
        self.stdout.write(self.style.MIGRATE_HEADING("Total"))
        total = f"{formatting.money(found.total, found.currency)} without tax"
        self.stdout.write(f"  {found.total:f} {found.currency}, which is {total}")
        self.stdout.write(f"  by {quote_wording.lists_text(found)}")
        notes = [quote_wording.note_text(note, found.currency) for note in found.notes]
        notes += [quote_wording.found_text(remark) for remark in remarks]
        if notes:
            self.stdout.write(self.style.MIGRATE_HEADING("What it rests on"))
        for note in notes:
            self.stdout.write(f"  {note}")

    def _lines(self, part: QuotePart) -> None:
        for line in part.lines:
            name, quantity = quote_wording.line_name(line), quote_wording.quantity_text(line)
            price = quote_wording.price_text(line)
            self.stdout.write(f"  {name:16} {quantity:>28} at {price:>12} {line.amount:>20f}")
        if not part.lines:
            self.stdout.write("  Nothing of it has a price.")


def _jobs(options: dict[str, Any]) -> FromScript:
    hours = _decimal(options["hours"], MOST_HOURS, "--hours")
    memory = _decimal(options["memory_gb"], MOST_GB, "--memory-gb")
    if options["sbatch"]:
        return from_script(_text(options["sbatch"]), hours=hours, memory_gb=memory)
    if hours is None:
        raise CommandError("Give --sbatch FILE, or --hours and what else it takes.", returncode=2)
    counts = {name: options[name] for name in ("cpus", "gpus", "nodes", "jobs")}
    if min(counts.values()) < 0 or not options["jobs"] or not options["nodes"]:
        raise CommandError("Numbers of things are positive.", returncode=USAGE)
    wanted = Wanted(
        seconds=seconds_of(hours),
        cpus=options["cpus"],
        mem_kib=kib_of(memory or Decimal(0)),
        gpus=((options["gpu_type"], options["gpus"]),) if options["gpus"] else (),
        nodes=options["nodes"],
        jobs=options["jobs"],
        partition=options["partition"],
        qos=options["qos"],
    )
    return FromScript((wanted,), "", ())


def _text(name: str) -> str:
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(4 * MAX_TEXT)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(4 * MAX_TEXT)
    except OSError as error:
        raise CommandError(f"{name} can't be read: {error.strerror}", returncode=USAGE) from error
    return raw.decode("utf-8", errors="replace")


def _decimal(text: str | None, most: Decimal, name: str) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 < value <= most):
        raise CommandError(f"{name} takes a number above 0.", returncode=USAGE)
    return value


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return read_moment(text)
    except ValueError as error:
        raise CommandError(
            "--date takes a day such as 2026-11-01, or a time with its zone.", returncode=USAGE
        ) from error


def _named(model: Any, code: str | None) -> Any:
    if code is None:
        return None
    found = model.objects.filter(code=code).first()
    if found is None:
        known = ", ".join(model.objects.order_by("code").values_list("code", flat=True)[:20])
        name = model.__name__.lower()
        raise CommandError(f"There is no {name} “{code}” (known: {known}).", returncode=USAGE)
    return found
