"""Price lists and charges in the console."""

from pricing.admin.charges import ChargeAdmin
from pricing.admin.items import SkuAdmin
from pricing.admin.lists import PriceListAdmin
from pricing.admin.studies import PriceStudyAdmin

__all__ = ("ChargeAdmin", "PriceListAdmin", "PriceStudyAdmin", "SkuAdmin")
