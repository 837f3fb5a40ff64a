"""The steps of a monthly run and of its entries."""

from core.transitions import Table
from receipts.models import BillingRun, RunEntry

R = BillingRun.Status
E = RunEntry.State

RUN_STEPS: Table = {R.DRAFTING: frozenset({R.DRAFTED}), R.DRAFTED: frozenset({R.DRAFTING})}
"""A run that ended goes on when somebody lets an entry be tried again."""

ENTRY_STEPS: Table = {
    E.WAITING: frozenset({E.DRAFTED, E.NOTHING, E.CARRIED, E.FAILED}),
    E.DRAFTED: frozenset({E.DISCARDED}),
    E.FAILED: frozenset({E.WAITING}),
    E.CARRIED: frozenset({E.WAITING}),
    E.DISCARDED: frozenset({E.WAITING}),
}

RETRIED = (E.FAILED, E.CARRIED, E.DISCARDED)
"""States in which an entry can be tried again."""

ADVANCE_TASK = "receipts.advance_run"
ISSUE_TASK = "receipts.issue_approved"
