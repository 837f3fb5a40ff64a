"""Why something can't be priced. Each error has a stable ``code`` for programs."""

from typing import ClassVar


class InvalidRate(ValueError):
    """A rate, or terms, that no job could be priced by; the argument says why."""


class Unpriceable(Exception):
    """A job that has no price under a tariff."""

    code: ClassVar[str] = "unpriceable"


class NoRate(Unpriceable, LookupError):
    """A resource was used that no list has a rate for."""

    code = "no_rate"

    def __init__(self, resource: str) -> None:
        super().__init__(resource)
        self.resource = resource


class ExemptByState(Unpriceable):
    """The list bills nothing for jobs that end in this state."""

    code = "state"

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(state, reason)
        self.state = state
        self.reason = reason


class TooLarge(Unpriceable):
    """A quantity that does not fit the 64 bits that a charge has for it."""

    code = "too_large"

    def __init__(self, resource: str, quantity: int) -> None:
        super().__init__(resource, quantity)
        self.resource = resource
        self.quantity = quantity


class Unreadable(Unpriceable):
    """The job's TRES text can't be read; the argument says why."""

    code = "unreadable"
