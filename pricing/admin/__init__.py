"""Price lists and charges in the console."""

from pricing.admin.charges import ChargeAdmin
from pricing.admin.lists import PriceListAdmin

__all__ = ("ChargeAdmin", "PriceListAdmin")
