"""The providers that the site has switched on."""

from django.conf import settings

from payments.providers.base import Provider
from payments.providers.dummy import DummyProvider
from payments.providers.manual import ManualProvider

_ALL: dict[str, type[Provider]] = {
    provider.code: provider for provider in (ManualProvider, DummyProvider)
}


class UnknownProvider(LookupError):
    """No provider of this code exists, or the site has not switched it on."""


def provider(code: str) -> Provider:
    """Return an enabled provider by its code. Raises UnknownProvider."""
    if code not in _ALL or code not in settings.PAYMENT_PROVIDERS:
        raise UnknownProvider(code)
    return _ALL[code]()


def label_of(code: str) -> str:
    """Return what people call a provider, also one that the site has switched off since."""
    return str(_ALL[code].label) if code in _ALL else code


def hosted_providers() -> list[Provider]:
    """Return the enabled providers that a payer can be sent to, in the site's order."""
    found = [provider(code) for code in settings.PAYMENT_PROVIDERS]
    return [item for item in found if item.hosted]
