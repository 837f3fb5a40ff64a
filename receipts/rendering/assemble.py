"""From an issued receipt or credit note to the Document that is printed.

All that the document said at issue comes from what was stored then (amounts, lines, parties,
particulars); only the names of resources, in both languages, and the jobs of the annex are looked
up.
"""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from core.canonical import canonical_json
from core.errors import Conflict
from core.money import round_half_up
from pricing.labels import resource_name, unit_name
from pricing.models import Charge
from receipts.models import Line, Receipt
from receipts.rendering.document import (
    Correction,
    Document,
    JobRow,
    Kind,
    Party,
    Payment,
    Tax,
    TaxCategory,
    Text,
)
from receipts.rendering.document import Line as DocumentLine
from receipts.rendering.promptpay import CURRENCY, InvalidPromptPay, payload
from receipts.selectors import charges_of
from receipts.services.contents import content_of

ANNEX_JOBS = 500
"""So many rows of jobs are printed; the CSV has them all."""

_FINE = 6
_PARTY = (
    "name", "address", "tax_id", "branch", "contact", "project", "department", "po_number",
    "cost_centre",
)  # fmt: skip


def document_of(receipt: Receipt) -> Document:
    """Return what a receipt's document prints.

    Raises Conflict for a draft, for what was issued elsewhere, and if the stored document is not
    what was issued: then nothing may be printed that says it is.
    """
    content = content_text(receipt)
    particulars = receipt.particulars
    jobs, more = _jobs(receipt)
    return Document(
        kind=_kind(receipt),
        number=str(receipt.number),
        issued_on=timezone.localdate(receipt.issued_at),
        due_on=receipt.due_on,
        first_day=receipt.first_day,
        last_day=receipt.last_day,
        seller=_party(receipt.parties.get("seller", {})),
        buyer=_party(receipt.parties.get("buyer", {})),
        currency=receipt.currency,
        decimals=receipt.decimals,
        lines=tuple(_lines(receipt)),
        tax=_tax(receipt),
        net=receipt.net_amount,
        tax_amount=receipt.tax_amount,
        total=receipt.total,
        content=content,
        verify_url=verify_url(receipt),
        corrects=_correction(receipt),
        price_lists=tuple(_price_list(item) for item in particulars.get("price_lists", ())),
        payment=_payment(receipt),
        jobs=jobs,
        more_jobs=more,
    )


def content_text(receipt: Receipt) -> str:
    """Return the canonical JSON of what a document says. Raises Conflict as ``document_of``."""
    _refuse(receipt)
    content = canonical_json(content_of(receipt))
    if hashlib.sha256(content.encode()).hexdigest() != receipt.sha256:
        raise Conflict(
            "not_as_issued",
            _("What is stored of this document is not what was issued. Tell the auditor."),
        )
    return content


def verify_url(receipt: Receipt) -> str:
    """Return the address at which anyone can check a document."""
    return f"{settings.SITE_BASE_URL}{reverse('verify', args=[receipt.verify_token])}"


def _refuse(receipt: Receipt) -> None:
    if receipt.kind == Receipt.Kind.OPENING:
        raise Conflict("issued_elsewhere", _("This document was issued elsewhere."))
    if receipt.status in Receipt.BEFORE_ISSUE:
        raise Conflict("not_issued", _("There is no document before it is issued."))


def _kind(receipt: Receipt) -> Kind:
    """Return what it was called at issue."""
    if receipt.kind == Receipt.Kind.CREDIT_NOTE:
        return Kind.CREDIT_NOTE
    return Kind(receipt.particulars.get("title", Kind.INVOICE))


def _party(stored: dict[str, str]) -> Party:
    values = {name: stored[name] for name in _PARTY if stored.get(name)}
    return Party(**{"name": "", **values}, country=_country(stored))


def _country(stored: dict[str, str]) -> str:
    """Return the country of a party: the one that its tax id begins with, else Thailand's."""
    prefix = stored.get("tax_id", "")[:2].upper()
    if prefix.isascii() and prefix.isalpha():
        return {"EL": "GR"}.get(prefix, prefix)
    return "TH"


