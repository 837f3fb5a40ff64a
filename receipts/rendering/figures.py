"""Numbers and days as they stand on a document (pure): Arabic digits and Gregorian years in both
languages, as on the pages and exports of the site."""

from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_decimal

from core.money import round_half_up
from receipts.rendering.document import Text

_LOCALE = "en"
_FINE = Decimal("0.1")


def amount(value: Decimal, decimals: int) -> str:
    """Write an amount with the decimals of its currency and groups of thousands."""
    places = f".{'0' * decimals}" if decimals else ""
    rounded = round_half_up(value, decimals)
    return format_decimal(rounded or Decimal(0), format=f"#,##0{places}", locale=_LOCALE)


def price(value: Decimal) -> str:
    """Write a unit price: two decimals at least, six at most."""
    return format_decimal(round_half_up(value, 6), format="#,##0.00####", locale=_LOCALE)


def exact(value: Decimal) -> str:
    """Write an amount of a charge with all of its six decimals."""
    return format_decimal(round_half_up(value, 6), format="#,##0.000000", locale=_LOCALE)


def quantity(value: Decimal) -> str:
    """Write a quantity with two decimals, finer where little was used."""
    decimals = 4 if value and abs(value) < _FINE else 2
    return amount(value, decimals)


def number(value: Decimal | int) -> str:
    """Write a number with the decimals that it has, six at most."""
    return format_decimal(value, format="#,##0.######", locale=_LOCALE)


def day(value: date) -> Text:
    """Write a day, such as ``1 Dec 2026``."""
    return _formatted(value, "d MMM y")


def days(first: date, last: date) -> Text:
    """Write a span of days, such as ``1 – 30 Nov 2026``."""
    if first == last:
        return day(last)
    same = (first.year, first.month) == (last.year, last.month)
    begin, end = _formatted(first, "d" if same else "d MMM y"), day(last)
    return Text(f"{begin.en} – {end.en}", f"{begin.th} – {end.th}")


def _formatted(value: date, pattern: str) -> Text:
    return Text(*(format_date(value, format=pattern, locale=each) for each in ("en", "th")))
