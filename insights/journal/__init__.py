"""The journal: double entries derived from what was charged, issued, credited and paid."""

from insights.journal.entries import Entry, Layout, Line, totals_of
from insights.journal.exports import (
    Exported,
    export_journal,
    intact,
    journal,
    keep_journal,
    layouts,
    missing_accounts,
)
from insights.journal.facts import entries_of, settlements_of
from insights.journal.mapping import Accounts, Missing, Unmapped

__all__ = [
    "Accounts",
    "Entry",
    "Exported",
    "Layout",
    "Line",
    "Missing",
    "Unmapped",
    "entries_of",
    "export_journal",
    "intact",
    "journal",
    "keep_journal",
    "layouts",
    "missing_accounts",
    "settlements_of",
    "totals_of",
]
