"""Writing prices: lists while they are drafts, and their steps to being published."""

from pricing.services.drafts import (
    Head,
    InvalidContent,
    copy_price_list,
    describe,
    discard_price_list,
    draft_price_list,
    edit_price_list,
    head_of,
    problems_here,
)
from pricing.services.steps import (
    approve_price_list,
    propose_price_list,
    publish_first_list,
    reject_price_list,
    submit_price_list,
    withdraw_price_list,
)

__all__ = [
    "Head",
    "InvalidContent",
    "approve_price_list",
    "copy_price_list",
    "describe",
    "discard_price_list",
    "draft_price_list",
    "edit_price_list",
    "head_of",
    "problems_here",
    "propose_price_list",
    "publish_first_list",
    "reject_price_list",
    "submit_price_list",
    "withdraw_price_list",
]
