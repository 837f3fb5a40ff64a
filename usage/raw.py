"""Walking a job back to the accounting row that it was read from."""

from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from usage.evidence import EvidenceDamaged, blocks, read_range
from usage.models import Evidence, ImportRun, Job, JobRevision
from usage.reasons import FileRefused

SHOWN_STEPS = 200
_STEPS_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a revision of a job stands: the run that read it, and its place in the run's input.

    ``offset`` and ``size`` are bytes of the input once it is unpacked, the line's end included.
    ``replaced_at`` is None for the revision that holds.
    """

    job: Job
    revision: int
    run: ImportRun
    line: int
    offset: int
    size: int
    replaced_at: datetime | None = None

    @property
    def evidence(self) -> Evidence:
        return self.run.evidence


def origins(job: Job) -> list[Origin]:
    """Return where a job's revisions came from, the one that holds first."""
    rows = JobRevision.objects.filter(job=job).select_related("run__evidence")
    now = Origin(job, job.revision, job.run, job.line, job.raw_offset, job.raw_size)
    return [now, *(_earlier(job, row) for row in rows.order_by("-revision"))]


def _earlier(job: Job, row: JobRevision) -> Origin:
    return Origin(
        job, row.revision, row.run, row.line, row.raw_offset, row.raw_size, row.replaced_at
    )


def raw_row(job: Job) -> str:
    """Return the row that a job was last read from, as it came; empty if it is not there."""
    return row_at(job.run.evidence, offset=job.raw_offset, size=job.raw_size)


def row_at(evidence: Evidence, *, offset: int, size: int) -> str:
    """Return what stands at a place of an input; empty if the input ends before it, or can't be
    read. Of an input that came unpacked, only the pieces with the row are read."""
    try:
        found = read_range(evidence, offset, size)
    except (EvidenceDamaged, FileRefused):
        return ""
    return found.decode("utf-8", "backslashreplace").rstrip("\r\n") if len(found) == size else ""


def step_rows(origin: Origin) -> list[str]:
    """Return the rows of a job's steps as they came, which tell what it used: those that follow its
    own in a table, up to SHOWN_STEPS of them. In JSON they stand within the job's record."""
    try:
        header = read_range(origin.evidence, 0, _STEPS_BYTES)
        after = read_range(origin.evidence, origin.offset + origin.size, _STEPS_BYTES)
    except (EvidenceDamaged, FileRefused):
        return []
    place = _number_place(origin.run, header)
    if place is None:
        return []
    # Only a line feed ends a row, and the last one is whole only where the input ends.
    pieces = after.decode("utf-8", "backslashreplace").split("\n")
    whole = pieces[:-1] if len(after) == _STEPS_BYTES else pieces
    lines = [line.removesuffix("\r") for line in whole[:SHOWN_STEPS]]
    begin = f"{origin.job.job_id}."
    return list(takewhile(lambda line: _cell(line, place).startswith(begin), lines))


def _number_place(run: ImportRun, start: bytes) -> int | None:
    """Return which cell of a table's rows has the raw job id; None if it is no table."""
    first = start.removeprefix(_BOM).lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    names = [name.lower() for name in run.columns or first.strip().split("|")]
    return names.index("jobidraw") if "jobidraw" in names else None


def _cell(line: str, place: int) -> str:
    return (line.split("|") + [""] * (place + 1))[place]


def is_whole(evidence: Evidence) -> bool:
    """Whether evidence still has the digest by which it is known. Reads all of it, a piece at a
    time."""
    try:
        for _block in blocks(evidence):
            pass
    except EvidenceDamaged:
        return False
    return True
