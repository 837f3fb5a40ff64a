"""The objects of a PDF file as typst writes it, so that some can be said otherwise (pure).

This reads no PDF but typst's: one plain table of cross-references, objects one after the other, no
updates. Anything else is refused, so that a typst that writes otherwise is noticed by the tests.
"""

import re
import zlib

_TABLE = re.compile(rb"xref\n0 (\d+)\n((?:\d{10} \d{5} [nf]\r\n)+)trailer\n(<<.*>>)\nstartxref\n")
_OBJECT = re.compile(rb"(\d+) 0 obj\n(.*)\nendobj\n?\s*\Z", re.DOTALL)
_STREAM = re.compile(rb"(<<.*?>>)\nstream\n(.*)\nendstream\Z", re.DOTALL)
_LENGTH = re.compile(rb"/Length \d+")
_SIZE = re.compile(rb"/Size \d+")
_PACKED_TOGETHER = 200
_FREE, _PLACED, _PACKED = 0, 1, 2  # kinds of entries in a stream of cross-references


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
        """Return the file with its changes, all objects but streams packed together.

        What tags the text for readers aloud is many small objects: packed, the file of a long
        table is a tenth as large. PDF 1.7, and so PDF/A-3, knows such streams (ISO 32000-1, 7.5.7
        and 7.5.8).
        """
        parts, at = [self._head], len(self._head)
        entries = {0: (_FREE, 0, 65535)}

        def put(number: int, content: bytes) -> None:
            nonlocal at
            part = b"%d 0 obj\n%b\nendobj\n" % (number, content)
            entries[number] = (_PLACED, at, 0)
            parts.append(part)
            at += len(part)

        small = [number for number, item in sorted(self.objects.items()) if not _is_stream(item)]
        for number in sorted(self.objects.keys() - set(small)):
            put(number, self.objects[number])
        box = max(self.objects) + 1
        for first in range(0, len(small), _PACKED_TOGETHER):
            packed = small[first : first + _PACKED_TOGETHER]
            entries |= {number: (_PACKED, box, place) for place, number in enumerate(packed)}
            put(box, self._box(packed))
            box += 1
        entries[box] = (_PLACED, at, 0)
        rows = b"".join(
            kind.to_bytes(1) + where.to_bytes(4) + rest.to_bytes(2)
            for _, (kind, where, rest) in sorted(entries.items())
        )
        head = b"/Type/XRef/W[1 4 2]" + _SIZE.sub(b"/Size %d" % (box + 1), self._trailer[2:-2])
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (box, _deflated(head, rows)))
        parts.append(b"startxref\n%d\n%%%%EOF" % at)
        return b"".join(parts)

    def _box(self, numbers: list[int]) -> bytes:
        """Return a stream of objects: their numbers and places, then they themselves."""
        places, contents, at = [], [], 0
        for number in numbers:
            content = self.objects[number] + b"\n"
            places.append(b"%d %d" % (number, at))
            contents.append(content)
            at += len(content)
        head = b" ".join(places) + b"\n"
        said = b"/Type/ObjStm/N %d/First %d" % (len(numbers), len(head))
        return _deflated(said, head + b"".join(contents))


def _is_stream(content: bytes) -> bool:
    return content.endswith(b"\nendstream")


def _deflated(said: bytes, content: bytes) -> bytes:
    """Return a stream with what its dictionary says."""
    data = zlib.compress(content, 9)
    head = b"<<%b/Filter/FlateDecode/Length %d>>" % (said, len(data))
    return head + b"\nstream\n" + data + b"\nendstream"


def references(content: bytes, key: str) -> list[int]:
    """Return the numbers of the objects that a key of a dictionary refers to."""
    pattern = rb"/" + key.encode() + rb" (\d+) 0 R"
    return [int(number) for number in re.findall(pattern, content)]
