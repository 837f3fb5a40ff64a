"""Charges made by hand that are taken back for good: nothing is charged in their place."""

from collections.abc import Sequence

from accounts.periods import PeriodBook
from core.actor import Actor
from core.bulk import copy_lines
from core.intervals import microseconds
from pricing.batches import Outcome, record_charges
from pricing.lines import WIDE_COLUMNS, ChargeLines
from pricing.models import Charge


def take_back(*, charges: Sequence[Charge], actor: Actor) -> None:
    """Reverse charges that no counter priced, in the open period; in the caller's transaction."""
    if not charges:
        return
    lines = ChargeLines(PeriodBook(microseconds(charge.job_end) for charge in charges))
    made = [lines.reversal(charge, (None, None)) for charge in charges]
    copy_lines("pricing_charge", WIDE_COLUMNS, made)
    record_charges(lines, Outcome(), actor=actor)
