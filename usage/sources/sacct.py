"""Reads what ``sacct --parsable2`` printed: one pass, constant memory, nothing lost.

Each logical row comes out once, as a job, a step, or bad with a reason. Its byte range is known,
and the ranges follow one another from the end of the header to the end of the input. Where steps
tell what a job used, it comes out behind its steps, which are added up for it. (A job name
that holds a whole forged row, line feed included, can't be told from a real one in text: leave
JobName out of the columns, or read JSON, where users are not trusted.)
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Literal, NamedTuple
from zoneinfo import ZoneInfo

from core.ahead import one_behind
from usage.normalise import JobRow, normalise_cells
from usage.reasons import FileRefused, Reason, RowError
from usage.sources.columns import (
    Layout,
    canonical,
    check_first_row,
    is_header,
    read_header,
    refuse_other_delimiter,
    require,
)
from usage.sources.lines import Lines
from usage.sources.rows import Assembler, Places, Row, stretches
from usage.sources.sieve import Recogniser, Sieve
from usage.sources.steps import Steps
from usage.times import Clock

UTC = ZoneInfo("UTC")
_READING = 2
"""Counted up when rows are read in another way, so that none is recognised by an old digest."""
_SIFTED_ROWS = 2000
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Parsed(NamedTuple):
    """One logical row of the input.

    ``line`` is the 1-based number of its first physical line, ``offset`` and ``size`` its bytes,
    with its line feeds and blank lines after it. ``raw`` is its text, safe to store: NUL and
    bytes that are not UTF-8 are spelled out (``\\x00``, ``\\xff``). ``reason`` is a Reason code
    for a bad row, else empty. ``digest`` covers the row and how it was read; the same row read in
    the same way says the same. It is empty where that is not known. A row of kind ``same`` was
    recognised by it: it says what its job says already, and was not interpreted. It stands for
    ``rows`` of them on end, and says nothing else.
    """

    line: int
    kind: Literal["job", "step", "bad", "same"]
    raw: str
    job: JobRow | None
    reason: str
    detail: str
    offset: int
    size: int
    digest: bytes = b""
    rows: int = 1


_SAME = Parsed(0, "same", "", None, "", "", 0, 0)


class SacctReader:
    """Iterate once for the rows. Raises FileRefused, from the constructor or on the way.

    ``zone`` reads times without an offset; ``now`` (aware) tells what is the future. ``columns``
    says what a file without a header holds. Rows that name a cluster, but none of
    ``cluster_names``, are bad (no names: any will do). ``knows_zone``: see Clock. After iteration
    ``truncated`` says whether the input ended within a line or a row, and ``rows`` how many rows
    there were: jobs + steps + bad + same. ``header_size`` counts the bytes before the first row.
    ``recognise``, if it is set before, is asked which rows need not be interpreted.
    """

    def __init__(
        self,
        stream: Iterable[bytes] | BinaryIO,
        *,
        columns: Sequence[str] | None = None,
        zone: ZoneInfo = UTC,
        now: datetime,
        max_line_bytes: int = 1 << 20,
        delimiter: str = "|",
        knows_zone: bool = True,
        cluster_names: Collection[str] = (),
    ) -> None:
        self._lines = Lines(stream, max_line_bytes)
        self._clock = Clock(zone, now, knows_zone=knows_zone)
        self._own = frozenset(name.lower() for name in cluster_names)
        self._delimiter = delimiter
        self._line_number = 0
        self.header_size = 0
        self.rows = 0
        line = self._first_line()
        text = line.decode("utf-8", "backslashreplace").removesuffix("\r")
        if columns is None:
            self.columns = read_header(text, delimiter)
            has_header = True
        else:
            self.columns = canonical(columns)
            has_header = self._check_given(text)
        if has_header:
            self._consume(line)
        self._layout = Layout(self.columns)
        self._steps = Steps(self._layout)
        first = [] if has_header else [line]
        self._assembler = Assembler(self._layout, delimiter, self._lines, max_line_bytes, first)
        way = (_READING, self.columns, delimiter, zone.key, knows_zone, sorted(self._own))
        key = self.columns.index("JobIDRaw") if "JobIDRaw" in self.columns else None
        self._sieve = Sieve(way, delimiter=delimiter, width=len(self.columns), key=key)

    @property
    def recognise(self) -> Recogniser | None:
        return self._sieve.recognise

    @recognise.setter
    def recognise(self, recognise: Recogniser) -> None:
        self._sieve.recognise = recognise

    @property
    def truncated(self) -> bool:
        return self._assembler.truncated

    def __iter__(self) -> Iterator[Parsed]:
        begin = self.header_size
        for row in self._known_or_whole(begin):
            parsed = _SAME._replace(rows=row) if isinstance(row, int) else self._parsed(row)
            self.rows += parsed.rows
            yield parsed
        self.header_size = begin + self._assembler.leading
        if not self.rows:
            raise FileRefused(
                "no_rows", "There is a header but no row: nothing ran, or sacct failed."
            )

    def _known_or_whole(self, begin: int) -> Iterator[Row | int]:
        """The rows, and how many on end are recognised. With its steps a row is more than a line,
        so then it is put together before it can be."""
        if not self._steps.are_told:
            return self._assembler.rows(self._line_number, begin, self._sieve.known)
        lines = self._assembler.rows(self._line_number, begin, lambda lines: lambda: ())
        return self._sifted(self._steps.gathered(row for row in lines if isinstance(row, Row)))

    def _sifted(self, rows: Iterator[Row]) -> Iterator[Row | int]:
        for some, answer in one_behind(self._some(rows)):
            for begin, end, is_known in stretches(answer(), len(some)):
                if is_known:
                    yield end - begin
                else:
                    yield from some[begin:end]

    def _some(self, rows: Iterator[Row]) -> Iterator[tuple[list[Row], Places]]:
        """Yield some rows at a time and which are known; then the refusal that ended them."""
        while True:
            some: list[Row] = []
            try:
                some.extend(islice(rows, _SIFTED_ROWS))
            except FileRefused:
                yield some, self._sieve.known_rows(some)
                raise
            if not some:
                return
            yield some, self._sieve.known_rows(some)

    def _parsed(self, row: Row) -> Parsed:
        if row.cells is None:
            return _bad(row, *(row.problem or (Reason.COLUMNS, "")))
        layout = self._layout
        cells: list[str | None] = [*row.cells, None]
        elsewhere = self._elsewhere(row.cells) if layout.cluster is not None else ""
        try:
            job = normalise_cells(layout.pick(cells), self._clock, layout.absent, row.used)
        except RowError as error:
            if elsewhere:
                return _bad(row, Reason.OTHER_CLUSTER, elsewhere)
            return _bad(row, error.reason, error.detail)
        if job is None:
            return Parsed(row.line, "step", row.raw, None, "", "", row.offset, row.size)
        if elsewhere:
            return _bad(row, Reason.OTHER_CLUSTER, elsewhere)
        if row.flags:
            job = job._replace(flags=job.flags + _flags(row, job))
        digest = b"" if row.flags else self._sieve.digest_of(row)
        return Parsed(row.line, "job", row.raw, job, "", "", row.offset, row.size, digest)

    def _elsewhere(self, cells: Sequence[str]) -> str:
        """The other cluster that the row names; empty if it is ours or not named."""
        name = cells[self._layout.cluster or 0]
        return name[:64] if self._own and name and name.lower() not in self._own else ""

    def _first_line(self) -> bytes:
        """The first line that isn't blank, without a byte order mark."""
        for number, line in enumerate(self._lines):
            bare = line
            if number == 0 and line.startswith(_UTF16):
                raise FileRefused("encoding", "This is UTF-16. Save the file as UTF-8.")
            if number == 0 and line.startswith(_BOM):
                self.header_size = len(_BOM)
                bare = line[len(_BOM) :]
            if bare.strip():
                return bare
            self._consume(bare)
        raise FileRefused("empty", "There is nothing in it, not even a header. Did sacct fail?")

    def _consume(self, line: bytes) -> None:
        self._line_number += 1
        self.header_size += len(line) + (0 if self._lines.unterminated else 1)

    def _check_given(self, text: str) -> bool:
        """Compare the columns given with the first line; whether that is a header."""
        require(self.columns)
        cells = text.split(self._delimiter)
        if is_header(cells):
            if canonical(cells) != self.columns:
                raise FileRefused(
                    "header_mismatch",
                    "The file has a header, and it differs from the columns given. Leave them out.",
                )
            return True
        refuse_other_delimiter(text, self._delimiter)
        check_first_row(text, len(self.columns), self._delimiter)
        return False


def _bad(row: Row, reason: str, detail: str) -> Parsed:
    return Parsed(row.line, "bad", row.raw, None, str(reason), detail, row.offset, row.size)


def _flags(row: Row, job: JobRow) -> tuple[str, ...]:
    """The row's flags, once each, with the text named that bytes were replaced in."""
    name = "\ufffd" in job.name
    flags = dict.fromkeys(row.flags)
    return tuple("name_bad_utf8" if name and flag == "bad_utf8" else flag for flag in flags)
