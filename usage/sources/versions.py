"""The versions of slurmrestd's API that we understand, and which one a server spoke last."""

import time
from collections.abc import Callable, Hashable

API_VERSIONS = tuple(f"v0.0.{number}" for number in range(44, 37, -1))
"""Newest first: v0.0.44 of Slurm 25.11 down to v0.0.38 of 22.05."""

WITH_FLAGS = frozenset(API_VERSIONS) - {"v0.0.38"}
"""Those that know show_duplicates and disable_truncate_usage_time."""

REMEMBERED_SECONDS = 300.0
"""A pull has many windows; a server that was just asked which version it speaks, and whether we may
see everything, is not asked again for each."""


class Versions:
    """Which version each server spoke when it was asked a little while ago."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: dict[Hashable, tuple[str, float]] = {}

    def of(self, server: Hashable) -> str:
        """Return the version, or an empty text if it is to be asked for."""
        version, since = self._found.get(server, ("", 0.0))
        return version if self._clock() - since < REMEMBERED_SECONDS else ""

    def keep(self, server: Hashable, version: str) -> None:
        """Remember what a server was just found to speak."""
        self._found[server] = version, self._clock()

    def forget(self, server: Hashable) -> None:
        """Have it asked again, because something failed."""
        self._found.pop(server, None)
