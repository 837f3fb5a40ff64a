"""A provider for trying things out: its page is served by this application itself.

Its messages are signed and travel over HTTP like a real provider's, so the whole path is used.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from payments.providers.base import BadSignature, Checkout, CheckoutRequest, Provider, ProviderEvent

SIGNATURE_HEADER = "dummy-signature"
TOLERANCE_SECONDS = 300
_SALT = "payments.dummy.checkout"


class DummyProvider(Provider):
    """Signs with HMAC-SHA-256 over ``<unix time>.<body>``, as card providers do."""

    code = "dummy"
    label = _("Test payment")

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Return a simulated page whose address carries the signed request."""
        external_id = f"dummy_{request.reference}"
        token = signing.dumps(
            {
                "payment": external_id,
                "amount": str(request.amount),
                "currency": request.currency,
                "description": request.description,
                "return_url": request.return_url,
            },
            salt=_SALT,
        )
        page = reverse("payments:simulate")
        url = f"{settings.SITE_BASE_URL}{page}?{urlencode({'checkout': token})}"
        return Checkout(url, external_id)

    def verify(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Check ``Dummy-Signature: t=<unix time>,v1=<hex>`` and read the message."""
        fields = dict(
            part.split("=", 1)
            for part in headers.get(SIGNATURE_HEADER, "").split(",")
            if "=" in part
        )
        stamp, given = fields.get("t", ""), fields.get("v1", "")
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 16):
            raise BadSignature("the signature has no time")
        if not hmac.compare_digest(signature(int(stamp), body).encode(), given.encode()):
            raise BadSignature("the signature does not match")
        if abs(time.time() - int(stamp)) > TOLERANCE_SECONDS:
            raise BadSignature("the message is too old")
        return _read(body)


def signature(stamp: int, body: bytes) -> str:
    """Return the signature of a message sent at a time (seconds since 1970)."""
    key = settings.PAYMENT_DUMMY_SECRET.encode()
    return hmac.new(key, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def signed_headers(body: bytes) -> dict[str, str]:
    """Return the headers with which the simulated provider sends a message now."""
    stamp = int(time.time())
    return {
        "Content-Type": "application/json",
        "Dummy-Signature": f"t={stamp},v1={signature(stamp, body)}",
    }


def read_checkout(token: str) -> dict[str, str]:
    """Return what a simulated page was opened for. Raises BadSignature if the address was altered
    or is older than a day."""
    try:
        return dict(signing.loads(token, salt=_SALT, max_age=86400))
    except signing.BadSignature as error:
        raise BadSignature(str(error)) from error


def _read(body: bytes) -> ProviderEvent:
    try:
        message: dict[str, Any] = json.loads(body)
        kind = message["type"]
        return ProviderEvent(
            event_id=_text(message["id"]),
            kind=kind if kind in ("payment.succeeded", "payment.failed") else "other",
            external_payment_id=_text(message["payment"]),
            amount=_amount(message["amount"]),
            currency=_currency(message["currency"]),
            occurred_at=datetime.fromtimestamp(int(message["created"]), UTC),
        )
    except (ValueError, KeyError, TypeError, InvalidOperation, OverflowError, OSError) as error:
        raise BadSignature(f"the message can't be read: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 255:
        raise ValueError("a text is missing, too long or not printable")
    return value


def _currency(value: Any) -> str:
    code = _text(value)
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise ValueError("the currency is no ISO 4217 code")
    return code


def _amount(value: Any) -> Decimal:
    amount = Decimal(_text(value))
    if not amount.is_finite() or amount < 0 or amount >= Decimal("1e14"):
        raise ValueError("the amount is out of range")
    if amount != amount.quantize(Decimal("0.0001")):  # rounding could make it match
        raise ValueError("the amount has more than four decimals")
    return amount
