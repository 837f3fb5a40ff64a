"""The contract between the books and a payment provider.

A provider package has a class that implements ``Provider``; ``payments.providers.registry`` knows
it by its code. Providers translate; they never touch the database. What counts as paid is decided
by ``payments.services`` alone, from a verified event.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

from django.utils.functional import Promise

EventKind = Literal["payment.succeeded", "payment.failed", "other"]


class BadSignature(Exception):
    """A message is not, or can't be shown to be, from the provider. It is answered with 400."""


class ProviderUnavailable(Exception):
    """The provider could not be reached or answered with an error; trying again may help."""


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """What is to be paid. ``reference`` is unique and stable: it is the idempotency key."""

    reference: str
    amount: Decimal
    currency: str
    description: str
    return_url: str
    language: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the payer goes, and the provider's own key for the payment."""

    url: str
    external_id: str


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A verified message. ``amount`` is in units of the currency (not in satang or cents)."""

    event_id: str
    kind: EventKind
    external_payment_id: str
    amount: Decimal | None
    currency: str
    occurred_at: datetime


class Provider(ABC):
    """One way of being paid."""

    code: ClassVar[str]
    """Short stable name; part of the webhook's address and of stored rows."""

    label: ClassVar[str | Promise]
    """What the payer reads on the button."""

    hosted: ClassVar[bool] = True
    """Whether the payer is sent to a page of the provider's (False: staff records the payment)."""

    @abstractmethod
    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open a checkout for exactly this amount.

        Called outside any transaction, and again with the same ``reference`` after a failure or a
        double click: it must then give the same payment. Raises ProviderUnavailable.
        """

    @abstractmethod
    def verify(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Check a message's signature and age over its exact bytes, and only then read it.

        Header names are lower case. Raises BadSignature for anything that is not provably the
        provider's, a malformed message included.
        """
