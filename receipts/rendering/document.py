"""Everything that a document says, as values (pure). What is not here is not printed.

Amounts are Decimals in the document's currency with the signs that they have in the books: those of
a credit note are negative here, and turned only where a form of the document wants them positive.
Quantities are in the unit that people read (hours, pieces), to six decimals.
"""

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

HEAD_OFFICE = "00000"
"""The branch number that the Thai Revenue Department gives to a head office."""


class Kind(StrEnum):
    """What the document is to a tax office."""

    INVOICE = "invoice"
    TAX_INVOICE = "tax_invoice"
    RECEIPT_TAX_INVOICE = "receipt_tax_invoice"
    RECEIPT = "receipt"
    CREDIT_NOTE = "credit_note"


class TaxCategory(StrEnum):
    """Why the tax is what it is."""

    STANDARD = "standard"
    ZERO = "zero"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"


class Language(StrEnum):
    """The languages that a document is printed in; ``BOTH`` has Thai first and English beside."""

    ENGLISH = "en"
    THAI = "th"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Text:
    """One text in both languages."""

    en: str
    th: str

    @classmethod
    def same(cls, text: str) -> "Text":
        """Return a text that is written alike in both, such as a name."""
        return cls(text, text)


@dataclass(frozen=True, slots=True)
class Party:
    """Who issues the document, or whom it is addressed to, as they were at issue.

    ``branch`` is five digits, ``HEAD_OFFICE`` for a head office, or empty where nobody has said.
    ``country`` is an ISO 3166 code of two letters.
    """

    name: str
    address: str = ""
    tax_id: str = ""
    branch: str = ""
    country: str = "TH"
    contact: str = ""
    email: str = ""
    phone: str = ""
    project: str = ""
    department: str = ""
    po_number: str = ""
    cost_centre: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """The document that a credit note corrects, and why; ``net_before`` is what its net comes to
    with the notes that were issued before this one."""

    number: str
    issued_on: date
    reason: str
    original_net: Decimal
    net_before: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """One line. ``quantity`` and ``unit_price`` are None where the amount is not for a quantity
    (minimums, caps, adjustments); only the price is where a month's counter made the amount."""

    position: int
    project: str
    resource: str
    text: Text
    amount: Decimal
    quantity: Decimal | None = None
    unit: Text | None = None
    unit_price: Decimal | None = None
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax of the whole document: one category and one rate (percent).

    ``inclusive``: the amounts of lines contain the tax. ``reason`` is the ground of an exemption or
    zero rate, ``certificate`` the paper that proves it.
    """

    category: TaxCategory = TaxCategory.STANDARD
    rate: Decimal = Decimal(0)
    inclusive: bool = False
    reason: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One resource of one job in the annex."""

    line: int
    cluster: str
    job: str
    user: str
    ended: str
    resource: Text
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Payment:
    """How to pay. ``promptpay`` is the text of the QR code, or empty."""

    bank_details: str = ""
    promptpay: str = ""
    promptpay_id: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was issued.

    ``content`` is the canonical JSON of what the document says, as stored at issue; its digest is
    what is printed, and the text itself is what the PDF carries. Invariant: ``net`` and ``tax`` add
    up to ``total``; lines add up to ``net``, or to ``total`` where the tax is in them.
    """

    kind: Kind
    number: str
    issued_on: date
    first_day: date
    last_day: date
    seller: Party
    buyer: Party
    currency: str
    decimals: int
    lines: tuple[Line, ...]
    tax: Tax
    net: Decimal
    tax_amount: Decimal
    total: Decimal
    content: str
    verify_url: str
    due_on: date | None = None
    corrects: Correction | None = None
    price_lists: tuple[str, ...] = ()
    payment: Payment = Payment()
    jobs: tuple[JobRow, ...] = ()
    more_jobs: int = 0
    remarks: tuple[Text, ...] = ()

    @property
    def sha256(self) -> str:
        """Return the digest (hex) of what the document says."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def is_credit(self) -> bool:
        """Whether it takes back from another document."""
        return self.kind is Kind.CREDIT_NOTE

    @property
    def bills(self) -> bool:
        """Whether it is about what was used; an official receipt is about a payment."""
        return any(line.resource for line in self.lines)
