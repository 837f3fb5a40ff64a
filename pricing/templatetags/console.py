"""Amounts and quantities on the console's pages."""

from decimal import Decimal

from django import template

from core import shown
from pricing.models import ResourceCode
from pricing.resources import RESOURCES

register = template.Library()


@register.simple_tag
def money(amount: Decimal | None, currency: str) -> str:
    """Show an amount with its currency's decimals."""
    return shown.money(amount, currency)


@register.simple_tag
def units(quantity: int, resource: str) -> str:
    """Show base units of a resource in its priced unit."""
    found = RESOURCES[resource]
    return f"{shown.hours(quantity, found.unit_size)} {found.unit}"


@register.simple_tag
def plain(number: Decimal) -> str:
    """Show a unit price without trailing zeros."""
    return shown.plain(number)


@register.simple_tag
def resource_name(code: str) -> str:
    """Show a resource's name."""
    return str(ResourceCode(code).label)
