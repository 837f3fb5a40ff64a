"""What corrects a document, for its pages."""

from typing import Any

from django import template

from accounts.selectors import Viewer
from pricing.services.line_credits import line_credits_waiting
from receipts.cases import Case, corrected_by, history_of
from receipts.models import Receipt
from receipts.selectors import credited_of
from usage.models import Job

register = template.Library()


@register.simple_tag
def credits_of(receipt: Receipt) -> dict[str, Any]:
    """Return the notes over a receipt and what bills its usage again, or what a note gives back."""
    notes, receipts = corrected_by(receipt)
    credited = credited_of(receipt) if notes else 0
    return {
        "original": receipt.corrects,
        "notes": notes,
        "receipts": receipts,
        "credited": credited,
        "given_back": -receipt.total,
        "payable": receipt.total + credited,
        "waiting": line_credits_waiting(receipt.pk).select_related("author"),
    }


@register.simple_tag
def corrections_of(job: Job, viewer: Viewer) -> list[Case]:
    """Return the corrections of a job that a person may see, the latest first."""
    return history_of(job, viewer)
