"""Knowing rows of a table again by their bytes, so that those that did not change are not read.

Most rows of a night were read the night before. A row is known again only where nothing else is
possible than that it is a row: it is a line with as many cells as there are columns, and so is the
next one, so that nothing of it stands on another line.
"""

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import TypeVar

from usage.sources.rows import Places, Row

T = TypeVar("T")
Sketch = tuple[int, int, bytes]
"""Of a row: its place, its job id and its digest."""
Recogniser = Callable[[Collection[int]], Callable[[], Collection[bytes]]]
"""Given the ids of some jobs, asks for the digests of rows that say what those jobs say already;
returns what waits for them."""

DIGEST_BYTES = 16
_PASSED_OVER = 9
_KEY_DIGITS = 10


class Sieve:
    """Tells which lines of a block are rows that are known. ``way`` is all that decides, besides
    its bytes, how a row is read; ``key`` is the place of the job id among ``width`` cells, None if
    there is none."""

    def __init__(self, way: object, *, delimiter: str, width: int, key: int | None) -> None:
        self.recognise: Recogniser | None = None
        # As a "person" it costs no block of the digest of each row.
        person = blake2b(repr(way).encode(), digest_size=blake2b.PERSON_SIZE).digest()
        self._digest = blake2b(digest_size=DIGEST_BYTES, person=person)
        self._delimiter = delimiter.encode()
        self._width = width
        self._key = key
        self._pass_over = 0

    def digest_of(self, row: Row) -> bytes:
        """Return what a row is known again by."""
        digest = self._digest.copy()
        digest.update(row.raw.encode())
        digest.update(row.steps_digest)
        return digest.digest()

    def known(self, lines: Sequence[bytes]) -> Places:
        """Ask for the places of the lines that are known.

        Where none is, as in a first import, the next ones are not even asked about.
        """
        return self._known(lines, self._sketches)

    def known_rows(self, rows: Sequence[Row]) -> Places:
        """Ask for the places of the rows that are known, with their steps."""
        return self._known(rows, self._sketches_of_rows)

    def _known(
        self, things: Sequence[T], sketch: Callable[[Sequence[T], int], list[Sketch]]
    ) -> Places:
        if self.recognise is None or self._key is None:
            return _none
        if self._pass_over:
            self._pass_over -= 1
            return _none
        sketches = sketch(things, self._key)
        if not sketches:
            return _none
        answer = self.recognise({job_id for _place, job_id, _digest in sketches})

        def places() -> Collection[int]:
            digests = answer()
            found = {place for place, _job_id, digest in sketches if digest in digests}
            self._pass_over = 0 if found else _PASSED_OVER
            return found

        return places

    def _sketches(self, lines: Sequence[bytes], key: int) -> list[Sketch]:
        """The lines that are certainly rows."""
        delimiter, digest, found = self._delimiter, self._digest, []
        is_odd = _is_odd(b"\n".join(lines), delimiter)
        delimiters = self._width - 1
        is_whole = [line.count(delimiter) == delimiters for line in lines]
        for place, (is_row, next_is) in enumerate(pairwise(is_whole)):
            if not (is_row and next_is):
                continue
            row = lines[place]
            if is_odd:
                row = row.removesuffix(b"\r")
                if _is_odd(row, delimiter):
                    continue
            job_id = row.split(delimiter, key + 1)[key]
            if job_id.isdigit() and len(job_id) <= _KEY_DIGITS:
                copy = digest.copy()
                copy.update(row)
                found.append((place, int(job_id), copy.digest()))
        return found

    def _sketches_of_rows(self, rows: Sequence[Row], key: int) -> list[Sketch]:
        """The plain rows."""
        return [
            (place, int(row.cells[key]), self.digest_of(row))
            for place, row in enumerate(rows)
            if row.cells is not None
            and not (row.flags or row.cut)
            and row.cells[key].isdecimal()
            and len(row.cells[key]) <= _KEY_DIGITS
        ]


def _none() -> Collection[int]:
    return ()


def _is_odd(text: bytes, delimiter: bytes) -> bool:
    r"""Whether a text holds what is not read as it stands: a carriage return, NUL, ``\x1f`` where
    it is no delimiter, or bytes that are not UTF-8."""
    if b"\r" in text or b"\0" in text or (b"\x1f" in text and delimiter != b"\x1f"):
        return True
    if text.isascii():
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return False
