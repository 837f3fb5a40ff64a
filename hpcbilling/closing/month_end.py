"""The month end from its beginning to the review: what stands against it, true-ups, closing, and
the run that drafts a document for each addressee."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils import timezone

from accounts.periods import period_of
from core.actor import Actor
from core.errors import Invalid
from core.intervals import last_month, month_start
from hpcbilling.closing.findings import Finding, unexplained
from hpcbilling.closing.services import close_period
from pricing.closing import projects_to_true_up, true_up
from receipts.models import BillingRun
from receipts.services.runs import advance, start_run, to_bill

Told = Callable[[int, int], None]


def close(
    *,
    period: date,
    actor: Actor,
    override_reason: str = "",
    true_ups: Told = lambda done, total: None,
) -> BillingRun:
    """Close a month and begin its run, whose drafts workers make; returns the run.

    Each part commits by itself and finds what is done already, so it is safe to call twice, at
    once, or again after a crash at any point. Raises ``Unexplained`` with the findings where
    something of the month is unexplained and no reason is given, and what closing raises.
    """
    close_period(month=period, actor=actor, reason=override_reason, progress=true_ups)
    return start_run(month=period, actor=actor)


def close_and_draft(
    *,
    period: date,
    actor: Actor,
    override_reason: str = "",
    true_ups: Told = lambda done, total: None,
    drafts: Told = lambda done, total: None,
) -> BillingRun:
    """Do as ``close`` does, and make the drafts too."""
    run = close(period=period, actor=actor, override_reason=override_reason, true_ups=true_ups)
    while advance(run_id=run.pk, actor=actor, progress=drafts):
        time.sleep(0.2)  # another worker has those that still wait
    run.refresh_from_db()
    return run


@dataclass(frozen=True, slots=True)
class Outlook:
    """What closing a month would do: what stands against it, true-ups by currency, and how many
    addressees the run would have as things are."""

    findings: list[Finding]
    true_ups: dict[str, Decimal]
    entries: int
    is_closed: bool


def outlook(period: date) -> Outlook:
    """Return what closing a month would do now; changes nothing."""
    month = month_start(period)
    row = period_of(month)
    sums: dict[str, Decimal] = {}
    if not row.is_closed:
        for project_id in projects_to_true_up(month).values_list("pk", flat=True):
            one = true_up(
                project_id=project_id, month=month, actor=Actor.system("command"), dry_run=True
            )
            if one is not None and one.is_due:
                sums[one.currency] = sums.get(one.currency, Decimal(0)) + one.difference + one.fees
    findings = [] if row.is_closed else unexplained(row)
    return Outlook(findings, sums, len(to_bill(month)), row.is_closed)


def month_to_close() -> date:
    """Return the month before the current one, which the schedule closes."""
    return last_month(timezone.localdate())[0]


def month_named(text: str) -> date:
    """Return the first day of a month such as ``2026-10``. Raises Invalid."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise Invalid("month", "Give the month as 2026-10.") from error
