"""Amounts in words, Thai and English (pure).

Thai as the Royal Society writes numbers: ``เอ็ด`` for a one that follows tens, ``ยี่สิบ`` for twenty,
``สิบ`` without a one before it, and groups of six digits joined by ``ล้าน``, which repeats for the
million of a million. An amount without satang ends with ``ถ้วน``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

_DIGITS = ("ศูนย์", "หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า")
_PLACES = ("", "สิบ", "ร้อย", "พัน", "หมื่น", "แสน")
_MILLION = 10**6

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion")


@dataclass(frozen=True, slots=True)
class _Names:
    """What a currency's unit and its hundredth are called; ``one`` is the English singular."""

    one: str
    many: str
    thai: str
    one_part: str = ""
    parts: str = ""
    thai_part: str = ""


_CURRENCIES: Mapping[str, _Names] = {
    "THB": _Names("baht", "baht", "บาท", "satang", "satang", "สตางค์"),
    "USD": _Names("US dollar", "US dollars", "ดอลลาร์สหรัฐ", "cent", "cents", "เซนต์"),
    "EUR": _Names("euro", "euros", "ยูโร", "cent", "cents", "เซนต์"),
    "GBP": _Names("pound sterling", "pounds sterling", "ปอนด์สเตอร์ลิง", "penny", "pence", "เพนนี"),
    "SGD": _Names("Singapore dollar", "Singapore dollars", "ดอลลาร์สิงคโปร์", "cent", "cents", "เซนต์"),
    "AUD": _Names(
        "Australian dollar", "Australian dollars", "ดอลลาร์ออสเตรเลีย", "cent", "cents", "เซนต์"
    ),
    "CHF": _Names("Swiss franc", "Swiss francs", "ฟรังก์สวิส", "centime", "centimes", "ซองตีม"),
    "JPY": _Names("yen", "yen", "เยน"),
}
"""Other currencies are named by their code, with the fraction in digits."""


def thai_number(value: int) -> str:
    """Return a whole number, zero or more, in Thai words."""
    if value == 0:
        return _DIGITS[0]
    millions, rest = divmod(value, _MILLION)
    words = f"{thai_number(millions)}ล้าน" if millions else ""
    return words + _thai_group(rest, follows=bool(millions))


def _thai_group(value: int, *, follows: bool) -> str:
    """Return up to six digits in words, nothing for zero; ``follows``: something stands before."""
    words = ""
    for place in range(5, -1, -1):
        digit = value // 10**place % 10
        if digit == 0:
            continue
        if place == 0 and digit == 1 and (words or follows):
            words += "เอ็ด"
        elif place == 1:
            words += {1: "", 2: "ยี่"}.get(digit, _DIGITS[digit]) + _PLACES[1]
        else:
            words += _DIGITS[digit] + _PLACES[place]
    return words


def english_number(value: int) -> str:
    """Return a whole number, zero or more and below 10²¹, in English words."""
    if value == 0:
        return _SMALL[0]
    words = []
    group = 0
    while value:
        value, rest = divmod(value, 1000)
        if rest:
            words.append(f"{_english_group(rest)} {_GROUPS[group]}".strip())
        group += 1
    return " ".join(reversed(words))


def _english_group(value: int) -> str:
    hundreds, rest = divmod(value, 100)
    words = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        tens, ones = divmod(rest, 10)
        words.append(_TENS[tens] + (f"-{_SMALL[ones]}" if ones else ""))
    elif rest:
        words.append(_SMALL[rest])
    return " ".join(words)


def thai_amount(amount: Decimal, currency: str, decimals: int) -> str:
    """Return an amount in Thai words, such as ``หนึ่งร้อยบาทห้าสิบสตางค์`` or ``หนึ่งร้อยบาทถ้วน``.

    ``decimals`` are those of the currency, to which the amount is rounded already.
    """
    whole, part = _split(amount, decimals)
    names = _CURRENCIES.get(currency)
    minus = "ลบ" if amount < 0 else ""
    if names is None or (part and not names.thai_part):
        fraction = _fraction(part, decimals, " ")
        return f"{minus}{thai_number(whole)} {names.thai if names else currency}{fraction or 'ถ้วน'}"
    if not part:
        return f"{minus}{thai_number(whole)}{names.thai}ถ้วน"
    parts = f"{thai_number(part)}{names.thai_part}"
    return f"{minus}{parts}" if whole == 0 else f"{minus}{thai_number(whole)}{names.thai}{parts}"


def english_amount(amount: Decimal, currency: str, decimals: int) -> str:
    """Return an amount in English words, such as ``One hundred baht and fifty satang``."""
    whole, part = _split(amount, decimals)
    names = _CURRENCIES.get(currency)
    minus = "minus " if amount < 0 else ""
    if names is None or (part and not names.parts):
        unit = (names.one if whole == 1 else names.many) if names else currency
        words = f"{minus}{english_number(whole)} {unit}{_fraction(part, decimals, ' and ')}"
    else:
        parts = f"{english_number(part)} {names.one_part if part == 1 else names.parts}"
        units = f"{english_number(whole)} {names.one if whole == 1 else names.many}"
        said = parts if part and not whole else f"{units} and {parts}" if part else units
        words = f"{minus}{said}"
    return words[0].upper() + words[1:]


def _split(amount: Decimal, decimals: int) -> tuple[int, int]:
    """Return the whole units and the parts of an amount without its sign.

    Raises ValueError if it has more decimals than the currency.
    """
    scaled = abs(amount).scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more than {decimals} decimals")
    parts: int = 10**decimals
    return divmod(int(scaled), parts)


def _fraction(part: int, decimals: int, before: str) -> str:
    return f"{before}{part:0{decimals}d}/{10**decimals}" if part else ""
