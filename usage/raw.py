"""Walking a job back to the accounting row that it was read from."""

import zlib
from dataclasses import dataclass
from datetime import datetime

from usage.evidence import CHUNK_BYTES, EvidenceDamaged, blocks, open_evidence
from usage.models import Evidence, EvidenceChunk, ImportRun, Job, JobRevision
from usage.sources.columns import FileRefused
from usage.sources.unpacking import is_packed, unpacked


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
        found = _bytes_at(evidence, offset, size)
    except (EvidenceDamaged, FileRefused, zlib.error):
        return ""
    return found.decode("utf-8", "backslashreplace").rstrip("\r\n") if len(found) == size else ""


def is_whole(evidence: Evidence) -> bool:
    """Whether evidence still has the digest by which it is known. Reads all of it, a piece at a
    time."""
    try:
        for _block in blocks(evidence):
            pass
    except (EvidenceDamaged, zlib.error):
        return False
    return True


def _bytes_at(evidence: Evidence, offset: int, size: int) -> bytes:
    first = _chunk(evidence, 0)
    if is_packed(first):
        return _skipped(evidence, offset, size)
    if not first:
        return b""
    # Pieces are of one length, but the last.
    index, skip = divmod(offset, len(first))
    found = first[skip:] if index == 0 else _chunk(evidence, index)[skip:]
    while found and len(found) < size and (more := _chunk(evidence, index := index + 1)):
        found += more
    return found[:size]


def _chunk(evidence: Evidence, index: int) -> bytes:
    chunks = EvidenceChunk.objects.filter(evidence=evidence, index=index)
    packed = chunks.values_list("data", flat=True).first()
    return b"" if packed is None else zlib.decompress(bytes(packed))


def _skipped(evidence: Evidence, offset: int, size: int) -> bytes:
    stream = unpacked(open_evidence(evidence))
    while offset and (block := stream.read(min(offset, CHUNK_BYTES))):
        offset -= len(block)
    return stream.read(size)
