"""Checks of the journal: each entry comes to zero, and what was handed out stays as it was."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from core.intervals import next_month
from core.money import total
from core.site import site_zone
from hpcbilling.books.found import Break, Check, rows
from insights.aging import end_of, outstanding
from insights.journal import entries_of, intact, settlements_of
from insights.models import JournalExport, LedgerRole

ZERO = Decimal(0)

_MONTHS = """
    SELECT min(day AT TIME ZONE %s)::date, max(day AT TIME ZONE %s)::date FROM (
        SELECT month::timestamp AT TIME ZONE %s AS day FROM accounts_period
        UNION ALL SELECT CASE kind WHEN 'opening' THEN created_at ELSE issued_at END
                    FROM receipts_receipt WHERE issued_at IS NOT NULL
        UNION ALL SELECT settled_at FROM payments_payment
        UNION ALL SELECT created_at FROM payments_allocation
        UNION ALL SELECT recorded_at FROM payments_withholding
        UNION ALL SELECT done_at FROM payments_refund
        UNION ALL SELECT approved_at FROM receipts_writeoff
    ) days
"""

_LEFT = """
    SELECT currency, sum(amount) FROM (
        SELECT currency, amount FROM payments_payment WHERE settled_at < %s
        UNION ALL
        SELECT p.currency, -a.amount FROM payments_allocation a
          JOIN payments_payment p ON p.id = a.payment_id WHERE a.created_at < %s
        UNION ALL
        SELECT p.currency, -r.amount FROM payments_refund r
          JOIN payments_payment p ON p.id = r.payment_id WHERE r.done_at < %s
    ) parts GROUP BY currency
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
    ((first, last),) = rows(_MONTHS, [zone] * 3)
    if not isinstance(first, date) or not isinstance(last, date):
        return
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = next_month(month)


def _agrees() -> Iterator[Break]:
    """The journal and what is read without it tell the same at the end of each month."""
    booked: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for month in _months():
        for entry in settlements_of(month):
            for posting in entry.postings:
                booked[posting.role, entry.currency] += posting.amount
        last = next_month(month) - timedelta(days=1)
        yield from _unlike(booked, LedgerRole.RECEIVABLE, _owed(last), last)
        yield from _unlike(booked, LedgerRole.BALANCE, _balances(last), last)


def _unlike(
    booked: Mapping[tuple[str, str], Decimal], role: str, found: Mapping[str, Decimal], day: date
) -> Iterator[Break]:
    for currency in sorted({key[1] for key in booked if key[0] == role} | set(found)):
        mine, theirs = booked.get((role, currency), ZERO), found.get(currency, ZERO)
        if mine != theirs:
            yield Break(f"journal on {day}", f"{role} in {currency}", str(mine), str(theirs))


def _owed(day: date) -> dict[str, Decimal]:
    left = outstanding(day).order_by().values_list("currency")
    return dict(left.annotate(sum=Sum("left")))


def _balances(day: date) -> dict[str, Decimal]:
    """What was paid, settles nothing and was not paid out again, below zero as it is owed."""
    return {str(currency): -Decimal(str(left)) for currency, left in rows(_LEFT, [end_of(day)] * 3)}


def _kept() -> Iterator[Break]:
    for kept in JournalExport.objects.order_by("pk").iterator(50):
        if not intact(kept):
            yield Break(f"journal {kept}".strip(), "sha256", kept.sha256, "that of its content")


CHECKS = (
    Check("journal", _("Each entry of the journal comes to zero"), _balanced),
    Check("ledger", _("The journal's receivables and balances are those of aging"), _agrees),
    Check("journals_kept", _("Exported journals are as they were handed out"), _kept),
)
