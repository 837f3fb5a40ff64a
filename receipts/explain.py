"""Why a receipt is what it is: charges to lines, lines to totals, and the digest over it all.

Everything is computed anew from what is stored, and said whether it comes out the same. A line may
have a million charges, so they are added up by the database, and shown a few at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, QuerySet, Sum

from pricing.models import Charge
from pricing.walk import plain, sum_text
from receipts.arithmetic import totals_of
from receipts.models import Line, Receipt
from receipts.selectors import credited_amount, credited_before
from receipts.services import hash_of
from receipts.taxing import taxation_of


@dataclass(frozen=True, slots=True)
class LineStep:
    """A line and what its charges come to: their number, base units and sum at six decimals."""

    line: Line
    charges: int
    quantity: int
    charged: Decimal
    amount: Decimal

    @property
    def agrees(self) -> bool:
        """Whether the line says what its charges come to."""
        stored = self.line
        return (stored.quantity, stored.charged, stored.amount) == (
            self.quantity,
            self.charged,
            self.amount,
        )


@dataclass(frozen=True, slots=True)
class ReceiptExplanation:
    """A receipt computed anew. ``digest`` is that of what it says now; drafts have none."""

    receipt: Receipt
    lines: tuple[LineStep, ...]
    net: Decimal
    tax: Decimal
    total: Decimal
    digest: str

    @property
    def net_expression(self) -> str:
        return sum_text([plain_money(step.amount) for step in self.lines]) or "0"

    @property
    def tax_expression(self) -> str:
        return f"{plain(self.net)} * {plain(self.receipt.tax_rate)} / 100"

    @property
    def total_expression(self) -> str:
        return f"{plain(self.net)} + {plain(self.tax)}"

    @property
    def agrees(self) -> bool:
        """Whether the document says what its charges come to, and its digest is that of it."""
        stored = self.receipt
        same = (stored.net_amount, stored.tax_amount, stored.total) == (
            self.net,
            self.tax,
            self.total,
        )
        whole = not stored.number or stored.sha256 == self.digest
        return same and whole and all(step.agrees for step in self.lines)


def plain_money(amount: Decimal) -> Decimal:
    """Return an amount without the zeros that its column adds."""
    return Decimal(plain(amount))


def explain_receipt(receipt: Receipt) -> ReceiptExplanation:
    """Compute a receipt anew from its charges. Reads, and writes nothing."""
    lines = tuple(_lines(receipt))
    totals = totals_of(
        (step.amount for step in lines),
        taxation_of(receipt),
        receipt.currency,
        before=credited_before(receipt),
    )
    digest = hash_of(receipt) if receipt.number else ""
    return ReceiptExplanation(receipt, lines, totals.net, totals.tax, totals.total, digest)


def _lines(receipt: Receipt) -> Iterator[LineStep]:
    for line in receipt.lines.order_by("position"):
        sums = charges_of_line(line).aggregate(
            charges=Count("pk"), units=Sum("quantity"), charged=Sum("amount")
        )
        charged = sums["charged"] or Decimal(0)
        amount = credited_amount(line, charged, receipt.currency)
        yield LineStep(line, sums["charges"], sums["units"] or 0, charged, amount)


def charges_of_line(line: Line) -> QuerySet[Charge]:
    """Return the charges of a line in the order in which they were made."""
    return Charge.objects.filter(document_line__line=line).order_by("pk")
