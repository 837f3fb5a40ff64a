"""Keeping input as it came, and reading it back as a stream, in constant memory."""

import hashlib
import io
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, BinaryIO, NamedTuple

from django.db import connection, transaction

from core.ahead import one_behind
from usage.models import Evidence, EvidenceChunk
from usage.sources import unpacking
from usage.sources.formats import content_digest, is_bare
from usage.sources.unpacking import Readable, zstd

CHUNK_BYTES = 1 << 20
"""Raw bytes in one stored chunk, before compression."""
MOST_CHUNKS = 16
"""So many stored chunks are kept at hand for a reader that works ahead."""

# In the binary format, because bytes are twice as long in a statement.
_ADD_CHUNKS = "COPY usage_evidencechunk (evidence_id, index, data) FROM STDIN (FORMAT BINARY)"


class EvidenceDamaged(RuntimeError):
    """Stored evidence does not match its digest: someone changed it behind the application."""


def store(stream: Readable) -> Evidence:
    """Store a stream and return its evidence. Input that is there already, or whose accounting is,
    in whatever wrapping, is not stored again.

    It goes to disk first, because its digests decide whether it is new.
    """
    with tempfile.TemporaryFile() as spool, tempfile.TemporaryFile() as chunks:
        found = _spool(stream, spool, chunks)
        known = Evidence.objects.filter(sha256=found.sha256).first()
        if known is not None:
            return known
        content = found.sha256
        if not is_bare(found.first):
            spool.seek(0)
            content = content_digest(spool, found.sha256)
        known = Evidence.objects.filter(content_sha256=content).first()
        if known is not None:
            return known
        chunks.seek(0)
        described = {
            "sha256": found.sha256,
            "is_packed": unpacking.is_packed(found.first),
            "chunk_bytes": CHUNK_BYTES,
            "size_bytes": found.size,
            "stored_bytes": sum(found.lengths),
        }
        return _keep(content, described, map(chunks.read, found.lengths))


class _Spooled(NamedTuple):
    """What came: its SHA-256 (hex), its first block, its size and those of its packed chunks."""

    sha256: str
    first: bytes
    size: int
    lengths: Sequence[int]


def _spool(stream: Readable, spool: BinaryIO, chunks: BinaryIO) -> _Spooled:
    """Write a stream to disk packed in chunks, one block while the next one is read; and as it is,
    if it has to be read to tell its accounting."""
    digest, first, size = hashlib.sha256(), b"", 0

    def packed(packer: Executor) -> Iterator[Future[bytes]]:
        nonlocal first, size
        for block in _blocks(stream):
            future = packer.submit(zstd.compress, block)
            digest.update(block)
            first, size = first or block, size + len(block)
            if not is_bare(first):
                spool.write(block)
            yield future

    with ThreadPoolExecutor(1) as packer:
        lengths = [chunks.write(future.result()) for future in one_behind(packed(packer))]
    return _Spooled(digest.hexdigest(), first, size, lengths)


def _blocks(stream: Readable) -> Iterator[bytes]:
    """Yield what a stream has left in blocks as large as a chunk, whatever it gives at a time."""
    block = b""
    while more := stream.read(CHUNK_BYTES - len(block)):
        block += more
        if len(block) == CHUNK_BYTES:
            yield block
            block = b""
    if block:
        yield block


@transaction.atomic
def _keep(content: str, described: Mapping[str, Any], chunks: Iterable[bytes]) -> Evidence:
    evidence, created = Evidence.objects.get_or_create(content_sha256=content, defaults=described)
    if created:
        with (
            connection.cursor() as cursor,
            connection.wrap_database_errors,
            cursor.copy(_ADD_CHUNKS) as copy,
        ):
            copy.set_types(("int8", "int4", "bytea"))
            for index, data in enumerate(chunks):
                copy.write_row((evidence.pk, index, data))
    return evidence


def _unpack(chunk: bytes | memoryview) -> bytes:
    try:
        return zstd.decompress(chunk)
    except zstd.ZstdError as error:
        raise EvidenceDamaged(f"a chunk of evidence can't be unpacked: {error}") from error


class Chunks:
    """The stored chunks of a piece of evidence in their order, some of them fetched beforehand.

    ``next`` may be called from another thread than the one that has the connection, if ``ask`` has
    the fetching done there.
    """

    def __init__(
        self, evidence: Evidence, ask: Callable[[Callable[[], None]], None] = lambda fetch: fetch()
    ) -> None:
        self._evidence_id = evidence.pk
        self._ask = ask
        self._index = 0
        self._wanted = 1
        self._taken = 0
        self._ended = False
        self._ready: deque[bytes | memoryview] = deque()

    def next(self) -> bytes:
        """Return the next chunk unpacked; nothing after the last."""
        if not self._ready:
            self._ask(self.fetch)
        if not self._ready:
            return b""
        self._taken += 1
        return _unpack(self._ready.popleft())

    def fetch(self) -> None:
        """Have as many chunks at hand as will be wanted soon: twice what was taken since."""
        self._wanted, self._taken = min(max(self._wanted, 2 * self._taken), MOST_CHUNKS), 0
        missing = self._wanted - len(self._ready)
        if missing <= 0 or self._ended:
            return
        chunks = EvidenceChunk.objects.filter(
            evidence_id=self._evidence_id, index__range=(self._index, self._index + missing - 1)
        )
        found = list(chunks.order_by("index").values_list("data", flat=True))
        self._index += len(found)
        self._ended = len(found) < missing
        self._ready.extend(found)


class _Raw(io.RawIOBase):
    """A readable stream over chunks, one of them unpacked in memory."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._chunks.next()
        view = memoryview(buffer)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def open_evidence(evidence: Evidence, chunks: Chunks | None = None) -> BinaryIO:
    """Return the original bytes of a piece of evidence as a buffered binary stream."""
    return io.BufferedReader(_Raw(chunks or Chunks(evidence)), buffer_size=1 << 16)


def read_range(evidence: Evidence, offset: int, size: int) -> bytes:
    """Return some bytes of the unpacked input, without reading what is before them.

    Of input that came packed, what is before them has to be unpacked, in constant memory.
    """
    if evidence.is_packed:
        stream = unpacking.unpacked(open_evidence(evidence))
        while offset:
            skipped = len(stream.read(min(offset, CHUNK_BYTES)))
            if not skipped:
                return b""
            offset -= skipped
        return stream.read(size)
    first, last = offset // evidence.chunk_bytes, (offset + size - 1) // evidence.chunk_bytes
    chunks = EvidenceChunk.objects.filter(evidence=evidence, index__range=(first, last))
    rows = chunks.order_by("index").values_list("data", flat=True)
    begin = offset - first * evidence.chunk_bytes
    return b"".join(_unpack(row) for row in rows)[begin : begin + size]


def blocks(evidence: Evidence) -> Iterator[bytes]:
    """Yield the original bytes in blocks and raise EvidenceDamaged if the digest is not theirs."""
    digest = hashlib.sha256()
    stream = open_evidence(evidence)
    while block := stream.read(CHUNK_BYTES):
        digest.update(block)
        yield block
    if digest.hexdigest() != evidence.sha256:
        raise EvidenceDamaged(f"evidence {evidence.pk} does not match its SHA-256")
