"""Puts physical lines together to logical rows: job names may hold delimiters and line feeds.

A row is put together only where one reading is possible. Every line ends up in exactly one row.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from core.ahead import one_behind
from usage.reasons import Reason
from usage.sources.columns import Layout
from usage.sources.lines import Lines
from usage.sources.recover import recover
from usage.used import UNKNOWN, Used

MAX_JOINED_LINES = 64

Places = Callable[[], Collection[int]]
"""Waits for the places of what is known."""
Known = Callable[[Sequence[bytes]], Places]
"""Asks which of some lines, by place, are rows that are known and need not be read."""


def stretches(known: Collection[int], total: int) -> Iterator[tuple[int, int, bool]]:
    """Yield where each stretch of known or unknown places begins and ends, and whether it is known;
    from 0 to ``total``, without gaps."""
    if not known:
        yield 0, total, False
        return
    begin = 0
    for place in [place for place in range(total) if place not in known]:
        if begin < place:
            yield begin, place, True
        yield place, place + 1, False
        begin = place + 1
    if begin < total:
        yield begin, total, True


@dataclass(slots=True)
class Row:
    """A logical row. ``cells`` has one text per column, or is None for a row that can't be read.

    ``cut``: the input ended within it. ``raw`` is safe to store. ``problem``: why it can't be read.
    ``used`` and ``steps_digest`` are filled where steps are read: what they used, and their text.
    """

    line: int
    offset: int
    size: int
    raw: str
    cells: list[str] | None
    cut: bool
    flags: tuple[str, ...] = ()
    problem: tuple[Reason, str] | None = None
    used: Used = UNKNOWN
    steps_digest: bytes = b""


class Assembler:
    """Iterate once for the rows, in the order and without gaps between their bytes.

    Instead of rows on end that ``known`` told to be known it gives their number. ``line_number``
    and ``offset`` are where the input goes on; ``first`` is a line that was read ahead.
    """

    def __init__(
        self, layout: Layout, delimiter: str, lines: Lines, max_bytes: int, first: list[bytes]
    ) -> None:
        self._layout = layout
        self._delimiter = delimiter
        self._lines = lines
        self._max_bytes = max_bytes
        self._first = first
        self._held: Row | None = None
        self._open: list[Row] = []
        self._begun = False
        self._line_number = self._offset = 0
        self.leading = 0
        self.truncated = False

    def rows(self, line_number: int, offset: int, known: Known) -> Iterator[Row | int]:
        self._line_number, self._offset = line_number, offset
        for block, cut, answer in one_behind(self._blocks(known)):
            passed = () if self._open else answer()
            for begin, end, is_known in stretches(passed, len(block)):
                lines = block[begin:end]
                if is_known and not self._open:
                    yield from self._pass_over(lines)
                else:
                    yield from self._read(lines, cut)
        yield from self._end()

    def _pass_over(self, lines: Sequence[bytes]) -> Iterator[Row | int]:
        """Rows that are known are counted, with their line feeds: each has a line after it."""
        self._line_number += len(lines)
        self._offset += sum(map(len, lines)) + len(lines)
        yield from self._hold(None)
        self._begun = True
        yield len(lines)

    def _read(self, lines: Sequence[bytes], cut: bool) -> Iterator[Row]:
        width, delimiter = self._layout.width, self._delimiter
        typable = delimiter == "\x1f"
        for line in lines:
            self._line_number += 1
            number, offset, size = self._line_number, self._offset, len(line) + (not cut)
            self._offset += size
            try:
                raw = line.decode()
            except UnicodeDecodeError:
                row = self._not_utf8(line, number, offset, cut)
            else:
                raw = raw.removesuffix("\r")
                row = Row(number, offset, size, raw, raw.split(delimiter), cut)
            if b"\0" in line or (b"\x1f" in line and not typable):
                self._spoil(row)
            if row.cells is not None and len(row.cells) == width and not self._open:
                # The usual case: a whole row, which ends the one before it.
                if self._held is not None:
                    yield self._held
                self._held = row
                self._begun = True
            else:
                yield from self._feed(row)

    def _blocks(self, known: Known) -> Iterator[tuple[list[bytes], bool, Places]]:
        """Yield some lines at a time, whether the last one is cut off, and which are known."""
        block = self._first or self._lines.block()
        while block:
            yield block, self._lines.unterminated, known(block)
            block = self._lines.block()

    def _not_utf8(self, line: bytes, number: int, offset: int, cut: bool) -> Row:
        bare = line.removesuffix(b"\r")
        raw = bare.decode("utf-8", "backslashreplace")
        cells = bare.decode("utf-8", "replace").split(self._delimiter)
        return Row(number, offset, len(line) + (not cut), raw, cells, cut, ("bad_utf8",))

    def _feed(self, row: Row) -> Iterator[Row]:
        if self._open:
            yield from self._continue(row)
        elif row.cells is None:
            yield from self._hold(row)
        elif not row.raw.strip():
            yield from self._blank(row)
        elif len(row.cells) >= self._layout.width:
            yield from self._hold(self._whole(row))
        elif self._layout.begins_row(row.cells):
            yield from self._hold(None)
            self._begun = True
            self._open = [row]
        elif self._belongs_to_name(row):
            self._append(row)
        else:
            self._doubt_held()
            yield from self._hold(self._bad(row))

    def _doubt_held(self) -> None:
        """A fragment follows a row: it may be what a line feed in a name cut off from that row.

        Then a user wrote the row's end. That matters where billed cells come after the name.
        """
        if self._layout.exposed and self._held is not None and self._held.cells is not None:
            self._bad(self._held, Reason.NEWLINE, "a fragment follows: a name may have cut it")

    def _hold(self, row: Row | None) -> Iterator[Row]:
        """Pass on the row before; keep this one, for the next line may belong to it."""
        self._begun = self._begun or row is not None
        if self._held is not None:
            yield self._held
        self._held = row

    def _blank(self, row: Row) -> Iterator[Row]:
        """A blank line says nothing; its bytes go with the row before it, or with the header."""
        if self._held is not None:
            self._held.size += row.size
        elif self._begun:
            yield from self._hold(self._bad(row))
        else:
            self.leading += row.size

    def _whole(self, row: Row) -> Row:
        """A row with as many cells as columns or more."""
        cells = row.cells or []
        if len(cells) == self._layout.width:
            return row
        found = self._reading(cells)
        if found is None:
            return self._bad(row)
        row.cells = found
        row.flags += ("delimiter_in_text",)
        return row

    def _reading(self, cells: list[str]) -> list[str] | None:
        if len(cells) == self._layout.width:
            return cells if self._layout.fits(cells) else None
        # With a unit separator nobody can have typed the delimiter: the row is simply wrong.
        return None if self._delimiter == "\x1f" else recover(self._layout, cells, self._delimiter)

    def _belongs_to_name(self, row: Row) -> bool:
        held = self._held
        return (
            held is not None
            and held.cells is not None
            and self._layout.last_free
            and not row.cut
            and held.size + row.size <= self._max_bytes
            and held.raw.count("\n") < MAX_JOINED_LINES
        )

    def _append(self, row: Row) -> None:
        held = self._held
        if held is None or held.cells is None:
            raise AssertionError("nothing to append to")
        held.raw += "\n" + row.raw
        held.cells[-1] += "\n" + self._delimiter.join(row.cells or ())
        held.flags += ("newline_in_text", *row.flags)
        held.size += row.size

    def _continue(self, row: Row) -> Iterator[Row]:
        """A line after the beginning of a row."""
        if row.cells is None:
            yield from self._give_up()
            yield from self._feed(row)
            return
        self._open.append(row)
        joined = self._join()
        if joined is None:
            yield from self._give_up()
        elif len(joined.cells or ()) >= self._layout.width:
            yield from self._close(row, joined)

    def _close(self, row: Row, joined: Row) -> Iterator[Row]:
        found = self._reading(joined.cells or [])
        alone = len(row.cells or ()) >= self._layout.width and self._reading(row.cells or [])
        if found is None:
            yield from self._give_up()
        elif alone:
            # A row with a line feed in it, or a cut row and a whole one: both can be read.
            rows, self._open = self._open, []
            for each in rows:
                yield from self._hold(
                    self._bad(each, Reason.NEWLINE, "a line feed that can be read in two ways")
                )
        else:
            self._open = []
            joined.cells = found
            yield from self._hold(joined)

    def _join(self) -> Row | None:
        """The open lines as one row; None when they are too many or too large."""
        first = self._open[0]
        size = sum(row.size for row in self._open)
        if len(self._open) > MAX_JOINED_LINES or size > self._max_bytes:
            return None
        cells: list[str] = []
        for row in self._open:
            more = row.cells or [""]
            cells = [*cells[:-1], f"{cells[-1]}\n{more[0]}", *more[1:]] if cells else list(more)
        return Row(
            first.line,
            first.offset,
            size,
            "\n".join(row.raw for row in self._open),
            cells,
            self._open[-1].cut,
            ("newline_in_text", *(flag for row in self._open for flag in row.flags)),
        )

    def _give_up(self) -> Iterator[Row]:
        """What was taken for the beginning of a row is none: quarantine it, look at the rest
        again.
        """
        first, *rest = self._open
        self._open = []
        yield from self._hold(self._bad(first))
        for row in rest:
            yield from self._feed(row)

    def _end(self) -> Iterator[Row]:
        while self._open:
            first, *rest = self._open
            self._open = []
            self.truncated = True
            yield from self._hold(
                self._bad(first, Reason.TRUNCATED, "the input ends within this row")
            )
            for row in rest:
                yield from self._feed(row)
        held = self._held
        if held is None:
            return
        if held.cut:
            self.truncated = True
            unread = held.problem is not None and held.problem[0] is Reason.COLUMNS
            if unread or (held.cells is not None and not self._layout.last_harmless):
                self._bad(held, Reason.TRUNCATED, "the input ends within this row")
        yield held

    def _bad(self, row: Row, reason: Reason = Reason.COLUMNS, detail: str = "") -> Row:
        found = len(row.cells or ())
        row.cells = None
        row.problem = (
            reason,
            detail or f"{found} columns where {self._layout.width} are expected",
        )
        return row

    def _spoil(self, row: Row) -> None:
        if "\0" in row.raw:
            row.raw = row.raw.replace("\0", "\\x00")
            self._bad(row, Reason.NUL, "a NUL character")
        else:
            self._bad(row, Reason.CONTROL_CHARACTER, "a unit separator within a cell")
