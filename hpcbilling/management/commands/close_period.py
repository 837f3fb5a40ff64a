"""``manage.py close_period 2026-10``: close a month and draft a document for each addressee."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, Sum

from core.errors import DomainError
from hpcbilling.closing import Finding
from hpcbilling.closing.month_end import Outlook, close_and_draft, month_named, outlook
from hpcbilling.closing.services import Unexplained
from hpcbilling.command_line import USAGE, actor_named
from hpcbilling.progress import Steps, steps
from receipts.models import BillingRun, RunEntry


class Command(BaseCommand):
    """Exit codes: 0 done, 2 refused or used wrongly. Doing it again goes on where it broke off."""

    help = (
        "Close a month: see that all of it is explained, make its true-ups, freeze its charges, "
        "and draft a receipt for each addressee. The drafts then wait for approval in the console."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("period", help="the month, such as 2026-10")
        parser.add_argument(
            "--override", metavar="REASON", default="", help="close it although something is open"
        )
        parser.add_argument("--as", dest="user", metavar="USER", help="who does it, for the log")
        parser.add_argument("--dry-run", action="store_true", help="tell what would be done")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        right = "accounts.override_findings" if options["override"] else "accounts.close_period"
        actor = actor_named(options["user"], right)
        try:
            month = month_named(options["period"])
            if options["dry_run"]:
                self._tell_outlook(month, outlook(month), options)
                return
            with steps() as shown:
                run = close_and_draft(
                    period=month,
                    actor=actor,
                    override_reason=options["override"],
                    true_ups=_bar(shown, "True-ups"),
                    drafts=_bar(shown, "Drafts"),
                )
        except Unexplained as refusal:
            self._refuse(month, refusal.findings, options)
        except DomainError as refusal:
            raise CommandError(str(refusal), returncode=USAGE) from refusal
        else:
            self._tell_run(run, options)

    def _refuse(self, month: date, findings: list[Finding], options: dict[str, Any]) -> None:
        if options["json"]:
            found = {"month": f"{month:%Y-%m}", "status": "refused", "findings": _data(findings)}
            self.stdout.write(json.dumps(found))
        lines = [f"{month:%Y-%m} is not closed. What stands against it:"]
        lines += [f"  {finding.text}\n    {finding.url}" for finding in findings]
        lines.append("Mend that, or close it all the same: --override REASON --as USER.")
        raise CommandError("\n".join(lines), returncode=USAGE)

    def _tell_outlook(self, month: date, found: Outlook, options: dict[str, Any]) -> None:
        if found.findings and not options["override"]:
            self._refuse(month, found.findings, options)
        sums = {code: str(amount) for code, amount in sorted(found.true_ups.items())}
        if options["json"]:
            data = {"month": f"{month:%Y-%m}", "status": "dry_run", "is_closed": found.is_closed}
            told = {"findings": _data(found.findings), "true_ups": sums, "entries": found.entries}
            self.stdout.write(json.dumps(data | told))
            return
        verb = "is closed" if found.is_closed else "would be closed"
        self.stdout.write(f"{month:%Y-%m} {verb}; nothing was changed.")
        for code, amount in sums.items():
            self.stdout.write(f"  true-ups: {amount} {code}")
        self.stdout.write(f"  addressees with something to bill now: {found.entries}")

    def _tell_run(self, run: BillingRun, options: dict[str, Any]) -> None:
        states = dict(run.entries.order_by().values_list("state").annotate(Count("pk")))
        totals = {
            code: str(total)
            for code, total in run.entries.filter(state=RunEntry.State.DRAFTED)
            .order_by("currency")
            .values_list("currency")
            .annotate(total=Sum("total"))
        }
        problems = [
            {"project": code, "state": state, **problem}
            for code, state, problem in run.entries.exclude(problem={}).values_list(
                "project__code", "state", "problem"
            )
        ]
        if options["json"]:
            data = {"month": str(run), "status": "done", "run": run.pk, "entries": states}
            self.stdout.write(json.dumps(data | {"totals": totals, "problems": problems}))
            return
        self.stdout.write(f"{run} is closed.")
        for state, count in sorted(states.items()):
            self.stdout.write(f"  {RunEntry.State(state).label}: {count}")
        for code, total in totals.items():
            self.stdout.write(f"  to be approved: {total} {code}")
        for entry in run.entries.exclude(problem={}).select_related("project"):
            self.stdout.write(f"  {entry.project.code}: {entry.problem_text}")


def _bar(shown: Steps, label: str) -> Callable[[int, int], None]:
    """Return what moves the bar of a step that says how much there is to do."""
    totals = [0]
    move = shown.step(label, lambda: totals[0])

    def told(done: int, total: int) -> None:
        totals[0] = total
        move(done)

    return told


def _data(findings: list[Finding]) -> list[dict[str, Any]]:
    return [{**one.as_data(), "text": one.text, "url": one.url} for one in findings]
