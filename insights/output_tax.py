"""The month's output tax: each document with its tax point in it, as Thai sellers report it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.utils.timezone import localtime

from core.intervals import Interval
from core.intervals import month as month_of
from core.site import site_zone
from payments.models import OfficialKind, OfficialReceipt
from receipts.models import Receipt, TaxCategory
from receipts.selectors import ISSUED

TAX_INVOICES = ("tax_invoice", "receipt_tax_invoice")
"""Titles of documents that are tax invoices, by which the tax is due when they are issued."""


@dataclass(frozen=True, slots=True)
class Supply:
    """A document of the report; of a credit note and of the cancellation of an official receipt
    the amounts are below zero."""

    day: date
    number: str
    buyer: str
    tax_id: str
    branch: str
    category: str
    rate: Decimal
    net: Decimal
    tax: Decimal
    currency: str
    corrects: str = ""
    replaces: str = ""
    is_cancelled: bool = False

    @property
    def category_text(self) -> str:
        """What kind of tax it carries, in the current language."""
        return str(TaxCategory(self.category).label)


@dataclass(frozen=True, slots=True)
class Sum:
    """What the documents of a category and currency come to."""

    category: str
    currency: str
    documents: int
    net: Decimal
    tax: Decimal

    @property
    def category_text(self) -> str:
        return str(TaxCategory(self.category).label)


def supplies(month: date) -> list[Supply]:
    """Return the documents with their tax point in a month, by day and number.

    Tax invoices count on the day of their issue, and so do the credit notes over them; official
    receipts that are tax invoices on the day on which they were given, and below zero on the day on
    which they were cancelled. A receipt says at its issue which of the two its tax is declared by.
    What a closed month says never changes: the database takes nothing into it.
    """
    span = month_of(month, site_zone())
    return sorted([*_at_issue(span), *_at_payment(span)], key=lambda row: (row.day, row.number))


def sums_of(rows: Iterable[Supply]) -> list[Sum]:
    """Return what the documents come to by currency and category; those taxed first, exempt and
    zero apart."""
    found: dict[tuple[str, int], list[Supply]] = {}
    order = list(TaxCategory.values)
    for row in rows:
        found.setdefault((row.currency, order.index(row.category)), []).append(row)
    return [
        Sum(
            order[place],
            currency,
            len(group),
            sum((row.net for row in group), Decimal(0)),
            sum((row.tax for row in group), Decimal(0)),
        )
        for (currency, place), group in sorted(found.items())
    ]


def _at_issue(span: Interval) -> Iterator[Supply]:
    issued = Receipt.objects.filter(
        status__in=ISSUED, issued_at__gte=span.start, issued_at__lt=span.end
    ).exclude(kind=Receipt.Kind.OPENING)
    for receipt in issued.select_related("corrects").order_by("issued_at", "pk").iterator(2000):
        original = receipt.corrects or receipt
        if original.particulars.get("title") not in TAX_INVOICES:
            continue
        buyer = receipt.parties["buyer"]
        yield Supply(
            day=_day(receipt.issued_at),
            number=receipt.number or "",
            buyer=buyer["name"],
            tax_id=buyer["tax_id"],
            branch=buyer.get("branch", ""),
            category=receipt.tax_category,
            rate=receipt.tax_rate,
            net=receipt.net_amount,
            tax=receipt.tax_amount,
            currency=receipt.currency,
            corrects=(receipt.corrects.number or "") if receipt.corrects else "",
        )


def _at_payment(span: Interval) -> Iterator[Supply]:
    taxed = OfficialReceipt.objects.filter(kind=OfficialKind.RECEIPT_TAX_INVOICE)
    taxed = taxed.select_related("receipt").order_by("pk")
    given = taxed.filter(issued_at__gte=span.start, issued_at__lt=span.end)
    for official in given.iterator(2000):
        yield _official(official, official.issued_at, 1)
    cancelled = taxed.filter(
        cancellation__cancelled_at__gte=span.start, cancellation__cancelled_at__lt=span.end
    )
    for official in cancelled.select_related("cancellation").iterator(2000):
        yield _official(official, official.cancellation.cancelled_at, -1)


def _official(official: OfficialReceipt, at: datetime, sign: int) -> Supply:
    buyer = official.content["parties"]["buyer"]
    return Supply(
        day=_day(at),
        number=official.number,
        buyer=buyer["name"],
        tax_id=buyer["tax_id"],
        branch=buyer.get("branch", ""),
        category=official.content["tax"]["category"],
        rate=Decimal(official.content["tax"]["rate"]),
        net=sign * official.net_amount,
        tax=sign * official.tax_amount,
        currency=official.currency,
        replaces=official.content["replaces"] if sign > 0 else "",
        is_cancelled=sign < 0,
    )


def _day(moment: datetime | None) -> date:
    if moment is None:
        raise ValueError("an issued document has a time: the database keeps that")
    return localtime(moment, site_zone()).date()
