"""Writing documents: drafts, approval, issue, credit notes and what is void."""

from receipts.services.contents import content_of, hash_of, parties_of
from receipts.services.crediting import credit_reversals, void_receipt, write_note
from receipts.services.drafting import discard_draft, draft_receipt, write_draft
from receipts.services.issuing import (
    create_receipt,
    issue_receipt,
    mark_settled,
    return_receipt,
    submit_receipt,
)
from receipts.services.numbering import fiscal_year, next_number, open_series
from receipts.services.part_credits import (
    Part,
    approve_credit,
    ask_credit,
    refuse_credit,
    withdraw_credit,
)
from receipts.services.steps import STEPS

__all__ = [
    "STEPS",
    "Part",
    "approve_credit",
    "ask_credit",
    "content_of",
    "create_receipt",
    "credit_reversals",
    "discard_draft",
    "draft_receipt",
    "fiscal_year",
    "hash_of",
    "issue_receipt",
    "mark_settled",
    "next_number",
    "open_series",
    "parties_of",
    "refuse_credit",
    "return_receipt",
    "submit_receipt",
    "void_receipt",
    "withdraw_credit",
    "write_draft",
    "write_note",
]
