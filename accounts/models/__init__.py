"""Who pays, at which price group, and who may see what; and the months that are billed."""

from accounts.models.keys import ApiToken, IdempotentRequest, JsonType
from accounts.models.payers import (
    CODE,
    Department,
    Language,
    Membership,
    Project,
    ProjectTier,
    Same,
    Span,
    Split,
    SplitShare,
    Tier,
    User,
)
from accounts.models.periods import Period, PeriodReopening

__all__ = [
    "CODE",
    "ApiToken",
    "Department",
    "IdempotentRequest",
    "JsonType",
    "Language",
    "Membership",
    "Period",
    "PeriodReopening",
    "Project",
    "ProjectTier",
    "Same",
    "Span",
    "Split",
    "SplitShare",
    "Tier",
    "User",
]
