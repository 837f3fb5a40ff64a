"""The blocks of a printed document: who, what about, what it corrects, how to pay (pure)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from receipts.rendering import figures
from receipts.rendering.document import Document, Kind, Language, Party, Text
from receipts.rendering.labels import LABELS, SENTENCES, branch_label, said

Pair = dict[str, str]
"""A text and, in a document of both languages, the same in English to be set smaller."""


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of a document in its language."""

    language: Language

    @property
    def nothing(self) -> Pair:
        """Return the pair that prints nothing."""
        return {"main": "", "sub": ""}

    def pair(self, text: Text) -> Pair:
        """Return a text, and the English one apart where the document has both."""
        if self.language is Language.ENGLISH:
            return {"main": text.en, "sub": ""}
        second = text.en if self.language is Language.BOTH and text.en != text.th else ""
        return {"main": text.th, "sub": second}

    def label(self, key: str) -> Pair:
        """Return a label."""
        return self.pair(LABELS[key])

    def one(self, text: Text) -> str:
        """Return a text on one line."""
        return said(text, self.language)

    def one_label(self, key: str) -> str:
        """Return a label on one line."""
        return self.one(LABELS[key])

    def sentences(self, *keys: str) -> list[str]:
        """Return sentences, each language in its own paragraph."""
        pairs = [self.pair(SENTENCES[key]) for key in keys]
        mains = " ".join(pair["main"] for pair in pairs)
        subs = " ".join(pair["sub"] for pair in pairs if pair["sub"])
        return [text for text in (mains, subs) if text]

    def day(self, value: date) -> str:
        """Return a day; in a document of both languages as all can read it: ``2026-12-01``."""
        if self.language is Language.BOTH:
            return value.isoformat()
        return self.one(figures.day(value))

    def days(self, first: date, last: date) -> str:
        """Return a span of days."""
        if self.language is Language.BOTH and first != last:
            return f"{first} – {last}"
        return self.day(last) if first == last else self.one(figures.days(first, last))

    def filled(self, key: str, **values: str) -> str:
        """Return a sentence with values in it, on one line."""
        text = SENTENCES[key]
        return self.one(Text(text.en.format(**values), text.th.format(**values)))

    def page(self) -> list[str]:
        """Return what stands around the number of the page and the count of pages."""
        text = LABELS_PAGE_EN if self.language is Language.ENGLISH else LABELS_PAGE_TH
        return list(text)


LABELS_PAGE_EN = ("Page ", " of ")
LABELS_PAGE_TH = ("หน้า ", " จาก ")


def parties(document: Document, words: Words) -> dict[str, Any]:
    """Return the blocks of both parties: headings and lines."""
    buyer = {Kind.CREDIT_NOTE: "credited", Kind.RECEIPT: "received_from"}.get(
        document.kind, "buyer"
    )
    return {
        "seller": _party(document.seller, words),
        "buyer_label": words.label(buyer),
        "buyer_name": document.buyer.name,
        "buyer": _party(document.buyer, words),
    }


def _party(party: Party, words: Words) -> list[str]:
    lines = [line.strip() for line in party.address.splitlines() if line.strip()]
    branch = branch_label(party.branch)
    if party.tax_id:
        shown = f"{words.one_label('tax_id')} {party.tax_id}"
        if branch and words.language is not Language.BOTH:
            shown, branch = f"{shown} ({words.one(branch)})", None
        lines.append(shown)
    if branch:
        lines.append(words.one(branch))
    reached = [part for part in (party.phone, party.email) if part]
    if party.contact:
        reached.insert(0, f"{words.one_label('contact')}: {party.contact}")
    if reached:
        lines.append("  ·  ".join(reached))
    return lines


def facts(document: Document, words: Words) -> list[dict[str, Any]]:
    """Return what the document is about: number, days, references."""
    receipt = document.kind is Kind.RECEIPT
    buyer = document.buyer
    values = (
        ("number", document.number),
        ("paid_on" if receipt else "issued_on", words.day(document.issued_on)),
        ("due_on", words.day(document.due_on) if document.due_on else ""),
        ("period", words.days(document.first_day, document.last_day) if document.bills else ""),
        ("project", buyer.project),
        ("department", buyer.department),
        ("po_number", buyer.po_number),
        ("cost_centre", buyer.cost_centre),
        ("price_lists", ", ".join(document.price_lists)),
    )
    return [{"label": words.label(key), "value": value} for key, value in values if value]


def correction(document: Document, words: Words) -> list[dict[str, Any]]:
    """Return what section 86/10 of the Revenue Code wants on a credit note: the document that it
    corrects, the value there, the right value, the difference, and why."""
    before = document.corrects
    if before is None:
        return []
    difference = -document.net

    def amount(value: Decimal) -> str:
        return figures.amount(value, document.decimals)

    values = (
        ("corrects", f"{before.number} ({words.day(before.issued_on)})"),
        ("reason", before.reason),
        ("original_value", amount(before.original_net)),
        ("right_value", amount(before.net_before - difference)),
        ("difference", amount(difference)),
    )
    return [{"label": words.label(key), "value": value} for key, value in values if value]


def payment(document: Document, words: Words) -> dict[str, Any]:
    """Return how to pay; nothing on documents that ask for no money."""
    if document.kind in {Kind.CREDIT_NOTE, Kind.RECEIPT}:
        return {"lines": []}
    details = [line.strip() for line in document.payment.bank_details.splitlines() if line.strip()]
    if not details and not document.payment.promptpay:
        return {"lines": []}
    if document.payment.promptpay_id:
        details.append(f"{words.one_label('promptpay')} {document.payment.promptpay_id}")
    details.append(f"{words.one_label('reference')} {document.number}")
    return {"label": words.label("pay"), "lines": details}
