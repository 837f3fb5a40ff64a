"""Progress bars of commands: on stderr, and only where a person watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from usage.sources.unpacking import Readable

_NO_TABLES = (b"{", b"\x1f", b"\x28")  # JSON, gzip, zstd
Advance = Callable[[int], None]
"""Tells how much of a step is done, counted from its beginning."""


class Steps:
    """A bar for each step of a command; does nothing while stderr is not a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, label: str, total: Callable[[], int | None] = lambda: None) -> Advance:
        """Return what moves the bar of a step; the bar appears when it is first moved.

        ``total`` is asked then; without one the bar only pulses.
        """
        begun: list[TaskID] = []

        def advance(done: int) -> None:
            if not begun:
                self._end_step()
                begun.append(self._progress.add_task(label, total=total()))
            self._progress.update(begun[0], completed=done)

        return advance

    def _end_step(self) -> None:
        for task in self._progress.tasks:
            self._progress.update(task.id, total=task.total or 1, completed=task.total or 1)


@contextmanager
def steps() -> Iterator[Steps]:
    """Show bars while the block runs; they vanish at its end."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    shown = sys.stderr.isatty()
    with Progress(
        *columns, console=Console(file=sys.stderr), transient=True, disable=not shown
    ) as progress:
        yield Steps(progress)


class Counted:
    """A binary stream that counts the bytes and lines read from it."""

    def __init__(self, stream: Readable, advance: Advance = lambda done: None) -> None:
        self._stream = stream
        self._advance = advance
        self.bytes_read = 0
        self.lines = 0
        self._is_table = True

    def read(self, size: int = -1) -> bytes:
        """Read on, and tell how far the reading has come."""
        block = self._stream.read(size)
        if not self.bytes_read:
            self._is_table = block[:1] not in _NO_TABLES
        self.bytes_read += len(block)
        self.lines += block.count(b"\n")
        self._advance(self.bytes_read)
        return block

    @property
    def rows(self) -> int | None:
        """About how many rows were in it; None if its lines don't tell, packed or in JSON."""
        return self.lines if self._is_table else None

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(1 << 18), b"")
