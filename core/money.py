"""Money: Decimal amounts with a currency, rounded once and half up (pure)."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from babel.numbers import get_currency_precision

CHARGE_DECIMALS = 6
"""A charge keeps this many decimals; only a document line is rounded to the currency."""


@lru_cache(maxsize=64)
def exponent(currency: str) -> int:
    """Return the number of decimals of an ISO 4217 currency (2 for THB, 0 for JPY)."""
    return get_currency_precision(currency)


def round_half_up(amount: Decimal, decimals: int) -> Decimal:
    """Round half away from zero to a number of decimals, as PostgreSQL's round(numeric) does."""
    return amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Round an amount to its currency's smallest unit, half up."""
    return round_half_up(amount, exponent(currency))


def charge_amount(quantity: int, unit_price: Decimal, unit_size: int) -> Decimal:
    """Return quantity × unit price ÷ unit size at six decimals, half up.

    ``quantity`` is in base units (say CPU-seconds) and ``unit_size`` is the number of base units in
    a priced unit (3600 in a CPU-core-hour). The division is done on integers so that the only
    rounding is the final one; PostgreSQL's CHECK on the charge repeats it.
    """
    numerator, denominator = price_fraction(unit_price, unit_size)
    product = quantity * numerator
    whole = (2 * abs(product) + denominator) // (2 * denominator)
    # From text, because arithmetic on Decimals would round to 28 digits.
    return Decimal(f"{whole if product > 0 else -whole}e-{CHARGE_DECIMALS}")


@lru_cache(maxsize=1024)
def price_fraction(unit_price: Decimal, unit_size: int) -> tuple[int, int]:
    """Return the price of one base unit as a fraction, in units of the last decimal of a charge."""
    numerator, denominator = unit_price.as_integer_ratio()
    return numerator * 10**CHARGE_DECIMALS, denominator * unit_size


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts exactly; nothing adds up to Decimal zero."""
    return sum(amounts, Decimal(0))
