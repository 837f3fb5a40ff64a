"""Payments in the console; their pages are in ``payments.console``."""

from payments.console.decisions import RefundAdmin, WithholdingAdmin, WriteOffAdmin
from payments.console.events import InboundEventAdmin
from payments.console.official import OfficialReceiptAdmin
from payments.console.payments import PaymentAdmin

__all__ = [
    "InboundEventAdmin",
    "OfficialReceiptAdmin",
    "PaymentAdmin",
    "RefundAdmin",
    "WithholdingAdmin",
    "WriteOffAdmin",
]
