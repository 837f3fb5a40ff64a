"""Physical lines from a stream of bytes, in bounded memory."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from usage.reasons import FileRefused

CHUNK = 1 << 18


class Lines:
    """Iterates over lines without their line feed; ``unterminated`` once the last one had none.

    A line longer than ``max_line_bytes`` refuses the file: what can't be held can't be kept either.
    """

    def __init__(self, stream: Iterable[bytes] | BinaryIO, max_line_bytes: int) -> None:
        self._chunks = _chunks(stream)
        self._limit = max_line_bytes
        self.unterminated = False
        self._blocks = self._read()
        self._block: Iterator[bytes] = iter(())

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        for line in self._block:
            return line
        self._block = iter(next(self._blocks))
        return next(self)

    def block(self) -> list[bytes]:
        """Return the next lines, as many as are at hand; none at the end."""
        found = list(self._block)
        while not found:
            try:
                found = next(self._blocks)
            except StopIteration:
                break
        return found

    def _read(self) -> Iterator[list[bytes]]:
        number = 1
        rest = b""
        for chunk in self._chunks:
            data = rest + chunk
            lines = data.split(b"\n")
            rest = lines.pop()
            if len(data) > self._limit:
                self._check(lines, rest, number)
            number += len(lines)
            yield lines
        if rest:
            self.unterminated = True
            yield [rest]

    def _check(self, lines: list[bytes], rest: bytes, number: int) -> None:
        for offset, line in enumerate((*lines, rest)):
            if len(line) > self._limit:
                raise FileRefused(
                    "line_too_long",
                    f"Line {number + offset} is longer than {self._limit} bytes. Leave free text"
                    " such as SubmitLine and Comment out of the columns.",
                )


def _chunks(stream: Iterable[bytes] | BinaryIO) -> Iterator[bytes]:
    read = getattr(stream, "read", None)
    if read is None:
        for piece in stream:
            # A caller's piece may be of any size; smaller ones keep the bound on memory ours.
            for start in range(0, len(piece), CHUNK):
                yield piece[start : start + CHUNK]
    else:
        while chunk := read(CHUNK):
            yield chunk
