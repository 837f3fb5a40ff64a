"""The objects of a PDF file as typst writes it, so that some can be said otherwise (pure).

This reads no PDF but typst's: one plain table of cross-references, objects one after the other, no
updates. Anything else is refused, so that a typst that writes otherwise is noticed by the tests.
"""

import re
import zlib
from collections.abc import Mapping

_TABLE = re.compile(rb"xref\n0 (\d+)\n((?:\d{10} \d{5} [nf]\r\n)+)trailer\n(<<.*>>)\nstartxref\n")
_OBJECT = re.compile(rb"(\d+) 0 obj\n(.*)\nendobj\n?\s*\Z", re.DOTALL)
_STREAM = re.compile(rb"(<<.*?>>)\nstream\n(.*)\nendstream\Z", re.DOTALL)
_LENGTH = re.compile(rb"/Length \d+")


class NotAsWritten(ValueError):
    """The file is not laid out as typst does it."""


class PdfFile:
    """A PDF whose objects can be replaced: bytes in, bytes out, the same for the same changes."""

    def __init__(self, data: bytes) -> None:
        """Read a file. Raises NotAsWritten."""
        at = int(data[data.rindex(b"startxref") :].split()[1])
        table = _TABLE.match(data, at)
        if table is None:
            raise NotAsWritten("the table of cross-references")
        places = [int(row[:10]) for row in table[2].splitlines() if row.endswith(b"n")]
        if len(places) != int(table[1]) - 1:
            raise NotAsWritten("objects that are free")
        self._head, self._trailer = data[: min(places)], table[3]
        self.objects: dict[int, bytes] = {}
        for start, end in zip(sorted(places), [*sorted(places)[1:], at], strict=True):
            found = _OBJECT.match(data, start, end)
            if found is None:
                raise NotAsWritten(f"the object at byte {start}")
            self.objects[int(found[1])] = found[2]

    def stream(self, number: int) -> bytes:
        """Return the content of a stream, inflated."""
        dictionary, data = self._stream(number)
        return zlib.decompress(data) if b"/FlateDecode" in dictionary else data

    def replace_stream(self, number: int, content: bytes) -> None:
        """Give a stream other content, deflated as it was."""
        dictionary, _ = self._stream(number)
        data = zlib.compress(content, 9) if b"/FlateDecode" in dictionary else content
        head = _LENGTH.sub(b"/Length %d" % len(data), dictionary, count=1)
        self.objects[number] = head + b"\nstream\n" + data + b"\nendstream"

    def _stream(self, number: int) -> tuple[bytes, bytes]:
        found = _STREAM.match(self.objects[number])
        if found is None:
            raise NotAsWritten(f"the stream {number}")
        return found[1], found[2]

    def written(self) -> bytes:
        """Return the file with its changes."""
        parts, places, at = [self._head], {}, len(self._head)
        for number, content in sorted(self.objects.items()):
            part = b"%d 0 obj\n%b\nendobj\n" % (number, content)
            places[number] = at
            at += len(part)
            parts.append(part)
        rows = b"".join(b"%010d 00000 n\r\n" % place for _, place in sorted(places.items()))
        size = len(places) + 1
        parts.append(b"xref\n0 %d\n0000000000 65535 f\r\n%b" % (size, rows))
        parts.append(b"trailer\n%b\nstartxref\n%d\n%%%%EOF" % (self._trailer, at))
        return b"".join(parts)


def references(content: bytes, key: str) -> list[int]:
    """Return the numbers of the objects that a key of a dictionary refers to."""
    pattern = rb"/" + key.encode() + rb" (\d+) 0 R"
    return [int(number) for number in re.findall(pattern, content)]


def named(content: bytes, pattern: re.Pattern[bytes]) -> Mapping[bytes, int]:
    """Return references by name, where the pattern has the name and the number as groups."""
    return {name: int(number) for name, number in pattern.findall(content)}
