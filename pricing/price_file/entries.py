"""What a file of prices says, as values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pricing.content.problem import Problem
from pricing.content.values import ListContent

HOLDERS = ("tier", "project", "user")


class Holder(NamedTuple):
    """Whose a list is: ``tier``, ``project`` or ``user``, and its code or the user's name."""

    kind: str
    code: str

    def __str__(self) -> str:
        return self.code if self.kind == "tier" else f"{self.kind} {self.code}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A price list as a file says it, from a moment (UTC) on.

    ``line`` is where it begins; ``lines`` are those of its parts, by section and key.
    """

    holder: Holder
    effective_at: datetime
    currency: str
    content: ListContent
    ends_at: datetime | None = None
    note: str = ""
    line: int = 0
    lines: Mapping[tuple[str, object], int] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> tuple[Holder, datetime]:
        """What no two lists of a file have in common."""
        return self.holder, self.effective_at

    def line_of(self, problem: Problem) -> int:
        """Return the line of the part that has a problem; of the list if it is not of one part."""
        parts: tuple[object, ...] = ()
        if problem.section in {"rates", "equivalents"}:
            parts = tuple(one.key for one in getattr(self.content, problem.section))
        elif problem.section == "states":
            parts = tuple(policy.state for policy in self.content.states)
        part = parts[problem.index] if parts else None
        section = self.lines.get((problem.section, None), self.line)
        return self.lines.get((problem.section, part), section)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and on which line, counted from 1."""

    line: int
    message: str


class BadFile(ValueError):
    """The file can't be used; ``faults`` are in the order of lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.line)
        super().__init__("; ".join(f"{fault.line}: {fault.message}" for fault in self.faults))
