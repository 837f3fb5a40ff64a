"""Being paid: what arrives, what settles a receipt, and what is given back."""

from payments.services.arriving import (
    Handled,
    Withheld,
    apply_event,
    receive_webhook,
    start_checkout,
)
from payments.services.bounces import approve_bounce, request_bounce
from payments.services.decisions import (
    approve_refund,
    approve_write_off,
    pay_out_refund,
    reject_refund,
    reject_write_off,
    request_refund,
    request_write_off,
    use_balance_for,
)
from payments.services.mismatches import keep_as_balance, resolve_mismatch
from payments.services.transfers import (
    Transfer,
    record_transfer,
    record_withholding,
    suggested_withholding,
    take_back_withholding,
)

__all__ = [
    "Handled",
    "Transfer",
    "Withheld",
    "apply_event",
    "approve_bounce",
    "approve_refund",
    "approve_write_off",
    "keep_as_balance",
    "pay_out_refund",
    "receive_webhook",
    "record_transfer",
    "record_withholding",
    "reject_refund",
    "reject_write_off",
    "request_bounce",
    "request_refund",
    "request_write_off",
    "resolve_mismatch",
    "start_checkout",
    "suggested_withholding",
    "take_back_withholding",
    "use_balance_for",
]
