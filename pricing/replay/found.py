"""What a replay finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Difference(NamedTuple):
    """Something that is stored otherwise than it is computed. ``about`` is the job, import or
    project; ``charge`` is 0 where it is about none."""

    about: str
    charge: int
    field: str
    stored: str
    recomputed: str


@dataclass(slots=True)
class Replayed:
    """How much was computed anew, and how many differences were told."""

    tell: Callable[[Difference], None]
    jobs: int = 0
    charges: int = 0
    counters: int = 0
    differences: int = 0
    about: str = ""

    def compare(self, name: str, stored: object, computed: object, charge: int = 0) -> None:
        """Tell a difference if two values are not the same."""
        if stored != computed:
            self.add(Difference(self.about, charge, name, _text(stored), _text(computed)))

    def add(self, found: Difference) -> None:
        self.differences += 1
        self.tell(found)


def _text(value: object) -> str:
    return "" if value is None else str(value)
