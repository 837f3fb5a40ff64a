"""What a receipt's page shows of paying. Receipts know nothing of payments; their template asks."""

from decimal import Decimal
from typing import Any

from django import template
from django.conf import settings

from payments.models import Allocation, Refund
from payments.providers.manual import ManualProvider
from payments.providers.registry import hosted_providers, label_of
from payments.selectors import (
    balance_of,
    balances_visible_to,
    has_open_mismatch,
    withholdings_of,
)
from payments.selectors import payments_of as find_payments
from payments.services import suggested_withholding
from payments.services.settlement import standing
from receipts.models import Receipt

register = template.Library()


@register.inclusion_tag("payments/_ways_to_pay.html", takes_context=True)
def ways_to_pay(context: dict[str, Any], receipt: Receipt) -> dict[str, Any]:
    """Buttons of the providers that have a page of their own, and how to transfer money."""
    now = standing(receipt)
    return {
        "receipt": receipt,
        "left": now.left,
        "providers": hosted_providers() if now.left > 0 else [],
        "takes_transfers": ManualProvider.code in settings.PAYMENT_PROVIDERS,
        "bank_details": settings.SITE_BANK_DETAILS,
        "withholding": suggested_withholding(receipt),
        "has_mismatch": has_open_mismatch(receipt),
        "csrf_token": context.get("csrf_token"),
    }


@register.filter
def way(provider: str) -> str:
    """What people call a way to pay."""
    return label_of(provider)


@register.inclusion_tag("payments/_payments.html")
def payments_of(receipt: Receipt) -> dict[str, Any]:
    """The attempts to pay a receipt, newest first."""
    return {"payments": [(item, label_of(item.provider)) for item in find_payments(receipt)]}


@register.inclusion_tag("payments/_settlement.html")
def settlement_of(receipt: Receipt) -> dict[str, Any]:
    """What settles a receipt: money, the balance, tax withheld, and what is left."""
    now = standing(receipt)
    rows = Allocation.objects.filter(receipt=receipt).select_related("payment__receipt")
    return {
        "receipt": receipt,
        "now": now,
        "left": max(now.left, Decimal(0)),
        "rows": [(row, label_of(row.payment.provider)) for row in rows.order_by("pk")],
        "withheld": withholdings_of(receipt),
        "official": receipt.official_receipts.select_related(
            "cancellation__credit_note", "replaces", "replaced_by"
        ).order_by("pk"),
        "shown": receipt.number is not None and receipt.kind != Receipt.Kind.CREDIT_NOTE,
    }


@register.inclusion_tag("payments/_balances.html", takes_context=True)
def balances_of_mine(context: dict[str, Any]) -> dict[str, Any]:
    """What the projects of a person paid that settles nothing yet."""
    return {"balances": balances_visible_to(context["request"].user)}


@register.inclusion_tag("admin/payments/settlement.html")
def settlement_in_console(receipt: Receipt) -> dict[str, Any]:
    """The history of a receipt's settlement, for staff."""
    refunds = Refund.objects.filter(payment__receipt=receipt)
    return {
        **settlement_of(receipt),
        "refunds": refunds.select_related("payment").order_by("pk"),
        "write_offs": receipt.write_offs.order_by("pk"),
        "withheld": receipt.withholdings.select_related("credit_note").order_by("pk"),
        "balance": balance_of(receipt.project, receipt.currency),
    }
