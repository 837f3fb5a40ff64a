"""Models of money that arrives, what it settles, and what is given back."""

from payments.models.attempts import EventOutcome, EventReason, InboundEvent, Payment
from payments.models.official import OfficialCancellation, OfficialKind, OfficialReceipt
from payments.models.refunds import Refund, RefundStatus
from payments.models.settling import Allocation, Withholding

__all__ = [
    "Allocation",
    "EventOutcome",
    "EventReason",
    "InboundEvent",
    "OfficialCancellation",
    "OfficialKind",
    "OfficialReceipt",
    "Payment",
    "Refund",
    "RefundStatus",
    "Withholding",
]
