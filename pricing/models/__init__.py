"""Price lists with their rates, the charges that they make of jobs, and what became of each job."""

from pricing.models.adjustments import (
    Adjustment,
    AdjustmentKind,
    OutageCredit,
    OutageItem,
    ReviewStatus,
)
from pricing.models.charges import Charge, ChargeBasis, ChargeKind, Counter
from pricing.models.lists import PriceList, PriceListEditor
from pricing.models.rates import (
    Basis,
    Combine,
    Equivalent,
    EquivalentPart,
    Rate,
    RateModel,
    ResourceCode,
    Sku,
    Slab,
    StatePolicy,
)
from pricing.models.ratings import (
    JobRating,
    RatedRun,
    RatingReason,
    RatingStatus,
    Recheck,
)
from pricing.models.studies import Canary, PriceStudy

__all__ = [
    "Adjustment",
    "AdjustmentKind",
    "Basis",
    "Canary",
    "Charge",
    "ChargeBasis",
    "ChargeKind",
    "Combine",
    "Counter",
    "Equivalent",
    "EquivalentPart",
    "JobRating",
    "OutageCredit",
    "OutageItem",
    "PriceList",
    "PriceListEditor",
    "PriceStudy",
    "Rate",
    "RateModel",
    "RatedRun",
    "RatingReason",
    "RatingStatus",
    "Recheck",
    "ResourceCode",
    "ReviewStatus",
    "Sku",
    "Slab",
    "StatePolicy",
]
