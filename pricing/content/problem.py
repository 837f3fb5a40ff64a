"""What is wrong with a content (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; ``section`` and ``index`` say of which part of the content.

    The section is ``rates``, ``states``, ``equivalents``, ``terms`` or ``free``; the index counts
    from 0 in the content's order. ``code`` is stable, the message is for people: its text is in
    the language of whoever turns it into one.
    """

    section: str
    index: int
    code: str
    message: object
