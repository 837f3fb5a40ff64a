"""Payments in the console; their pages are in ``payments.admin``."""

from payments.admin.decisions import RefundAdmin, WriteOffAdmin
from payments.admin.events import InboundEventAdmin
from payments.admin.official import OfficialReceiptAdmin
from payments.admin.payments import PaymentAdmin
from payments.admin.withholdings import WithholdingAdmin

__all__ = [
    "InboundEventAdmin",
    "OfficialReceiptAdmin",
    "PaymentAdmin",
    "RefundAdmin",
    "WithholdingAdmin",
    "WriteOffAdmin",
]
