"""Payments in the console; their pages are in ``payments.admin``."""

from payments.admin.decisions import RefundAdmin, WithholdingAdmin, WriteOffAdmin
from payments.admin.events import InboundEventAdmin
from payments.admin.official import OfficialReceiptAdmin
from payments.admin.payments import PaymentAdmin

__all__ = [
    "InboundEventAdmin",
    "OfficialReceiptAdmin",
    "PaymentAdmin",
    "RefundAdmin",
    "WithholdingAdmin",
    "WriteOffAdmin",
]
