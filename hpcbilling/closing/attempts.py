"""How far the closing of a month is that a person asked for, and why it was refused.

It stands in the cache: whether a month is closed only its period tells.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from django.core.cache import cache
from django.utils import timezone

from core.errors import DomainError

SHOWN_FOR = 24 * 3600
PATIENCE = timedelta(minutes=10)
"""How long a worker may be silent before it is taken for dead."""

State = Literal["asked", "running", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A closing that was asked for: by whom, how far it is, and what it ended with if not well.

    ``done`` of ``total`` projects have their caps and commitments charged; the total is 0 before.
    """

    state: State
    by: str
    asked_at: datetime
    heard_at: datetime
    done: int = 0
    total: int = 0
    text: str = ""

    @property
    def is_moving(self) -> bool:
        """Whether a worker has it, or will."""
        return self.state in ("asked", "running") and not self.is_silent

    @property
    def is_silent(self) -> bool:
        """Whether it should move, and nothing was heard of it for long."""
        waits = self.state in ("asked", "running")
        return waits and timezone.now() - self.heard_at > PATIENCE

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


def attempt_at(month: date) -> Attempt | None:
    """Return what is known of the last attempt at closing a month, None if nothing."""
    found: Attempt | None = cache.get(_key(month))
    return found


def ask(month: date, by: str) -> bool:
    """Note that a month is to be closed; False if an attempt is on its way already."""
    known = attempt_at(month)
    if known is not None and known.is_moving:
        return False
    now = timezone.now()
    if known is not None:
        cache.delete(_key(month))
    return bool(cache.add(_key(month), Attempt("asked", by, now, now), SHOWN_FOR))


class Watched:
    """Tells how far an attempt is."""

    def __init__(self, month: date, by: str) -> None:
        now = timezone.now()
        known = attempt_at(month)
        self._month = month
        self._attempt = known or Attempt("asked", by, now, now)

    def advance(self, done: int = 0, total: int = 0) -> None:
        """So many projects of so many have their caps and commitments."""
        self.put("running", done=done, total=total)

    def put(self, state: State, *, done: int = 0, total: int = 0, text: str = "") -> None:
        """Note how it stands now."""
        now = timezone.now()
        self._attempt = replace(
            self._attempt, state=state, heard_at=now, done=done, total=total, text=text
        )
        cache.set(_key(self._month), self._attempt, SHOWN_FOR)


@contextmanager
def watched(month: date, by: str) -> Iterator[Watched]:
    """Note how the closing within goes: refused with the reason, or broken off, which is raised.

    One that ends well leaves nothing: then the period is closed.
    """
    attempt = Watched(month, by)
    attempt.advance()
    try:
        yield attempt
    except DomainError as refusal:
        attempt.put("refused", text=str(refusal))
    except Exception as error:
        attempt.put("failed", text=type(error).__name__)
        raise
    else:
        cache.delete(_key(month))


def _key(month: date) -> str:
    return f"closing:{month:%Y-%m}"
