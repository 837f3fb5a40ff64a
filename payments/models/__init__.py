"""Models of money that arrives, what it settles, and what is given back."""

from payments.models.attempts import EventOutcome, EventReason, InboundEvent, Payment
from payments.models.official import OfficialCancellation, OfficialKind, OfficialReceipt
from payments.models.official_files import OfficialFile
from payments.models.refunds import Refund, RefundStatus
from payments.models.settling import Allocation, Withholding

__all__ = [
    "Allocation",
    "EventOutcome",
    "EventReason",
    "InboundEvent",
    "OfficialCancellation",
    "OfficialFile",
    "OfficialKind",
    "OfficialReceipt",
    "Payment",
    "Refund",
    "RefundStatus",
    "Withholding",
]
