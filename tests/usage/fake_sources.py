"""A Slurm made of rows in memory: answers windows as sacct does, and fails as it is told to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

from core.intervals import Interval
from tests.factories import Row, sacct
from usage.sources.base import Fetched, Source, SourceFailed, WindowTooLarge

Before = Callable[[Interval], None]


@dataclass
class FakeSlurm:
    """The accounting of one cluster; ``asked`` has each question, with the source's name."""

    rows: list[Row] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    largest: timedelta | None = None
    asked: list[tuple[str, Interval]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    zones: set[str] = field(default_factory=set)
    with_steps: set[bool] = field(default_factory=set)
    before: Before = lambda window: None

    def make(
        self, kind: str, place: str, *, slurm_name: str, time_zone: str, reads_steps: bool
    ) -> Source:
        """What the site's factory of sources would give for a connection."""
        self.with_steps.add(reads_steps)
        self.names.add(slurm_name)
        self.zones.add(time_zone)
        return FakeSource(self, kind, place)

    def answer(self, window: Interval) -> list[Row]:
        """Jobs that were eligible before the window's end and had not ended before its start."""
        return [row for row in self.rows if row.end >= window.start and _begun(row, window)]


def _begun(row: Row, window: Interval) -> bool:
    return row.end - timedelta(seconds=row.seconds + 60) < window.end


@dataclass
class FakeSource:
    slurm: FakeSlurm
    kind: str
    place: str

    def fetch(self, window: Interval, into: BinaryIO) -> Fetched:
        self.slurm.asked.append((self.place, window))
        self.slurm.before(window)
        if self.place in self.slurm.down:
            into.write(sacct(Row(999_999, account="garbage")))
            raise SourceFailed("unreachable", "no route to host")
        if self.slurm.largest and window.end - window.start > self.slurm.largest:
            raise WindowTooLarge("too_large", "more than 3 GB")
        found = self.slurm.answer(window)
        content = sacct(*found)
        into.write(content[:-20] if self.place in self.slurm.cut else content)
        return Fetched(label=f"fake {self.place}", empty=not found)
