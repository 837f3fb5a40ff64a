"""Who does something: a person or a part of the system, as values and not as a foreign key."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change, as it is written into the audit log.

    ``user_id`` is None for the system itself; ``name`` then says which part of it acted.
    """

    user_id: int | None
    name: str

    @classmethod
    def of(cls, user: Any) -> "Actor":
        """Return the actor for a signed-in user."""
        return cls(user_id=user.pk, name=user.get_username())

    @classmethod
    def system(cls, part: str) -> "Actor":
        """Return the actor for a part of the system such as ``beat`` or ``command``."""
        return cls(user_id=None, name=f"system:{part}")
