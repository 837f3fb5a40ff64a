"""Rows with more delimiters than columns: which of them belong to free text?

A job name may hold ``|``. When everything that is billed stands before the first free text, the
answer doesn't matter. Otherwise all readings are tried under which each cell looks like what its
column holds; one that is billed differently from another makes the row ambiguous, and it is not
read at all.
"""

from collections.abc import Iterator, Sequence

from usage.sources.columns import Layout

MAX_SURPLUS = 32
MAX_TAIL = 1024


def recover(layout: Layout, cells: Sequence[str], delimiter: str) -> list[str] | None:
    """The row's cells, as many as columns; None when no reading fits or two differ in what is
    billed.
    """
    surplus = len(cells) - layout.width
    if surplus < 0 or surplus > (MAX_TAIL if layout.simple_tail else MAX_SURPLUS):
        return None
    if layout.simple_tail:
        return _tail(layout, cells, delimiter)
    return _search(layout, cells, surplus, delimiter)


def _tail(layout: Layout, cells: Sequence[str], delimiter: str) -> list[str] | None:
    # Another row in the free text means that a line feed was lost, or that somebody forges rows.
    beyond = range(1, len(cells) - layout.width + 1)
    if any(layout.resembles_row(cells[start : start + layout.width]) for start in beyond):
        return None
    keep = layout.width - 1
    row = [*cells[:keep], delimiter.join(cells[keep:])]
    return row if layout.fits(row) else None


def _search(layout: Layout, cells: Sequence[str], surplus: int, delimiter: str) -> list[str] | None:
    # For each surplus used so far, up to two readings that are billed differently: more can't help.
    readings: dict[int, list[list[str]]] = {0: [[]]}
    for free, start, stop in _groups(layout):
        following: dict[int, list[list[str]]] = {}
        last = stop == layout.width
        # Of readings that are billed alike, the one that gives the earlier text more is kept: what
        # comes after a job name is rarely free.
        for used, rows in sorted(readings.items(), reverse=True):
            for extra in _extras(surplus - used, free=free, last=last):
                piece = _piece(cells[start + used : stop + used + extra], stop - start, delimiter)
                if not free and not _fits(layout, piece, start):
                    continue
                kept = following.setdefault(used + extra, [])
                for row in rows:
                    _keep(layout, kept, row + piece)
        readings = following
    found = readings.get(surplus, [])
    return found[0] if len(found) == 1 else None


def _groups(layout: Layout) -> Iterator[tuple[bool, int, int]]:
    """Runs of neighbouring columns that are all free text, or all not: (free, start, stop)."""
    start = 0
    for index in range(1, layout.width + 1):
        if index == layout.width or layout.free[index] != layout.free[start]:
            yield layout.free[start], start, index
            start = index


def _extras(left: int, *, free: bool, last: bool) -> range:
    if not free:
        return range(1)
    return range(left, left + 1) if last else range(left + 1)


def _piece(cells: Sequence[str], width: int, delimiter: str) -> list[str]:
    """Neighbouring free texts: the last of them takes the surplus, whichever it was."""
    return [*cells[: width - 1], delimiter.join(cells[width - 1 :])]


def _fits(layout: Layout, piece: Sequence[str], start: int) -> bool:
    return all(layout.plausible(index, cell) for index, cell in enumerate(piece, start))


def _keep(layout: Layout, kept: list[list[str]], row: list[str]) -> None:
    if len(kept) < 2 and all(_billed(layout, row) != _billed(layout, other) for other in kept):
        kept.append(row)


def _billed(layout: Layout, row: Sequence[str]) -> list[str]:
    return [row[index] for index in layout.used if index < len(row) and not layout.free[index]]
