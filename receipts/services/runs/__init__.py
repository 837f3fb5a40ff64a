"""The run of a month: drafts for all, reviewed, approved, issued."""

from receipts.services.runs.approving import (
    Seen,
    approve,
    discard,
    hand_in,
    issue_approved,
    retry,
    seen_in,
    seen_of,
    send_back,
    to_approve,
    to_issue,
)
from receipts.services.runs.drafting import advance, unfinished
from receipts.services.runs.starting import run_of, start_run, to_bill

__all__ = [
    "Seen",
    "advance",
    "approve",
    "discard",
    "hand_in",
    "issue_approved",
    "retry",
    "run_of",
    "seen_in",
    "seen_of",
    "send_back",
    "start_run",
    "to_approve",
    "to_bill",
    "to_issue",
    "unfinished",
]
