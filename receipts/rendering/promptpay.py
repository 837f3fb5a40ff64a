"""The text of a PromptPay QR code (pure).

EMVCo's merchant-presented code: fields of a two-digit tag, a two-digit length and the value, closed
by a CRC-16. The account stands in field 29, by the application id of the Bank of Thailand's
standard for PromptPay credit transfers: a mobile number (01), a national or tax id (02) or an
e-wallet (03).
"""

import re
from dataclasses import dataclass
from decimal import Decimal

CURRENCY = "THB"
_APPLICATION = "A000000677010111"
_BAHT = "764"  # ISO 4217
_MOBILE, _TAX_ID, _WALLET = "01", "02", "03"
_SEPARATORS = re.compile(r"[\s-]")
_MOST = Decimal("9999999999.99")  # the amount is at most thirteen characters


class InvalidPromptPay(ValueError):
    """A text that is no mobile number, tax id or e-wallet id, or an amount that can't be asked."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom PromptPay pays: the kind of id as a field's tag, and the id as it stands there."""

    kind: str
    value: str


def account_of(text: str) -> Account:
    """Read a PromptPay id as people write it, with spaces or dashes.

    Ten digits beginning with 0 (or +66 and nine) are a mobile number, thirteen a national or tax
    id, fifteen an e-wallet. Raises InvalidPromptPay for anything else.
    """
    digits = _SEPARATORS.sub("", text)
    if re.fullmatch(r"\+66[0-9]{9}", digits, re.ASCII):
        digits = f"0{digits[3:]}"
    if not re.fullmatch(r"[0-9]+", digits, re.ASCII):
        raise InvalidPromptPay(text)
    if len(digits) == 10 and digits.startswith("0"):
        return Account(_MOBILE, f"0066{digits[1:]}")
    if len(digits) == 13:
        return Account(_TAX_ID, digits)
    if len(digits) == 15:
        return Account(_WALLET, digits)
    raise InvalidPromptPay(text)


def payload(promptpay_id: str, amount: Decimal | None = None) -> str:
    """Return the text of a QR code that pays an account: of an amount in baht, else of any.

    Raises InvalidPromptPay for an id that is none, and for amounts of zero or less, with parts of a
    satang, or too long for the field.
    """
    account = account_of(promptpay_id)
    merchant = _field("00", _APPLICATION) + _field(account.kind, account.value)
    fields = [
        _field("00", "01"),
        _field("01", "11" if amount is None else "12"),  # for any payment, or for this one
        _field("29", merchant),
        _field("53", _BAHT),
        "" if amount is None else _field("54", _amount(amount)),
        _field("58", "TH"),
        "6304",
    ]
    body = "".join(fields)
    return f"{body}{crc16(body):04X}"


def _amount(amount: Decimal) -> str:
    if not amount.is_finite() or not 0 < amount <= _MOST or amount != round(amount, 2):
        raise InvalidPromptPay(str(amount))
    return f"{amount:.2f}"


def _field(tag: str, value: str) -> str:
    return f"{tag}{len(value):02d}{value}"


def crc16(text: str) -> int:
    """Return the CRC-16 that ISO/IEC 13239 asks for: polynomial 0x1021, beginning with 0xFFFF."""
    crc = 0xFFFF
    for byte in text.encode("ascii"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc
