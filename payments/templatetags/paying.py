"""What a receipt's page shows of paying. Receipts know nothing of payments; their template asks."""

from typing import Any

from django import template
from django.conf import settings

from payments.providers.manual import ManualProvider
from payments.providers.registry import hosted_providers, label_of
from payments.selectors import has_open_mismatch
from payments.selectors import payments_of as find_payments
from receipts.models import Receipt

register = template.Library()


@register.inclusion_tag("payments/_ways_to_pay.html", takes_context=True)
def ways_to_pay(context: dict[str, Any], receipt: Receipt) -> dict[str, Any]:
    """Buttons of the providers that have a page of their own, and how to transfer money."""
    return {
        "receipt": receipt,
        "providers": hosted_providers() if receipt.total > 0 else [],
        "takes_transfers": ManualProvider.code in settings.PAYMENT_PROVIDERS,
        "bank_details": settings.SITE_BANK_DETAILS,
        "has_mismatch": has_open_mismatch(receipt),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("payments/_payments.html")
def payments_of(receipt: Receipt) -> dict[str, Any]:
    """The attempts to pay a receipt, newest first."""
    return {"payments": [(item, label_of(item.provider)) for item in find_payments(receipt)]}
