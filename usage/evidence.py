"""Keeping input as it came, and reading it back as a stream, in constant memory."""

import hashlib
import io
import tempfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from django.db import transaction

from usage.models import Evidence, EvidenceChunk

CHUNK_BYTES = 1 << 20
"""Raw bytes in one stored chunk, before compression."""


class Readable(Protocol):
    """Anything that gives bytes when asked: a file, an upload, standard input."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; nothing at the end."""
        ...


class EvidenceDamaged(RuntimeError):
    """Stored evidence does not match its digest: someone changed it behind the application."""


def sha256_of_stream(stream: Readable) -> str:
    """Return the SHA-256 (hex) of what a stream has left, read in constant memory."""
    digest = hashlib.sha256()
    while block := stream.read(CHUNK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def store(stream: Readable) -> Evidence:
    """Store a stream and return its evidence; input that is there already is not stored again.

    The stream is spooled to disk first, because its digest decides whether it is new.
    """
    digest, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile() as spool:
        while block := stream.read(CHUNK_BYTES):
            digest.update(block)
            size += len(block)
            spool.write(block)
        known = Evidence.objects.filter(sha256=digest.hexdigest()).first()
        if known is not None:
            return known
        spool.seek(0)
        return _store_spooled(spool, sha256=digest.hexdigest(), size=size)


@transaction.atomic
def _store_spooled(spool: BinaryIO, *, sha256: str, size: int) -> Evidence:
    blocks = (zlib.compress(block) for block in iter(lambda: spool.read(CHUNK_BYTES), b""))
    with tempfile.TemporaryFile() as packed:
        lengths = [packed.write(block) for block in blocks]
        packed.seek(0)
        evidence, created = Evidence.objects.get_or_create(
            sha256=sha256, defaults={"size_bytes": size, "stored_bytes": sum(lengths)}
        )
        if created:
            for index, length in enumerate(lengths):
                EvidenceChunk.objects.create(
                    evidence=evidence, index=index, data=packed.read(length)
                )
    return evidence


class _Raw(io.RawIOBase):
    """A readable stream over the chunks of one piece of evidence, one chunk in memory."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence_id = evidence.pk
        self._index = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._next()
        view = memoryview(buffer)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self) -> bytes:
        chunks = EvidenceChunk.objects.filter(evidence_id=self._evidence_id, index=self._index)
        row = chunks.values_list("data", flat=True).first()
        self._index += 1
        return b"" if row is None else zlib.decompress(bytes(row))


def open_evidence(evidence: Evidence) -> BinaryIO:
    """Return the original bytes of a piece of evidence as a buffered binary stream."""
    return io.BufferedReader(_Raw(evidence), buffer_size=1 << 16)


def blocks(evidence: Evidence) -> Iterator[bytes]:
    """Yield the original bytes in blocks and raise EvidenceDamaged if the digest is not theirs."""
    digest = hashlib.sha256()
    stream = open_evidence(evidence)
    while block := stream.read(CHUNK_BYTES):
        digest.update(block)
        yield block
    if digest.hexdigest() != evidence.sha256:
        raise EvidenceDamaged(f"evidence {evidence.pk} does not match its SHA-256")
