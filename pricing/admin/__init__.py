"""Price lists and charges in the console."""

from pricing.admin.adjustments import AdjustmentAdmin
from pricing.admin.charges import ChargeAdmin
from pricing.admin.items import SkuAdmin
from pricing.admin.lists import PriceListAdmin
from pricing.admin.studies import PriceStudyAdmin

__all__ = ("AdjustmentAdmin", "ChargeAdmin", "PriceListAdmin", "PriceStudyAdmin", "SkuAdmin")
