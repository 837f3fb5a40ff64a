"""Accounting as gzip or zstd, unpacked as it is read: a bomb or a cut stream is refused."""

import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Protocol, cast

from usage.reasons import FileRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MAGIC_BYTES", "Readable", "is_packed", "unpacked", "zstd"]

CHUNK = 1 << 16
MAX_UNPACKED_BYTES = 64 << 30
BOMB_FROM_BYTES = 256 << 20
"""Less than this is never a bomb: it harms nobody."""
BOMB_RATIO = 500
"""Accounting rows shrink to a tenth or a hundredth; what is packed tighter says nothing."""
_ZSTD_WINDOW_LOG = 27  # 128 MiB, zstd's own limit without --long
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a first byte from 0x50 to 0x5f
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7-Zip"}
MAGIC_BYTES = 6


class Readable(Protocol):
    """Anything that gives bytes when asked: a file, an upload, standard input."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; nothing at the end."""
        ...


class _Member(Protocol):
    """One packed stream; a file may hold several, one after the other."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class _GzipMember:
    """zlib's object with the interface of the newer ones, which keep their input themselves."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(wbits=31)
        self._filled = False

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not (self._filled or self.eof)

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        block = self._object.decompress(self._object.unconsumed_tail + data, max_length)
        # A full block may have more behind it, though all input was taken.
        self._filled = len(block) == max_length
        return block


def _zstd_member() -> _Member:
    limit = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG}
    return cast("_Member", zstd.ZstdDecompressor(options=limit))


class _Unpacker(io.RawIOBase):
    """What a packed stream holds. Raises FileRefused (compression) where it is bad."""

    def __init__(self, packed: Readable, new_member: Callable[[], _Member]) -> None:
        self._packed = packed
        self._new_member = new_member
        self._member: _Member | None = None
        self._left = b""
        self._in = self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            block = self._next(len(view))
        except (zlib.error, zstd.ZstdError) as error:
            raise _refused(f"The compressed file is damaged: {error}.") from None
        self._out += len(block)
        if self._out > MAX_UNPACKED_BYTES or (
            self._out > BOMB_FROM_BYTES and self._out > BOMB_RATIO * self._in
        ):
            raise _refused(
                f"{self._in} bytes hold more than {self._out} when unpacked. That is no accounting."
            )
        view[: len(block)] = block
        return len(block)

    def _next(self, size: int) -> bytes:
        """Up to ``size`` bytes, none only at the end of the last member."""
        while True:
            member = self._member
            if member is None:
                data = self._input()
                if not data.strip(b"\0"):  # tapes are padded with zeros
                    if data:
                        continue
                    return b""
                member = self._member = self._new_member()
            elif member.needs_input:
                data = self._input()
                if not data:
                    raise _refused("The compressed file is cut off.")
            else:
                data = b""
            block = member.decompress(data, max_length=size)
            if member.eof:
                self._left, self._member = member.unused_data, None
            if block:
                return block

    def _input(self) -> bytes:
        left, self._left = self._left, b""
        if left:
            return left
        data = self._packed.read(CHUNK)
        self._in += len(data)
        return data


class _Chained(io.RawIOBase):
    """The bytes that were read ahead, then the rest."""

    def __init__(self, first: bytes, rest: Readable) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        block = self._first[: len(view)] or self._rest.read(len(view))
        self._first = self._first[len(view) :]
        view[: len(block)] = block
        return len(block)


class _Pieces:
    """Pieces of bytes of any size as something to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._left = b""

    def read(self, size: int = -1, /) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        block = self._left[:size] if size >= 0 else self._left
        self._left = self._left[len(block) :]
        return block


def is_packed(first: bytes) -> bool:
    """Whether ``unpacked`` unpacks a stream with this beginning."""
    skippable = first[1:4] == _ZSTD_SKIPPABLE and first[0] >> 4 == 5
    return first.startswith((_GZIP, _ZSTD)) or skippable


def unpacked(stream: Readable | Iterable[bytes]) -> BinaryIO:
    """Return what a stream holds: itself, or what is packed in it by gzip or zstd.

    Told by its first bytes, not by a name. Raises FileRefused (code ``compression``), here for
    another kind of archive, or while it is read for one that is damaged, cut off or a bomb.
    """
    source = cast("Readable", stream) if hasattr(stream, "read") else _Pieces(stream)
    first = b""
    while len(first) < MAGIC_BYTES and (more := source.read(MAGIC_BYTES - len(first))):
        first += more
    for magic, name in _OTHERS.items():
        if first.startswith(magic):
            raise _refused(f"This is {name}. Only gzip and zstd are unpacked here.")
    raw: io.RawIOBase = _Chained(first, source)
    if first.startswith(_GZIP):
        raw = _Unpacker(_Blocks(raw), _GzipMember)
    elif is_packed(first):
        raw = _Unpacker(_Blocks(raw), _zstd_member)
    return io.BufferedReader(raw, buffer_size=CHUNK)


class _Blocks:
    """A raw stream, whose reads may return None, as one that returns bytes."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw

    def read(self, size: int = -1, /) -> bytes:
        return self._raw.read(size) or b""


def _refused(message: str) -> FileRefused:
    return FileRefused("compression", message)
