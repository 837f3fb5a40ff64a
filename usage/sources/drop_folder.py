"""The files that lie in a folder below the site's drop folder root, and nothing else.

A folder's name comes from the database, and others may write into the folder, so nothing is taken
on trust: each part of the way is opened by itself, from the part before and without following a
link, and files are opened from the folder that was opened. What is exchanged meanwhile for a link
to somewhere else is refused, not read. The root is the operator's word; it may be a link.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from usage.sources.base import SourceFailed

UNFINISHED = (".part", ".tmp")
"""How the names of files end that somebody is still writing."""
PLACE = r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]*"
"""What ``usage.models.Source`` may name: a folder below the root, or a connection."""
_PLACE = re.compile(PLACE, re.ASCII)
MAX_PLACE = 255
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DropFolder:
    """One folder below the root. Raises SourceFailed (``connection``) for a name that leads out."""

    def __init__(self, root: Path, place: str) -> None:
        if len(place) > MAX_PLACE or _PLACE.fullmatch(place) is None:
            raise SourceFailed("connection", f"{place[:64]!r} is no path below the drop folder.")
        self.place = place
        self._root = root

    def names(self) -> list[str]:
        """Return the names of the finished files, in order: no links, pipes or hidden ones.

        Raises SourceFailed (``no_file``) if there is no such folder.
        """
        with self._opened() as folder, os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and not entry.name.endswith(UNFINISHED)
                and entry.is_file(follow_symlinks=False)
            )

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a plain file of the folder. Raises SourceFailed (``no_file``) if it is none."""
        if not name or "/" in name or name.startswith("."):
            raise SourceFailed("no_file", f"{name[:64]!r} is no name of a file.")
        with self._opened() as folder:
            try:
                number = os.open(name, _FILE, dir_fd=folder)
            except OSError as error:
                raise SourceFailed("no_file", f"{name} can't be read: {error.strerror}.") from None
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise SourceFailed("no_file", f"{name} is no plain file.")
            yield file

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the folder, part by part; yields its descriptor."""
        number = -1
        try:
            number = os.open(self._root, _DIRECTORY)
            for part in self.place.split("/"):
                if part in ("", "."):
                    continue
                above, number = number, os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=number)
                os.close(above)
        except FileNotFoundError:
            _close(number)
            raise SourceFailed("no_file", f"There is no folder {self.place!r}.") from None
        except OSError as error:
            _close(number)
            raise SourceFailed(
                "connection",
                f"{self.place!r} is no folder below the drop folder: {error.strerror}.",
            ) from None
        try:
            yield number
        finally:
            os.close(number)


def _close(number: int) -> None:
    if number >= 0:
        os.close(number)
