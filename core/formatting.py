"""Amounts, quantities and times as a reader of a language writes them.

Numbers come from babel's locale data. Thai keeps Arabic numerals and Gregorian years, with Thai
month names: accounting rows, tax documents and exports carry Gregorian dates, and a page that said
2569 where its CSV says 2026 would invite errors.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from django.utils import timezone, translation

from core.money import round_money

_DAY = "d MMM y"
_MONTH = "LLLL y"
_MINUTE = "d MMM y, HH:mm"
_SECOND = "d MMM y, HH:mm:ss"
_EXACT = "#,##0.000000"
_PRICE = "#,##0.00####"
_CODE_BESIDE_DIGIT = re.compile(r"(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Z])")
_FINE = Decimal("0.1")


@lru_cache(maxsize=16)
def _locale_of(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def locale() -> Locale:
    """Return the locale of the page's language."""
    return _locale_of(translation.get_language() or "en")


def money(amount: Decimal, currency: str) -> str:
    """Write an amount rounded, half up, to its currency, such as ``฿1,234.50``."""
    text = format_currency(round_money(amount, currency), currency, locale=locale())
    return _CODE_BESIDE_DIGIT.sub("\N{NO-BREAK SPACE}", text)


def amount(value: Decimal, currency: str) -> str:
    """Write an amount with its currency's decimals, where the currency is told beside it."""
    rounded = round_money(value, currency)
    decimals = max(0, -int(rounded.as_tuple().exponent))
    return format_decimal(rounded, format=f"#,##0.{'0' * decimals}".rstrip("."), locale=locale())


def exact(amount: Decimal) -> str:
    """Write an amount of a charge with all of its six decimals, without a currency."""
    return format_decimal(amount, format=_EXACT, locale=locale())


def price(amount: Decimal) -> str:
    """Write a unit price: two decimals at least, six at most."""
    return format_decimal(amount, format=_PRICE, locale=locale())


def number(value: int | Decimal) -> str:
    """Write a number with its groups of thousands and the decimals that it has, six at most."""
    return format_decimal(value, format="#,##0.######", locale=locale())


def signed_percent(value: Decimal) -> str:
    """Write a change in percent with its sign, such as ``+6.7 %``."""
    sign = "+" if value > 0 else ""
    return f"{sign}{format_decimal(value, format='#,##0.#', locale=locale())}\N{NO-BREAK SPACE}%"


def hours(quantity: int, unit_size: int) -> str:
    """Write base units as priced units (seconds as hours), finer where little was used."""
    units = Decimal(quantity) / unit_size
    pattern = "#,##0.0000" if units and abs(units) < _FINE else "#,##0.00"
    return format_decimal(units, format=pattern, locale=locale())


def day(value: date | datetime) -> str:
    """Write a day; a moment's day is that of the site's time zone."""
    if isinstance(value, datetime):
        value = timezone.localdate(value)
    return format_date(value, format=_DAY, locale=locale())


def month(value: date) -> str:
    """Write a month, such as ``November 2026``."""
    return format_date(value, format=_MONTH, locale=locale())


def moment(value: datetime, *, seconds: bool = False) -> str:
    """Write a moment in the site's time zone."""
    return format_datetime(
        timezone.localtime(value).replace(tzinfo=None),
        format=_SECOND if seconds else _MINUTE,
        locale=locale(),
    )


def duration(seconds: int) -> str:
    """Write a time span as Slurm does: ``[D-]HH:MM:SS``."""
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock
