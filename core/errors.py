"""Refusals that a person is told about, as opposed to defects."""

from django.utils.functional import Promise

Text = str | Promise


class DomainError(Exception):
    """A request that a rule of the business refuses.

    ``code`` is stable and for programs; the message is translated, says what is wrong and what to
    do, and may be shown to the person as it is.
    """

    def __init__(self, code: str, message: Text) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


class Conflict(DomainError):
    """Someone else was faster, or the state of the thing does not allow the step (HTTP 409)."""


class Invalid(DomainError):
    """The values given are not acceptable (HTTP 400)."""
