"""Entries of the journal from what happened: nothing of it is stored a second time.

Charges are booked by their period, everything else on the day on which it was recorded. Both only
ever add to open months, so past months stay as they are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, Q, QuerySet, Sum, Value, When
from django.utils.timezone import localtime

from accounts.periods import period_of
from core.intervals import Interval, next_month
from core.money import round_money
from core.site import site_zone
from insights.journal.entries import Entry, Posting, entry
from insights.models import LedgerRole as R
from payments.models import Allocation, Payment, Refund, Withholding
from pricing.models import Charge
from receipts.models import Line, Receipt, WriteOff
from receipts.selectors import ISSUED

TAX = "tax"
"""The detail of what is taken out of revenue where prices include the tax."""


def entries_of(month: date) -> Iterator[Entry]:
    """Yield the entries of a month (its first day), by kind and then in the order in which they
    were recorded."""
    yield from _charges(month)
    yield from settlements_of(month)


def settlements_of(month: date) -> Iterator[Entry]:
    """Yield the entries of a month but for its charges: all that moves receivables and balances."""
    period = period_of(month)
    span = Interval(period.starts_at, period.ends_at)
    for make in _KINDS:
        yield from make(span)


def _charges(month: date) -> Iterator[Entry]:
    """What was earned: one entry a project, resource and currency, on the month's last day.

    It is rounded to the currency, while documents are rounded line by line: what is left of that
    stays on the account of what is not billed yet.
    """
    # What a person charged is called by its number; all of it is one thing to a ledger.
    resource = Case(When(kind="manual", then=Value("manual")), default=F("resource"))
    rows = Charge.objects.filter(period=month).order_by().annotate(sold=resource)
    keys = ("project_id", "sold", "currency")
    day = next_month(month) - timedelta(days=1)
    sums = rows.values_list(*keys).annotate(sum=Sum("amount")).order_by(*keys)
    for project, sold, currency, charged in sums:
        amount = round_money(charged, currency)
        if amount:
            # A project's code may change, its key never does.
            key = f"{month:%Y-%m}-{project}-{sold}-{currency}"
            yield entry(
                ("charge", key),
                day,
                currency,
                "",
                (
                    Posting(R.UNBILLED, amount, project),
                    Posting(R.REVENUE, -amount, project, sold),
                ),
            )


def _documents(span: Interval) -> Iterator[Entry]:
    """What was issued: receipts ask for it, credit notes give it back."""
    issued = _within(Receipt.objects.filter(status__in=ISSUED), "issued_at", span)
    issued = issued.exclude(kind=Receipt.Kind.OPENING)
    lines: dict[int, dict[int, Decimal]] = defaultdict(dict)
    keys = ("receipt_id", "project_id")
    found = Line.objects.filter(receipt__in=issued.order_by()).order_by().values_list(*keys)
    for receipt_id, project_id, amount in found.annotate(sum=Sum("amount")):
        lines[receipt_id][project_id] = amount
    for receipt in issued.order_by("issued_at", "pk"):
        note = receipt.kind == Receipt.Kind.CREDIT_NOTE
        yield entry(
            ("credit_note" if note else "issue", receipt.pk),
            _day(receipt.issued_at),
            receipt.currency,
            receipt.number or "",
            issued_postings(receipt, lines[receipt.pk]),
        )


def issued_postings(receipt: Receipt, lines: Mapping[int, Decimal]) -> Iterator[Posting]:
    """Yield what a document asks for, and what that was booked as when it was earned: its lines by
    project, and tax. Where prices include the tax, that was booked as revenue with them."""
    payer, tax = receipt.project_id, receipt.tax_amount
    yield Posting(R.RECEIVABLE, receipt.total, payer)
    for project in sorted(lines):
        yield Posting(R.UNBILLED, -lines[project], project)
    if receipt.tax_inclusive:
        yield Posting(R.REVENUE, tax, payer, TAX)
    yield Posting(R.OUTPUT_TAX, -tax, payer)


def _openings(span: Interval) -> Iterator[Entry]:
    """What was asked for elsewhere and is to be paid here, on the day on which it was brought: its
    revenue and tax are in the books of before."""
    brought = Receipt.objects.filter(kind=Receipt.Kind.OPENING, status__in=ISSUED)
    for receipt in _within(brought, "created_at", span).order_by("created_at", "pk"):
        yield entry(
            ("opening", receipt.pk),
            _day(receipt.created_at),
            receipt.currency,
            receipt.number or "",
            (
                Posting(R.RECEIVABLE, receipt.total, receipt.project_id),
                Posting(R.OPENING, -receipt.total, receipt.project_id),
            ),
        )


def _payments(span: Interval) -> Iterator[Entry]:
    """What came in: it is the project's balance until it is allocated."""
    paid = Payment.objects.filter(status=Payment.Status.SUCCEEDED).select_related("receipt")
    for payment in _within(paid, "settled_at", span).order_by("settled_at", "pk"):
        project = payment.receipt.project_id
        yield entry(
            ("payment", payment.pk),
            _day(payment.settled_at),
            payment.currency,
            payment.receipt.number or "",
            (
                Posting(R.BANK, payment.amount, project, payment.provider),
                Posting(R.BALANCE, -payment.amount, project),
            ),
        )


