"""The page behind the code on the paper: is this document genuine?

Whoever has the token sees what stands on the paper beside the code: number, date, amount and hash,
and whether the stored document still has that hash. Nothing of who it is for or what it is about.
Any other token, of whatever form, gets the same answer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.visits import too_many
from receipts.models import Receipt
from receipts.services.contents import hash_of

VISITS_A_MINUTE = 30

_TOKEN = re.compile(r"[\w-]{1,43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Verified:
    """What may be told of a document. ``amount`` is as printed: a credit note's is positive."""

    number: str
    issued_on: date
    amount: Decimal
    currency: str
    sha256: str
    is_genuine: bool


OTHERS: list[Callable[[str], Verified | None]] = []
"""Find documents of other apps, which can't be imported here, by their token."""


def verified(token: str) -> Verified | None:
    """Return what may be told of the document with a token, or None if there is none."""
    if _TOKEN.fullmatch(token) is None:
        return None
    receipt = Receipt.objects.filter(verify_token=token).first()
    if receipt is None or receipt.issued_at is None:
        return next((found for find in OTHERS if (found := find(token))), None)
    credit = receipt.kind == Receipt.Kind.CREDIT_NOTE
    return Verified(
        number=str(receipt.number),
        issued_on=timezone.localdate(receipt.issued_at),
        amount=-receipt.total if credit else receipt.total,
        currency=receipt.currency,
        sha256=receipt.sha256,
        is_genuine=hash_of(receipt) == receipt.sha256,
    )


@require_safe
def verify(request: HttpRequest, token: str) -> HttpResponse:
    """Tell whether a document is genuine, to anyone who has its token."""
    if too_many(request, "verify", VISITS_A_MINUTE):
        answer = render(request, "receipts/verify.html", {"waiting": True}, status=429)
        answer["Retry-After"] = "60"
        return _private(answer)
    found = verified(token)
    status = 200 if found else 404
    return _private(render(request, "receipts/verify.html", {"found": found}, status=status))


def _private(answer: HttpResponse) -> HttpResponse:
    """Keep an answer out of caches, search engines and other sites' logs: the address is the key
    to the page."""
    answer["Cache-Control"] = "private, no-store"
    answer["X-Robots-Tag"] = "noindex, nofollow"
    answer["Referrer-Policy"] = "no-referrer"
    return answer
