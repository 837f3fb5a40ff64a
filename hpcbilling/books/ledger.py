"""Checks of the journal: each entry comes to zero, and what was handed out stays as it was."""

from collections.abc import Iterator
from datetime import date

from django.utils.translation import gettext_lazy as _

from core.intervals import next_month
from core.money import total
from core.site import site_zone
from hpcbilling.books.found import Break, Check, rows
from insights.journal import entries_of, intact
from insights.models import JournalExport

_MONTHS = """
    SELECT min(day), max(day) FROM (
        SELECT month AS day FROM accounts_period
        UNION ALL SELECT (issued_at AT TIME ZONE %s)::date FROM receipts_receipt
        UNION ALL SELECT (settled_at AT TIME ZONE %s)::date FROM payments_payment
    ) days
"""


def _balanced() -> Iterator[Break]:
    for month in _months():
        for entry in entries_of(month):
            if not entry.is_balanced:
                left = total(posting.amount for posting in entry.postings)
                about = f"entry {entry.key} {entry.document}".strip()
                yield Break(about, f"sum in {entry.currency}", str(left), "0")


def _months() -> Iterator[date]:
    zone = site_zone().key
    ((first, last),) = rows(_MONTHS, [zone, zone])
    if not isinstance(first, date) or not isinstance(last, date):
        return
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = next_month(month)


def _kept() -> Iterator[Break]:
    for kept in JournalExport.objects.order_by("pk").iterator(50):
        if not intact(kept):
            yield Break(f"journal {kept}".strip(), "sha256", kept.sha256, "that of its content")


CHECKS = (
    Check("journal", _("Each entry of the journal comes to zero"), _balanced),
    Check("journals_kept", _("Exported journals are as they were handed out"), _kept),
)
