"""A document as PDF/A-3, with the machine-readable receipt and the e-invoice inside (pure).

Same document, language, mark and renderer: same bytes. What renders is named by ``RENDERER``, which
changes with anything that could change a byte: this package, the fonts, and the libraries.
"""

import hashlib
from datetime import UTC, datetime, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import segno

from core import pdf
from receipts.rendering import figures
from receipts.rendering.blocks import Words, correction, facts, parties, payment
from receipts.rendering.document import Document, JobRow, Kind, Language, Line, TaxCategory
from receipts.rendering.einvoice import FILE_NAME, NoEInvoice, einvoice
from receipts.rendering.labels import COPY, ORIGINAL, TITLES, tax_label
from receipts.rendering.words import english_amount, thai_amount
from receipts.rendering.xmp import mark_facturx

TEMPLATE = Path(__file__).parent / "document.typ"
CONTENT_NAME = "receipt.json"
_LIBRARIES = ("typst", "segno", "babel")


def _renderer() -> str:
    digest = hashlib.sha256()
    own = Path(__file__).parent
    for path in sorted([*own.glob("*.py"), *own.glob("*.typ"), *own.parents[1].glob("core/pdf*.py"),
                        *pdf.FONTS.glob("*.ttf")]):  # fmt: skip
        digest.update(path.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return f"typst-{version('typst')}-{digest.hexdigest()[:12]}"


RENDERER = _renderer()


def pdf_of(document: Document, language: Language, *, copy: bool = False) -> bytes:
    """Return the document as PDF/A-3; ``copy``: marked as one, else as the original.

    It carries the canonical JSON, whose digest is printed, and the e-invoice where the document can
    be one.
    """
    files = [
        pdf.Attachment(
            CONTENT_NAME,
            document.content,
            "application/json",
            "source",
            "The receipt as it was issued; its SHA-256 is printed on the document",
        )
    ]
    xml = einvoice_or_none(document)
    if xml is not None:
        said = "The e-invoice (Factur-X, EN 16931)"
        files.append(pdf.Attachment(FILE_NAME, xml.decode(), "text/xml", "alternative", said))
    made_at = datetime.combine(document.issued_on, time(), UTC)
    data = _data(document, Words(language), copy=copy)
    return pdf.render(
        TEMPLATE,
        data,
        made_at=made_at,
        standard=pdf.ARCHIVAL,
        files=files,
        finish=None if xml is None else mark_facturx,
    )


def einvoice_or_none(document: Document) -> bytes | None:
    """Return the e-invoice of a document, or None where the standard has no words for it."""
    try:
        return einvoice(document)
    except NoEInvoice:
        return None


def _data(document: Document, words: Words, *, copy: bool) -> dict[str, Any]:
    """Return all that the template prints, as text."""
    title = TITLES[document.kind]
    return {
        "lang": "en" if words.language is Language.ENGLISH else "th",
        "title": words.pair(title),
        "name": f"{words.one(title)} {document.number}",
        "seller_name": document.seller.name,
        "mark": words.pair(COPY if copy else ORIGINAL),
        "parties": parties(document, words),
        "facts": facts(document, words),
        "correction": correction(document, words),
        "head": [
            words.label(key)
            for key in ("position", "item", "quantity", "unit", "unit_price", "amount")
        ],
        "lines": _lines(document, words),
        "totals": _totals(document, words),
        "words": _in_words(document, words),
        "notes": _notes(document, words),
        "payment": payment(document, words),
        "promptpay": _code(document.payment.promptpay),
        "promptpay_alt": document.payment.promptpay,
        "scan_to_pay": words.label("scan_to_pay"),
        "verify_code": _code(document.verify_url),
        "verify_url": document.verify_url,
        "verify": words.label("verify"),
        "verify_text": words.sentences("verify", "embedded"),
        "sha256": document.sha256,
        "signed": words.label("signed"),
        "signed_on": words.label("signed_on"),
        "small_print": words.sentences("rounding"),
        "page": words.page(),
        "annex": _annex(document, words),
    }


def _signed(document: Document, amount: Decimal) -> str:
    """Write an amount as it is printed: a credit note's are positive, as its title says."""
    return figures.amount(-amount if document.is_credit else amount, document.decimals)


def _lines(document: Document, words: Words) -> list[dict[str, Any]]:
    """Return the lines; unless all are of the addressee, with a heading before each project's."""
    rows: list[dict[str, Any]] = []
    several = {line.project for line in document.lines} != {document.buyer.project}
    before = None
    for line in document.lines:
        if several and line.project != before:
            rows.append({"heading": f"{words.one_label('project')} {line.project}"})
        before = line.project
        rows.append({"heading": "", "cells": _cells(document, line, words)})
    return rows


def _cells(document: Document, line: Line, words: Words) -> list[Any]:
    turned = -1 if document.is_credit else 1
    jobs = "jobs_one" if line.jobs == 1 else "jobs"
    below = words.filled(jobs, count=figures.number(line.jobs)) if line.jobs else ""
    return [
        str(line.position),
        {**words.pair(line.text), "below": below},
        "" if line.quantity is None else figures.quantity(turned * line.quantity),
        words.pair(line.unit) if line.unit else words.nothing,
        "" if line.unit_price is None else figures.price(line.unit_price),
        _signed(document, line.amount),
    ]


def _totals(document: Document, words: Words) -> list[dict[str, Any]]:
    tax = document.tax
    rows = []
    if tax.rate or tax.category is not TaxCategory.STANDARD:
        label = tax_label(tax.category, figures.number(tax.rate), included=tax.inclusive)
        rows = [
            {"label": words.label("net"), "amount": _signed(document, document.net)},
            {"label": words.pair(label), "amount": _signed(document, document.tax_amount)},
        ]
    total = words.label("total_credit" if document.is_credit else "total")
    amount = f"{_signed(document, document.total)} {document.currency}"
    return [*rows, {"label": total, "amount": amount}]


def _in_words(document: Document, words: Words) -> list[str]:
    total = -document.total if document.is_credit else document.total
    said = (total, document.currency, document.decimals)
    thai, english = thai_amount(*said), english_amount(*said)
    return {
        Language.ENGLISH: [english],
        Language.THAI: [thai],
        Language.BOTH: [thai, english],
    }[words.language]


def _notes(document: Document, words: Words) -> list[str]:
    tax = document.tax
    notes = []
    if tax.category is TaxCategory.REVERSE_CHARGE:
        notes += words.sentences("reverse_charge")
    if tax.inclusive and tax.rate:
        notes += words.sentences("inclusive")
    notes += [tax.reason] if tax.reason else []
    if tax.certificate:
        notes.append(words.filled("certificate", certificate=tax.certificate))
    return notes + [words.one(remark) for remark in document.remarks]


def _code(text: str) -> str:
    """Return a QR code as SVG; nothing for no text."""
    if not text:
        return ""
    code = segno.make_qr(text, error="m")
    return code.svg_inline(border=4, omitsize=True, light="#fff")


def _annex(document: Document, words: Words) -> dict[str, Any]:
    if not document.jobs or document.kind is Kind.RECEIPT:
        return {"rows": []}
    more = words.filled("more_jobs", count=figures.number(document.more_jobs))
    return {
        "title": words.label("annex"),
        "head": [
            words.label(key)
            for key in ("line", "job", "user", "ended", "resource", "quantity", "amount")
        ],
        "rows": [_job(job, document, words) for job in document.jobs],
        "more": more if document.more_jobs else "",
    }


def _job(job: JobRow, document: Document, words: Words) -> list[str]:
    turned = -1 if document.is_credit else 1
    return [
        str(job.line),
        f"{job.cluster} {job.job}".strip(),
        job.user,
        job.ended,
        words.one(job.resource),
        figures.quantity(turned * job.quantity),
        figures.exact(turned * job.amount),
    ]
