"""Windows from saved files in a cluster's drop folder, which say in their names what they hold.

``sacct_2026-11-01_2026-11-02.psv.zst`` holds the local days from the first date up to, and not
including, the second. Whoever puts a file there writes it under a name that ends in ``.part`` and
renames it when it is whole. Files are never moved, changed or deleted.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from core.intervals import Interval, local_midnight
from usage.reasons import FileRefused
from usage.sources import json_records
from usage.sources.base import MAX_ANSWER_BYTES, Copied, Fetched, SourceFailed, WindowTooLarge
from usage.sources.columns import read_header
from usage.sources.drop_folder import DropFolder
from usage.sources.formats import is_json
from usage.sources.unpacking import Readable, unpacked

_NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9.-]*_([0-9]{4}-[0-9]{2}-[0-9]{2})_([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:\.[A-Za-z0-9]+){0,3}",
    re.ASCII,
)
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file and the window that its name states."""

    name: str
    holds: Interval


class Folder:
    """Reads windows from the files of one folder below the site's drop folder."""

    kind = "folder"

    def __init__(
        self, root: Path, place: str, *, zone: ZoneInfo, max_bytes: int = MAX_ANSWER_BYTES
    ) -> None:
        self._folder = DropFolder(root, place)
        self._place = place
        self._zone = zone
        self._max_bytes = max_bytes

    def fetch(self, window: Interval, into: BinaryIO) -> Fetched:
        """See Source.fetch. What is written is the file as it lies there, packed or not."""
        found = self._covering(window)
        with _opened(self._folder, found, self._max_bytes) as file:
            into.seek(0)
            into.truncate()
            rows = _rows_if_whole(Copied(file, into, self._max_bytes), found.name)
        into.flush()
        return Fetched(
            label=f"folder {self._place}/{found.name}",
            time_zone=self._zone.key,
            empty=rows == 0,
        )

    def files(self) -> list[SavedFile]:
        """The files whose names state a window, by name. Links and unfinished ones are left."""
        found = ((name, _window_of(name, self._zone)) for name in self._folder.names())
        return [SavedFile(name, holds) for name, holds in found if holds is not None]

    def _covering(self, window: Interval) -> SavedFile:
        """The file that holds the window, of several the one that holds least beside it."""
        files = self.files()
        covering = [file for file in files if _covers(file.holds, window)]
        if covering:
            length = min(file.holds.end - file.holds.start for file in covering)
            best = [file for file in covering if file.holds.end - file.holds.start == length]
            if len(best) == 1:
                return best[0]
            raise SourceFailed(
                "several_files",
                f"Which is right? {', '.join(file.name for file in best[:5])} state the same"
                " days. Take the others away.",
            )
        days = f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
        if any(file.holds.start < window.end and window.start < file.holds.end for file in files):
            raise WindowTooLarge("no_file", f"No one file in {self._place!r} holds {days}.")
        raise SourceFailed("no_file", f"No file in {self._place!r} holds {days}.")


def _covers(holds: Interval, window: Interval) -> bool:
    return holds.start <= window.start and window.end <= holds.end


def _window_of(name: str, zone: ZoneInfo) -> Interval | None:
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        first, after = (date.fromisoformat(text) for text in match.groups())
        return Interval(local_midnight(first, zone), local_midnight(after, zone))
    except (ValueError, OverflowError):
        return None


@contextmanager
def _opened(folder: DropFolder, saved: SavedFile, limit: int) -> Iterator[BinaryIO]:
    """Open a file that was written after its days and is not too large. Raises SourceFailed."""
    with folder.open(saved.name) as file:
        state = os.fstat(file.fileno())
        if datetime.fromtimestamp(state.st_mtime, UTC) < saved.holds.end:
            raise SourceFailed(
                "bad_file", f"{saved.name} was written before the days in its name were over."
            )
        if state.st_size > limit:
            raise WindowTooLarge("too_large", f"{saved.name} is larger than {limit} bytes.")
        yield file


def _rows_if_whole(file: Readable, name: str) -> int:
    """Read a file to its end and look whether it is whole; returns how many rows it has.

    Only an answer in JSON is known to be an answer if there is no job in it: sacct prints a bare
    header also when it fails, and when there is no such cluster.
    """
    try:
        content = unpacked(file)
        if is_json(content):
            return json_records.check(content).records
        return _rows_of_table(content, name)
    except FileRefused as refusal:
        raise SourceFailed("bad_file", f"{name}: {refusal}") from None


def _rows_of_table(content: Readable, name: str) -> int:
    first, last, lines, looking = b"", b"", 0, True
    while block := content.read(_BLOCK):
        lines += block.count(b"\n")
        last = block[-1:]
        if looking:
            first += block
            looking = b"\n" not in first and len(first) < _BLOCK
    text = first.partition(b"\n")[0].decode("utf-8", "replace")
    read_header(text.removeprefix("\ufeff").removesuffix("\r"), "|")
    if last != b"\n":
        raise SourceFailed("bad_file", f"{name}: the last line is cut off.")
    if lines < 2:
        raise SourceFailed(
            "bad_file",
            f"{name} has a header and no row, as if sacct had failed. Save an empty day as JSON.",
        )
    return lines - 1
