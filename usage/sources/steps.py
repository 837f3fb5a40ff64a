"""Steps of a table, added up for the job that they belong to, as they go by.

sacct prints a job's steps directly after it, so the job is kept back until the next row is no step
of it: it comes after its steps, whatever their number. A step whose job does not stand before it is
of no job, and only counted.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from usage import used
from usage.sources.columns import Layout
from usage.sources.rows import Row
from usage.times import seconds
from usage.used import Sum


class _Open:
    """A job whose steps are going by."""

    __slots__ = ("_digest", "_sum", "number", "row")

    def __init__(self, row: Row, number: str) -> None:
        self.row = row
        self.number = number
        self._sum = Sum()
        self._digest = blake2b(digest_size=16)

    def add(self, step: Row, use: used.StepUse) -> None:
        """Add one of its steps."""
        self._sum.add(use)
        self._digest.update(step.raw.encode())
        self._digest.update(b"\n")

    def close(self, own_ms: int | None) -> Row:
        """Return the job's row with what its steps say."""
        self.row.used = self._sum.used(own_ms)
        if self._sum.steps:
            self.row.steps_digest = self._digest.digest()
        return self.row


class Steps:
    """What the columns of a table tell about steps."""

    def __init__(self, layout: Layout) -> None:
        columns: Sequence[str] = layout.columns
        places = {name: index for index, name in enumerate(columns)}
        self._number = places.get("JobIDRaw", places.get("JobID", 0))
        self._cpu = places.get("TotalCPU")
        self._rss = places.get("AveRSS")
        self._tasks = places.get("NTasks")
        self._elapsed = places.get("ElapsedRaw", places.get("Elapsed"))

    @property
    def are_told(self) -> bool:
        """Whether there is anything to add up."""
        return self._cpu is not None or (self._rss is not None and self._tasks is not None)

    def gathered(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield all rows, each job behind its steps."""
        job: _Open | None = None
        for row in rows:
            cells = row.cells
            number, is_step, _ = cells[self._number].partition(".") if cells else ("", "", "")
            if job is not None and is_step and cells and number == job.number:
                job.add(row, self._use(cells))
                yield row
                continue
            if job is not None:
                yield job.close(self._own(job.row))
                job = None
            if cells is None or is_step:
                yield row
            else:
                job = _Open(row, number)
        if job is not None:
            yield job.close(self._own(job.row))

    def _use(self, cells: Sequence[str]) -> used.StepUse:
        return used.step_of_cells(
            _cell(cells, self._cpu), _cell(cells, self._rss), _cell(cells, self._tasks),
            self._seconds(cells),
        )  # fmt: skip

    def _seconds(self, cells: Sequence[str]) -> int | None:
        text = _cell(cells, self._elapsed)
        try:
            return None if text is None else seconds(text)
        except ValueError:
            return None

    def _own(self, row: Row) -> int | None:
        text = _cell(row.cells, self._cpu) if row.cells else None
        try:
            return None if text is None else used.cpu_ms(text)
        except ValueError:
            return None


def _cell(cells: Sequence[str], place: int | None) -> str | None:
    return None if place is None else cells[place]
