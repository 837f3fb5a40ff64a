"""Official receipts as files: what was stored when they were given, printed."""

import hashlib
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext, gettext_noop

from core.canonical import canonical_json
from core.errors import Conflict
from payments.models import OfficialKind, OfficialReceipt
from payments.models.undone import CREDITED_BY
from payments.services.official import content_of, hash_of
from receipts.rendering import figures
from receipts.rendering.document import (
    Document,
    Kind,
    Line,
    Party,
    Tax,
    TaxCategory,
    Text,
)
from receipts.verification import Verified

_PARTY = (
    "name", "address", "tax_id", "branch", "contact", "project", "department", "po_number",
    "cost_centre",
)  # fmt: skip


def document_of(official: OfficialReceipt) -> Document:
    """Return what an official receipt prints.

    Raises Conflict if what is stored is not what was given: then nothing may be printed.
    """
    content = canonical_json(content_of(official))
    if hashlib.sha256(content.encode()).hexdigest() != official.sha256:
        raise Conflict(
            "not_as_issued",
            gettext("What is stored of this document is not what was issued. Tell the auditor."),
        )
    details: dict[str, Any] = official.content
    tax = details["tax"]
    receipt = official.kind == OfficialKind.RECEIPT
    gross = official.net_amount + official.tax_amount
    return Document(
        kind=Kind.RECEIPT if receipt else Kind.RECEIPT_TAX_INVOICE,
        number=official.number,
        issued_on=official.paid_on if receipt else timezone.localdate(official.issued_at),
        first_day=official.paid_on,
        last_day=official.paid_on,
        seller=_party(details["parties"]["seller"]),
        buyer=_party(details["parties"]["buyer"]),
        currency=official.currency,
        decimals=details["decimals"],
        lines=(
            Line(
                position=1,
                project=details["parties"]["buyer"].get("project", ""),
                resource="",
                text=_both(
                    gettext_noop("Payment of invoice %(number)s"),
                    number=details["receipt"]["number"],
                ),
                amount=gross if tax["inclusive"] else official.net_amount,
            ),
        ),
        tax=Tax(
            category=TaxCategory(tax["category"]),
            rate=Decimal(tax["rate"]),
            inclusive=tax["inclusive"],
            reason=tax["reason"],
            certificate=tax["certificate"],
        ),
        net=official.net_amount,
        tax_amount=official.tax_amount,
        total=gross,
        content=content,
        verify_url=f"{settings.SITE_BASE_URL}{reverse('verify', args=[official.verify_token])}",
        remarks=tuple(_remarks(official)),
    )


def _remarks(official: OfficialReceipt) -> list[Text]:
    details = official.content
    said = []
    if official.kind != OfficialKind.RECEIPT:
        said.append(_both(gettext_noop("Paid on %(day)s."), day=figures.day(official.paid_on)))
    if official.withheld:
        said.append(
            _both(
                gettext_noop(
                    "Of this, %(amount)s %(currency)s is tax that the payer withheld: certificate "
                    "%(certificate)s."
                ),
                amount=figures.amount(official.withheld, details["decimals"]),
                currency=official.currency,
                certificate=details["withholding_certificate"],
            )
        )
    if details["replaces"]:
        said.append(
            _both(
                gettext_noop("It replaces %(number)s of %(day)s, which is cancelled: %(reason)s."),
                number=details["replaces"],
                day=figures.day(date.fromisoformat(details["replaces_of"])),
                reason=_why_replaced(details),
            )
        )
    return said


def _why_replaced(details: dict[str, Any]) -> str | Text:
    """What a person wrote stays as it is; a credit note is told in both languages."""
    note: str = details["replaces_credited_by"]
    reason: str = details["replaces_because"]
    return _both(CREDITED_BY, number=note) if note else reason


def _both(text: str, **values: str | Text) -> Text:
    """Say a text in both languages."""
    made = {}
    for language in ("en", "th"):
        shown = {
            name: getattr(value, language) if isinstance(value, Text) else value
            for name, value in values.items()
        }
        with translation.override(language):
            made[language] = gettext(text) % shown
    return Text(**made)


def _party(stored: dict[str, str]) -> Party:
    return Party(**{"name": "", **{name: stored[name] for name in _PARTY if stored.get(name)}})


def verified(token: str) -> Verified | None:
    """Return what anyone may know of the official receipt with a token, or None."""
    official = OfficialReceipt.objects.filter(verify_token=token).first()
    if official is None:
        return None
    return Verified(
        number=official.number,
        issued_on=timezone.localdate(official.issued_at),
        amount=official.amount,
        currency=official.currency,
        sha256=official.sha256,
        is_genuine=hash_of(official) == official.sha256,
    )
