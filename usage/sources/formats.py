"""Every form in which accounting comes: a table of sacct, or JSON; plain, gzip or zstd."""

import hashlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, BinaryIO, Protocol
from zoneinfo import ZoneInfo

from usage.normalise import JobRow
from usage.reasons import FileRefused, Reason, RowError
from usage.sources import json_records
from usage.sources.json_records import Record
from usage.sources.rest_jobs import cluster_of, normalise_record
from usage.sources.sacct import Parsed, SacctReader
from usage.sources.unpacking import Readable, is_packed, unpacked
from usage.times import Clock

UTC = ZoneInfo("UTC")
_IN_MEMORY = 4 << 20
_LOOK_AHEAD = 1024
_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_JSON = (b"{", b"[")


class Reader(Protocol):
    """Gives the rows of an input once, in order. Raises FileRefused, also on the way.

    After iteration ``rows`` says how many there were (jobs + steps + bad, and those that were
    recognised), and ``truncated`` whether the input ended within one.
    """

    rows: int

    @property
    def truncated(self) -> bool:
        """Whether the input ended within a row."""
        ...

    def __iter__(self) -> Iterator[Parsed]:
        """Yield each row once; of recognised ones, some on end at a time."""
        ...


def open_reader(
    stream: Readable | Iterable[bytes],
    *,
    columns: Sequence[str] | None = None,
    zone: ZoneInfo = UTC,
    now: datetime,
    knows_zone: bool = True,
    cluster_names: Collection[str] = (),
) -> Reader:
    """Return the reader for whatever the input turns out to be. Raises FileRefused.

    ``columns`` says what a table without a header holds, ``zone`` reads times without an offset,
    ``now`` (aware) tells what is the future. ``cluster_names`` are what Slurm may call the cluster:
    a record of another one is bad; empty takes all. ``knows_zone``: see Clock.
    """
    content = unpacked(stream)
    if is_json(content):
        return JsonReader(content, now=now, cluster_names=cluster_names)
    return SacctReader(
        content,
        columns=columns or None,
        zone=zone,
        now=now,
        knows_zone=knows_zone,
        cluster_names=cluster_names,
    )


def is_json(content: BinaryIO) -> bool:
    """Look at the first character, without taking it. Raises FileRefused for a web page."""
    peek = getattr(content, "peek", None)
    start: bytes = peek(_LOOK_AHEAD) if peek else b""
    first = _first_character(start)
    if first == b"<":
        raise FileRefused("web_page", "This is a web page, such as an error page, not accounting.")
    return first in _JSON


def _first_character(start: bytes) -> bytes:
    return start[:_LOOK_AHEAD].removeprefix(_BOM).lstrip()[:1]


class _Kept:
    """A stream that keeps what was read of it: what is given up is not read to its end."""

    def __init__(self, stream: Readable, spool: IO[bytes]) -> None:
        self._stream = stream
        self._spool = spool

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; nothing at the end."""
        block = self._stream.read(size)
        self._spool.write(block)
        return block


class JsonReader:
    """Reads the jobs of a slurmrestd answer, or of ``sacct --json``; of the steps within only
    what they used is read.

    Each record comes out once, as a job or bad with a reason. ``line`` is its 1-based number,
    ``offset`` and ``size`` are its bytes in the unpacked input. What is wrong with the whole of it
    is found by the constructor, before the first record is given out: it is never truncated.
    """

    truncated = False

    def __init__(
        self, stream: Readable, *, now: datetime, cluster_names: Collection[str] = ()
    ) -> None:
        self.rows = 0
        self._clock = Clock(UTC, now)
        self._clusters = frozenset(name.lower() for name in cluster_names)
        # Errors may stand behind the jobs, so all of it is looked at first; then it is read again.
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - lives as long as this reader
        if not json_records.check(_Kept(stream, self._spool)).records:
            raise FileRefused(
                "no_rows", "There is no job in it: nothing ran, or the question was wrong."
            )

    def __iter__(self) -> Iterator[Parsed]:
        self._spool.seek(0)
        for record in json_records.records(self._spool):
            self.rows += 1
            yield self._parsed(record)

    def _job(self, record: Record) -> JobRow:
        if record.faults:
            raise RowError(Reason.VALUE, f"not a number: {record.faults[0]}")
        cluster = cluster_of(record.value)
        if self._clusters and cluster and cluster.lower() not in self._clusters:
            raise RowError(Reason.OTHER_CLUSTER, cluster[:64])
        job = normalise_record(record.value, self._clock)
        if not record.bad_utf8:
            return job
        flag = "name_bad_utf8" if "\ufffd" in job.name else "bad_utf8"
        return job._replace(flags=(*job.flags, flag))

    def _parsed(self, record: Record) -> Parsed:
        raw = record.raw.decode("utf-8", "backslashreplace")
        where = record.offset, len(record.raw)
        try:
            job = self._job(record)
        except RowError as error:
            detail = error.detail
            if error.reason is not Reason.OTHER_CLUSTER:  # whose detail is the cluster's name
                detail = f"job {_number_of(record)}: {detail}"
            return Parsed(self.rows, "bad", raw, None, str(error.reason), detail, *where)
        return Parsed(self.rows, "job", raw, job, "", "", *where)


def _number_of(record: Record) -> str:
    """The job's number for people, who would look for it in a long record."""
    number = record.value.get("job_id")
    return str(number) if type(number) is int else "?"


def is_bare(first: bytes) -> bool:
    """Whether ``content_digest`` of an input that begins so is the digest of its bytes."""
    return not (is_packed(first) or _first_character(first) in _JSON)


def content_digest(stream: BinaryIO, sha256: str) -> str:
    """Return the SHA-256 (hex) of the accounting in a stream, whatever wraps it, given that of the
    bytes that it has left, as they are.

    For a table that is the unpacked text. For JSON it is the bytes of each job's record followed
    by a line feed, without what stands around them: the rest differs from answer to answer. Input
    that would be refused, or holds no job, has the digest of its bytes as they are.
    """
    digest = hashlib.sha256()
    try:
        content = unpacked(stream)
        if not is_json(content):
            return sha256_of_stream(content)

        def add(raw: bytes) -> None:
            digest.update(raw)
            digest.update(b"\n")

        if json_records.check(content, add).records:
            return digest.hexdigest()
    except FileRefused:
        pass
    return sha256


def sha256_of_stream(stream: Readable) -> str:
    """Return the SHA-256 (hex) of what a stream has left, read in constant memory."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