def _allocations(span: Interval) -> Iterator[Entry]:
    """What settles a receipt, or less than zero, what is given back to the balance."""
    made = Allocation.objects.select_related("receipt", "payment__receipt")
    for row in _within(made, "created_at", span).order_by("created_at", "pk"):
        yield entry(
            ("allocation", row.pk),
            _day(row.created_at),
            row.receipt.currency,
            row.receipt.number or "",
            (
                Posting(R.BALANCE, row.amount, row.payment.receipt.project_id),
                Posting(R.RECEIVABLE, -row.amount, row.receipt.project_id),
            ),
        )


def _withheld(span: Interval) -> Iterator[Entry]:
    """Tax that buyers kept back: the tax office owes it now; less than zero where it was taken
    back."""
    made = Withholding.objects.select_related("receipt")
    for row in _within(made, "recorded_at", span).order_by("recorded_at", "pk"):
        project = row.receipt.project_id
        yield entry(
            ("withholding", row.pk),
            _day(row.recorded_at),
            row.receipt.currency,
            row.receipt.number or "",
            (
                Posting(R.WITHHELD, row.amount, project),
                Posting(R.RECEIVABLE, -row.amount, project),
            ),
        )


def _refunds(span: Interval) -> Iterator[Entry]:
    """What was paid out to payers again, or taken back by the bank from the account it came to."""
    paid = Refund.objects.filter(status=Refund.Status.PAID_OUT)
    for row in (
        _within(paid, "done_at", span).select_related("payment__receipt").order_by("done_at", "pk")
    ):
        project = row.payment.receipt.project_id
        yield entry(
            ("bounce" if row.bounced else "refund", row.pk),
            _day(row.done_at),
            row.payment.currency,
            row.payment.receipt.number or "",
            (
                Posting(R.BALANCE, row.amount, project),
                Posting(
                    R.BANK if row.bounced else R.REFUND, -row.amount, project, row.payment.provider
                ),
            ),
        )


def _write_offs(span: Interval) -> Iterator[Entry]:
    """What won't be paid."""
    given_up = WriteOff.objects.filter(status=WriteOff.Status.APPROVED).select_related("receipt")
    for row in _within(given_up, "approved_at", span).order_by("approved_at", "pk"):
        project = row.receipt.project_id
        yield entry(
            ("write_off", row.pk),
            _day(row.approved_at),
            row.receipt.currency,
            row.receipt.number or "",
            (
                Posting(R.WRITE_OFF, row.amount, project),
                Posting(R.RECEIVABLE, -row.amount, project),
            ),
        )


_KINDS: Iterable[Callable[[Interval], Iterator[Entry]]] = (
    _openings,
    _documents,
    _payments,
    _allocations,
    _withheld,
    _refunds,
    _write_offs,
)


def _within(rows: QuerySet[Any], stamp: str, span: Interval) -> QuerySet[Any]:
    return rows.filter(Q(**{f"{stamp}__gte": span.start, f"{stamp}__lt": span.end}))


def _day(moment: datetime | None) -> date:
    if moment is None:
        raise ValueError("what is booked has a time: the database keeps that")
    return localtime(moment, site_zone()).date()
