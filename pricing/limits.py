"""How much one person alone may give or charge by hand: ``ADJUSTMENT_LIMIT``, by currency."""

from decimal import Decimal

from django.conf import settings


def limit_in(currency: str) -> Decimal:
    """Return up to which sum nobody else has to approve; 0, which is never enough, where the site
    names none for a currency."""
    return settings.ADJUSTMENT_LIMIT.get(currency, Decimal(0))
