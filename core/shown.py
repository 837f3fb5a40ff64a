"""Amounts and quantities as a person reads them, in the language of the page."""

from decimal import Decimal

from django.utils.formats import number_format

from core.money import exponent, round_money

NOTHING = "–"


def money(amount: Decimal | None, currency: str) -> str:
    """Return an amount with its currency's decimals and its code."""
    if amount is None:
        return NOTHING
    shown = number_format(round_money(amount, currency), exponent(currency), force_grouping=True)
    return f"{shown} {currency}".strip()


def hours(seconds: int | None, unit_size: int = 3600) -> str:
    """Return base units as priced units with two decimals."""
    if not seconds:
        return NOTHING
    return number_format(Decimal(seconds) / unit_size, 2, force_grouping=True)


def plain(number: Decimal) -> str:
    """Return a number without trailing zeros, all its decimals kept."""
    return number_format(format(number.normalize(), "f"))
