"""The contract of every source: one window of accounting, whole or not at all."""

from dataclasses import dataclass
from typing import BinaryIO, Protocol

from core.intervals import Interval
from usage.sources.unpacking import Readable

MAX_ANSWER_BYTES = 8 << 30
"""More than any window should hold; a larger one is split."""


class SourceFailed(Exception):
    """A source did not give a window. Nothing of what it wrote may be imported.

    ``code`` is stable and kept with the window: connection, unreachable, tls, refused, redirect,
    timeout, too_large, error_answer, not_json, cut_off, no_api, unknown_cluster, role, token,
    not_started, exit_status, stderr, not_sacct, time_format, no_file, several_files, bad_file,
    storage. The message is for the operator, in English, and never holds a secret.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class WindowTooLarge(SourceFailed):
    """Too much for one answer, or not in time: the caller splits the window and asks again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source gave for a window.

    ``label`` names the source for people, such as ``slurmrestd v0.0.41 (main)``. ``columns`` are
    those of an answer without a header; an answer with one has none here. ``time_zone`` reads times
    that carry no offset. ``empty`` says that the source was seen to answer, for a cluster that it
    knows, and that there is no job in the window; what was written then needs no import.
    """

    label: str
    columns: tuple[str, ...] = ()
    time_zone: str = "UTC"
    empty: bool = False


def keep(into: BinaryIO, block: bytes) -> None:
    """Write a piece of an answer. Raises SourceFailed (code ``storage``) if the disk is full."""
    try:
        into.write(block)
    except OSError as error:
        raise SourceFailed("storage", f"The answer can't be kept here: {error}.") from error


class Copied:
    """What is read of a stream is written to a file as well, up to a limit in bytes. Raises
    WindowTooLarge beyond it, and SourceFailed if the disk is full."""

    def __init__(self, stream: Readable, into: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._into = into
        self._limit = limit
        self._size = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; nothing at the end."""
        block = self._stream.read(size)
        self._size += len(block)
        if self._size > self._limit:
            raise over(self._limit)
        keep(self._into, block)
        return block


def over(limit: int) -> WindowTooLarge:
    """Return the refusal of an answer that is larger than a limit in bytes."""
    return WindowTooLarge("too_large", f"The answer is larger than {limit} bytes.")


class Source(Protocol):
    """Where the accounting of one cluster comes from."""

    kind: str

    def fetch(self, window: Interval, into: BinaryIO) -> Fetched:
        """Write the whole answer for a window to ``into``, in constant memory.

        The answer holds every job that was eligible before ``window.end`` and had not ended before
        ``window.start``: running jobs are among them. It may hold more; a job's identity makes an
        overlap harmless. ``into`` is a seekable binary file opened for reading and writing, such as
        a temporary file; it is filled from its beginning, emptied before each new try, and what is
        in it means nothing unless this returns.

        Raises SourceFailed, or WindowTooLarge if half the window may work.
        """
        ...
