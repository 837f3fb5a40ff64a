"""Exemptions of clusters as a file says them."""

from dataclasses import dataclass
from datetime import datetime

CRITERIA = {
    "partition": "partition",
    "account": "account",
    "user": "user_name",
    "qos": "qos",
    "state": "state",
    "reservation": "reservation",
}
"""How a file calls what an exemption matches."""


@dataclass(frozen=True, slots=True)
class ExemptionEntry:
    """Jobs of a cluster that end in ``[starts_at, ends_at)`` and match are not charged.

    ``criteria`` are values in the order of CRITERIA, empty where any will do.
    """

    cluster: str
    criteria: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime | None
    reason: str
    line: int = 0

    @property
    def key(self) -> tuple[str, tuple[str, ...], datetime]:
        """What no two exemptions of a file have in common."""
        return self.cluster, self.criteria, self.starts_at

    @property
    def given(self) -> dict[str, str]:
        """The criteria that are given, as a file calls them."""
        return {name: value for name, value in zip(CRITERIA, self.criteria, strict=True) if value}

    def __str__(self) -> str:
        named = ", ".join(f"{name} {value}" for name, value in self.given.items())
        return f"exemption of {self.cluster}: {named or 'every job'}"
