"""What a person saw before confirming.

A page on which somebody confirms amounts carries a mark of them through its form. The service that
acts compares it, under the lock that keeps them, with what they are by then: nobody confirms
figures that nobody showed.
"""

from typing import Any

from core.canonical import sha256_of
from core.errors import Changed


def mark_of(*figures: Any) -> str:
    """Return a short digest of figures, which a form carries."""
    return sha256_of(figures)[:32]


def require_seen(seen: str | None, *figures: Any) -> None:
    """Raise Changed unless these are the figures that were seen; None, of programs, sees none."""
    if seen is not None and seen != mark_of(*figures):
        raise Changed