def _tax(receipt: Receipt) -> Tax:
    particulars = receipt.particulars
    return Tax(
        category=TaxCategory(receipt.tax_category),
        rate=receipt.tax_rate,
        inclusive=receipt.tax_inclusive,
        reason=particulars.get("tax_reason", ""),
        certificate=particulars.get("exemption_certificate", ""),
    )


def _payment(receipt: Receipt) -> Payment:
    """Return how to pay, where anything is to be paid."""
    if receipt.total <= 0:
        return Payment()
    particulars = receipt.particulars
    to = particulars.get("promptpay_id", "")
    code = ""
    if to and receipt.currency == CURRENCY:
        try:
            code = payload(to, receipt.total)
        except InvalidPromptPay:  # too much for a code: the bank details do
            to = ""
    return Payment(particulars.get("bank_details", ""), code, to if code else "")


def _correction(receipt: Receipt) -> Correction | None:
    before = receipt.corrects
    if before is None or before.issued_at is None:
        return None
    earlier = before.credit_notes.exclude(status__in=Receipt.BEFORE_ISSUE)
    credited = earlier.filter(pk__lt=receipt.pk).aggregate(sum=Sum("net_amount"))["sum"]
    return Correction(
        number=str(before.number),
        issued_on=timezone.localdate(before.issued_at),
        reason=receipt.reason,
        original_net=before.net_amount,
        net_before=before.net_amount + (credited or Decimal(0)),
    )


def _price_list(stored: dict[str, Any]) -> str:
    """Name a list of prices by tier, first day and revision."""
    day = timezone.localdate(datetime.fromisoformat(stored["effective_at"]))
    revision = f" r{stored['revision']}" if stored.get("revision", 1) > 1 else ""
    return f"{stored.get('tier') or stored['id']} {day}{revision}"


def _lines(receipt: Receipt) -> Iterable[DocumentLine]:
    for line in receipt.lines.select_related("project").order_by("position"):
        counted = line.has_quantity
        yield DocumentLine(
            position=line.position,
            project=line.project.code,
            resource=line.resource,
            text=_text_of(line),
            amount=line.amount,
            quantity=_units(line.quantity, line.unit_size) if counted else None,
            unit=_both(unit_name, line.resource) if counted else None,
            unit_price=line.unit_price,
            jobs=line.jobs,
        )


def _text_of(line: Line) -> Text:
    return Text.same(line.text) if line.text else _both(resource_name, line.resource)


def _both(name: Callable[[str], str], code: str) -> Text:
    texts = []
    for language in ("en", "th"):
        with translation.override(language):
            texts.append(name(code))
    return Text(*texts)


def _units(quantity: int, unit_size: int) -> Decimal:
    return round_half_up(Decimal(quantity) / unit_size, _FINE)


def _jobs(receipt: Receipt) -> tuple[tuple[JobRow, ...], int]:
    """Return the first rows of the annex, and how many there are beyond them."""
    charges = charges_of(receipt).exclude(job=None)
    rows = charges.select_related("job__cluster", "document_line__line")[: ANNEX_JOBS + 1]
    found = list(rows)
    more = charges.count() - ANNEX_JOBS if len(found) > ANNEX_JOBS else 0
    names: dict[str, Text] = {}
    return tuple(_job(charge, names) for charge in found[:ANNEX_JOBS]), more


def _job(charge: Charge, names: dict[str, Text]) -> JobRow:
    job = charge.job
    if job is None:
        raise LookupError(charge.pk)
    if charge.resource not in names:
        names[charge.resource] = _both(resource_name, charge.resource)
    return JobRow(
        line=charge.document_line.line.position,
        cluster=job.cluster.name,
        job=job.display_id,
        user=job.user_name,
        ended=timezone.localtime(charge.job_end).strftime("%Y-%m-%d %H:%M"),
        resource=names[charge.resource],
        quantity=_units(charge.quantity, charge.unit_size),
        amount=charge.amount,
    )
