"""Template filters that write amounts, quantities and times by the page's language."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template

from core import formatting

register = template.Library()

NOTHING = "–"


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    """``{{ receipt.total|money:receipt.currency }}``"""
    return NOTHING if amount is None else formatting.money(amount, currency)


@register.filter
def amount(value: Decimal | None, currency: str) -> str:
    """An amount where the currency is told beside it."""
    return NOTHING if value is None else formatting.amount(value, currency)


@register.filter
def exact(amount: Decimal | None) -> str:
    """An amount with its six decimals."""
    return NOTHING if amount is None else formatting.exact(amount)


@register.filter
def price(amount: Decimal | None) -> str:
    """A unit price."""
    return NOTHING if amount is None else formatting.price(amount)


@register.filter
def number(value: int | Decimal | None) -> str:
    """A number with groups of thousands."""
    return NOTHING if value is None else formatting.number(value)


@register.filter
def signed_percent(value: Decimal | None) -> str:
    """A change in percent with its sign."""
    return NOTHING if value is None else formatting.signed_percent(value)


@register.filter
def hours(quantity: int | None, unit_size: int = 3600) -> str:
    """Base units as priced units: ``{{ job.cpu_seconds|hours }}``"""
    return NOTHING if quantity is None else formatting.hours(quantity, unit_size)


@register.filter
def day(value: date | datetime | None) -> str:
    """A day in the site's time zone."""
    return NOTHING if value is None else formatting.day(value)


@register.filter
def month(value: date | None) -> str:
    """The month of a day."""
    return NOTHING if value is None else formatting.month(value)


@register.filter
def moment(value: datetime | None) -> str:
    """Day and minute in the site's time zone."""
    return NOTHING if value is None else formatting.moment(value)


@register.filter
def instant(value: datetime | None) -> str:
    """Day and second in the site's time zone."""
    return NOTHING if value is None else formatting.moment(value, seconds=True)


@register.filter
def duration(seconds: int | None) -> str:
    """A time span as Slurm writes it."""
    return NOTHING if seconds is None else formatting.duration(seconds)


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """The page's query string with some parameters set, or left out where the value is empty.

    ``page`` is dropped unless it is set: another filter begins at its first page.
    """
    parameters = context["request"].GET.copy()
    parameters.pop("page", None)
    for name, value in changes.items():
        if value in ("", None):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"
