"""``manage.py pricing export|plan|apply``: price lists as a reviewed text file."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import translation
from django.utils.timezone import localtime

from core.errors import DomainError
from core.site import site_zone
from hpcbilling.command_line import actor_named
from pricing import plans
from pricing.content import Difference
from pricing.exemption_plans import (
    ExemptionStep,
    current_exemptions,
    entry_of,
    exemption_steps,
    make_new,
)
from pricing.exemption_plans import Kind as ExemptionKind
from pricing.models import PriceList
from pricing.plans import Kind, Plan, Step
from pricing.price_file import BadFile, PriceFile, price_text, read_file, write

SAME, FAILED, DIFFERENT = 0, 1, 2


class Command(BaseCommand):
    """Exit codes of ``plan``: 0 no difference, 2 a difference, 1 an error, also of usage.

    ``apply`` proposes lists and exits with 0; it never publishes one.
    """

    help = "Write price lists to a file, compare a file with the site, or propose what differs."
    _differs = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        export = acts.add_parser("export", help="write the published lists as a file")
        export.add_argument("file", nargs="?", help="where to; standard output if left out")
        export.add_argument("--tier", action="append", default=[], help="only this tier")
        plan = acts.add_parser("plan", help="show what a file would change")
        plan.add_argument("file", help="the file to compare with; - is standard input")
        apply = acts.add_parser("apply", help="propose what a file changes, for approval")
        apply.add_argument("file", help="the file to propose; - is standard input")
        apply.add_argument("--by", metavar="USER", required=True, help="who proposes it")

    def run_from_argv(self, argv: list[str]) -> None:
        """Exit with 2 for a difference alone: what is used wrongly is an error like any other."""
        try:
            super().run_from_argv(argv)
        except SystemExit as stop:
            if stop.code == DIFFERENT and not self._differs:
                sys.exit(FAILED)
            raise

    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            self._act(options)

    def _act(self, options: dict[str, Any]) -> None:
        if options["act"] == "export":
            self._export(options["file"], options["tier"])
            return
        name = options["file"]
        try:
            found = read_file(_content(name), zone=site_zone())
            if options["act"] == "plan":
                self._plan(found)
            else:
                self._apply(found, options["by"])
        except BadFile as error:
            lines = (f"{name}:{fault.line}: {fault.message}" for fault in error.faults)
            raise CommandError("\n".join(lines), returncode=FAILED) from error

    def _export(self, name: str | None, tiers: list[str]) -> None:
        exemptions = None if tiers else current_exemptions()
        text = write(plans.current_entries(tiers), zone=site_zone(), exemptions=exemptions)
        if name is None:
            self.stdout.write(text, ending="")
            return
        try:
            Path(name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}", returncode=FAILED) from error

    def _plan(self, file: PriceFile) -> None:
        plan, steps = plans.make_plan(file.lists), exemption_steps(file.exemptions)
        self._show(plan, steps)
        self._differs = bool(plan.steps or steps)
        if self._differs:
            sys.exit(DIFFERENT)

    def _apply(self, file: PriceFile, name: str) -> None:
        actor = actor_named(name, "pricing.add_pricelist")
        steps = exemption_steps(file.exemptions)
        if any(step.kind is ExemptionKind.NEW for step in steps):
            actor_named(name, "usage.add_exemption")
        try:
            with transaction.atomic():
                plan, made = plans.apply_plan(entries=file.lists, actor=actor)
                exempted = make_new(steps, actor=actor)
        except DomainError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        self._show(plan, steps)
        for row in made:
            self.stdout.write(f"Proposed: {row} (waits for the approval of someone else)")
        for exemption in exempted:
            waits = exemption.status == exemption.Status.WAITING
            how = "waits for a second person" if waits else "in force"
            self.stdout.write(f"Made: {entry_of(exemption)} ({how})")
        if not (made or exempted):
            self.stdout.write("Nothing to propose.")

    def _show(self, plan: Plan, steps: Sequence[ExemptionStep]) -> None:
        for step in plan.steps:
            for line in _told(step):
                self.stdout.write(line)
        for exemption in steps:
            self.stdout.write(_told_of_exemption(exemption))
        if plan.left_alone:
            names = ", ".join(map(str, plan.left_alone))
            self.stdout.write(f"Not in the file, left alone: {names}")
        if not (plan.steps or steps):
            self.stdout.write("No difference.")


def _content(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}", returncode=FAILED) from error


def _told(step: Step) -> Iterator[str]:
    """Return the lines that tell of a difference."""
    moment = localtime(step.effective_at).isoformat(sep=" ", timespec="minutes")
    place = f" (line {step.entry.line})" if step.entry else ""
    yield f"{step.holder} from {moment}{place}: {_kind(step)}"
    currency = step.entry.currency if step.entry else ""
    for line in step.differences:
        yield f"  {_difference(line, currency)}"
    for code, effect in (step.effects or {}).items():
        change = f" ({effect.percent:+} %)" if effect.percent is not None else ""
        yield (
            f"  charges of the last {effect.days} days: {_two(effect.old)} -> {_two(effect.new)}"
            f" {code}{change}"
        )
        if effect.unpriced:
            yield f"  used and without a price: {', '.join(effect.unpriced)}"
    yield from _past(step)


_EXEMPTIONS = {
    ExemptionKind.NEW: "new",
    ExemptionKind.WAITING: "waits for a second person",
    ExemptionKind.OTHER_END: "ends otherwise here; change its end in the console",
    ExemptionKind.NOT_IN_FILE: "here but not in the file; end it in the console, or write it into"
    " the file (pricing export)",
}


def _told_of_exemption(step: ExemptionStep) -> str:
    entry = step.entry
    place = f" (line {entry.line})" if entry.line else ""
    start = localtime(entry.starts_at).isoformat(sep=" ", timespec="minutes")
    return f"{entry} from {start}{place}: {_EXEMPTIONS[step.kind]}"


def _past(step: Step) -> Iterator[str]:
    """Return the line that tells of charged jobs, for a list that begins in the past."""
    if step.past is not None and step.past.jobs:
        sums = ", ".join(f"{_two(value)} {code}" for code, value in step.past.amounts.items())
        yield (
            f"  begins in the past: {step.past.jobs} jobs are charged since then ({sums}); those on"
            " no document are charged anew, the others are listed to be corrected"
        )


def _kind(step: Step) -> str:
    if step.kind is Kind.NEW:
        return "a new list"
    if step.kind is Kind.CHANGED:
        return f"a revision of {step.found}"
    if step.kind is Kind.WAITING:
        return f"proposed already, waits for approval: {step.found}{_submitter(step.found)}"
    return (
        f"published here but not in the file: {step.found}; it can't be taken back, "
        "so write it into the file (pricing export)"
    )


def _submitter(row: PriceList | None) -> str:
    return f" by {row.submitted_by.get_username()}" if row and row.submitted_by else ""


def _difference(line: Difference, currency: str) -> str:
    if not line.unit or not _is_price(line):
        if not line.is_change:
            return f"{line.name}: {line.new} (same)"
        return f"{line.name}: {line.old or '-'} -> {line.new or '-'}"
    old = price_text(line.old_price) if line.old_price is not None else "-"
    new = price_text(line.new_price) if line.new_price is not None else "-"
    change = ""
    if not line.is_change:
        change = "same"
    elif line.percent is not None:
        change = f"{line.percent:+} %"
    elif line.new is None:
        change = "no price any more"
    return f"{line.label:4} {old:>10} -> {new:>10} {currency} / {line.unit:13} {change}".rstrip()


def _is_price(line: Difference) -> bool:
    """Whether both sides are one price, where they are at all."""
    return (line.old is None) == (line.old_price is None) and (line.new is None) == (
        line.new_price is None
    )


def _two(amount: Decimal) -> str:
    return f"{amount:,.2f}"
