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
    """A receipt computed anew. ``digest`` is that of what it says now; drafts have none.

    ``before`` is what the lines of earlier notes over the same receipt come to: the tax of a note
    is the tax on all of them with it, less the tax on those before, each rounded.
    """

    receipt: Receipt
    lines: tuple[LineStep, ...]
    net: Decimal
    tax: Decimal
    total: Decimal
    digest: str
    before: Decimal = Decimal(0)

    @property
    def net_expression(self) -> str:
        lines = sum_text([plain_money(step.amount) for step in self.lines]) or "0"
        return f"{lines} - {plain(self.tax)}" if self.receipt.tax_inclusive else lines

    @property
    def tax_expression(self) -> str:
        lines = self.total if self.receipt.tax_inclusive else self.net
        if not self.before:
            return self._tax_on(lines)
        after = self._tax_on(self.before + lines)
        return f"({after}) - ({self._tax_on(self.before)})"

    def _tax_on(self, amount: Decimal) -> str:
        rate = plain(self.receipt.tax_rate)
        base = f"(100 + {rate})" if self.receipt.tax_inclusive else "100"
        return f"{plain(amount)} * {rate} / {base}"

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
    before = credited_before(receipt)
    amounts = (step.amount for step in lines)
    totals = totals_of(amounts, taxation_of(receipt), receipt.currency, before=before)
    digest = hash_of(receipt) if receipt.number else ""
    return ReceiptExplanation(receipt, lines, totals.net, totals.tax, totals.total, digest, before)


def _lines(receipt: Receipt) -> Iterator[LineStep]:
    for line in receipt.lines.select_related("corrects__receipt").order_by("position"):
        if receipt.kind == Receipt.Kind.OPENING:
            # It was issued elsewhere: there is nothing here to compute it from.
            yield LineStep(line, 0, line.quantity, line.charged, line.amount)
            continue
        sums = charges_of_line(line).aggregate(
            charges=Count("pk"), units=Sum("quantity"), charged=Sum("amount")
        )
        charged = sums["charged"] or Decimal(0)
        amount = credited_amount(line, charged, receipt.currency)
        yield LineStep(line, sums["charges"], sums["units"] or 0, charged, amount)


def charges_of_line(line: Line) -> QuerySet[Charge]:
    """Return the charges of a line in the order in which they were made."""
    return Charge.objects.filter(document_line__line=line).order_by("pk")
