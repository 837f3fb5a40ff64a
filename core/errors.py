"""Refusals that a person is told about, as opposed to defects."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

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


class Changed(Conflict):
    """What a person confirmed is not any more what was shown: it is to be looked at again."""

    def __init__(self, message: Text = "") -> None:
        super().__init__("changed", message or CHANGED)


CHANGED = _("This changed since you looked at it. Look at the new figures, and confirm again.")


class Invalid(DomainError):
    """The values given are not acceptable (HTTP 400)."""
