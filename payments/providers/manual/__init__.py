"""Bank transfers: a clerk sees the money on the account's statement and records it."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from payments.providers.base import (
    BadSignature,
    Checkout,
    CheckoutRequest,
    Provider,
    ProviderEvent,
    ProviderUnavailable,
)


class ManualProvider(Provider):
    """Has no page and no webhook: ``payments.services.record_transfer`` makes its events."""

    code = "manual"
    label = _("Bank transfer")
    hosted = False

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """A transfer has no checkout page."""
        raise ProviderUnavailable("bank transfers have no checkout page")

    def verify(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Nothing that arrives over HTTP is a bank transfer."""
        raise BadSignature("bank transfers are recorded by staff only")
