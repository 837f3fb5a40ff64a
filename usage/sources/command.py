"""A window of accounting from the sacct command, run here or through a wrapper such as ssh.

What sacct does, as observed:

* without ``--duplicates`` a job whose id was used again is not shown, even in its own window;
* ``--starttime`` and ``--endtime`` without ``--state`` give all that was eligible before the end
  and had not ended before the start, running jobs included;
* for a cluster that does not exist it prints a header and ends with status 0, so an answer without
  rows is believed only once sacctmgr has named the cluster.

JobName is left out: a user can write a line feed and a whole forged row into it.
"""

import math
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import BinaryIO

from core.intervals import Interval
from usage.connections import SacctConnection
from usage.sources.base import MAX_ANSWER_BYTES, Fetched, SourceFailed, WindowTooLarge, keep
from usage.sources.columns import STEP_COLUMNS
from usage.sources.processes import Finished, run

COLUMNS = (
    "Cluster", "JobIDRaw", "JobID", "User", "Account", "Partition", "QOS", "State", "Submit",
    "Start", "End", "ElapsedRaw", "Suspended", "NodeList", "Reservation", "ReqTRES", "AllocTRES",
)  # fmt: skip
EPOCH = {"TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}
"""sacct prints in the client's time zone, in which a night in autumn has an hour twice."""
_SUBMIT = COLUMNS.index("Submit")
_TOO_LARGE = ("too wide of a date range", "exceeds size limit", "too large")
_MAX_FIRST_LINES = 1 << 16
SMALL_SECONDS = 60.0
_MAX_CLUSTERS_BYTES = 1 << 20


class SacctCommand:
    """Reads one cluster's jobs with sacct, and their steps where what they used is wanted."""

    kind = "sacct"

    def __init__(
        self,
        connection: SacctConnection,
        *,
        cluster: str,
        reads_steps: bool = False,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._connection = connection
        self._cluster = cluster
        self._max_bytes = max_bytes
        self._with_steps = reads_steps
        self._columns = (*COLUMNS, *STEP_COLUMNS) if reads_steps else COLUMNS

    def fetch(self, window: Interval, into: BinaryIO) -> Fetched:
        """See Source.fetch. What is written is what sacct printed, with its header."""
        into.seek(0)
        into.truncate()
        answer = _Answer(into, self._max_bytes, "|".join(self._columns))
        try:
            finished = self._run(self._arguments(window), answer)
        except WindowTooLarge as refusal:
            if refusal.code == "timeout":
                self._refuse_dead()
            raise
        _refuse_failure(finished)
        answer.refuse_partial()
        if not answer.rows:
            self._refuse_unknown_cluster()
        into.flush()
        return Fetched(label=f"sacct ({self._connection.name})", empty=answer.rows == 0)

    def _arguments(self, window: Interval) -> list[str]:
        return [
            *self._words(self._connection.command),
            "--allusers",
            "--duplicates",
            *(() if self._with_steps else ("--allocations",)),
            "--parsable2",
            "--noconvert",
            f"--clusters={self._cluster}",
            f"--starttime=uts{int(window.start.timestamp())}",
            # A part of a second is rounded up: rather too many jobs than too few.
            f"--endtime=uts{-int(-window.end.timestamp() // 1)}",
            f"--format={','.join(self._columns)}",
        ]

    def _words(self, command: Sequence[str]) -> list[str]:
        """The command; behind a wrapper, which may not pass variables on, with them in it."""
        *wrapper, program = command
        if not wrapper or PurePosixPath(program).name not in ("sacct", "sacctmgr"):
            return list(command)
        return [*wrapper, "env", *(f"{name}={value}" for name, value in self._variables), program]

    @property
    def _variables(self) -> Sequence[tuple[str, str]]:
        return [*EPOCH.items(), *self._connection.environment]

    def _run(
        self, arguments: Sequence[str], take: "_Answer | _Names", seconds: float = math.inf
    ) -> Finished:
        return run(
            arguments,
            take=take.take,
            environment=dict(self._variables),
            seconds=min(seconds, self._connection.timeout_seconds),
        )

    def _known_clusters(self) -> list[str]:
        """What sacctmgr names. Raises SourceFailed if there is none, or it doesn't answer."""
        command = self._connection.sacctmgr or _beside(self._connection.command)
        words = [*self._words(command), "--noheader", "--parsable2"]
        names = _Names()
        try:
            finished = self._run(
                [*words, "show", "cluster", "format=cluster"], names, SMALL_SECONDS
            )
        except WindowTooLarge as late:
            raise SourceFailed(late.code, f"sacctmgr hangs: {late.message}") from None
        _refuse_failure(finished)
        return names.content.decode("utf-8", "replace").split("\n")

    def _refuse_dead(self) -> None:
        """Raise SourceFailed if sacctmgr hangs as well: smaller windows would not help."""
        if self._connection.sacctmgr or PurePosixPath(self._connection.command[-1]).name == "sacct":
            self._known_clusters()

    def _refuse_unknown_cluster(self) -> None:
        """Nothing ran, or there is no such cluster: sacct says the same to both."""
        known = self._known_clusters()
        if self._cluster not in known:
            raise SourceFailed(
                "unknown_cluster",
                f"Slurm's accounting knows no cluster {self._cluster!r}, only"
                f" {', '.join(sorted(filter(None, known))[:20]) or 'none'}.",
            )


def _beside(command: Sequence[str]) -> Sequence[str]:
    """sacctmgr where sacct is. Raises SourceFailed if that can't be told."""
    *wrapper, program = command
    path = PurePosixPath(program)
    if path.name != "sacct":
        raise SourceFailed(
            "unknown_cluster",
            "The answer has no rows, and without sacctmgr nobody knows whether there is such a"
            " cluster. Name the command in the connection: sacctmgr = [...].",
        )
    return [*wrapper, str(path.with_name("sacctmgr"))]


class _Names:
    """A short output, held in memory."""

    def __init__(self) -> None:
        self.content = b""

    def take(self, block: bytes) -> None:
        self.content += block
        if len(self.content) > _MAX_CLUSTERS_BYTES:
            raise SourceFailed("not_sacct", "sacctmgr printed too much for a list of clusters.")


class _Answer:
    """What sacct prints, written to a file and watched as it passes."""

    def __init__(self, into: BinaryIO, limit: int, header: str) -> None:
        self._into = into
        self._limit = limit
        self._header = header
        self._first = b""
        self._looking = True
        self._size = self._lines = 0
        self._last = b""

    def take(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > self._limit:
            raise WindowTooLarge("too_large", f"sacct printed more than {self._limit} bytes.")
        keep(self._into, block)
        self._lines += block.count(b"\n")
        self._last = block[-1:]
        if self._looking:
            self._first += block
            self._look()

    def _look(self) -> None:
        """Check the header and the first row, as soon as they are there."""
        lines = self._first.split(b"\n", 2)
        if len(lines) < 3 and len(self._first) < _MAX_FIRST_LINES:
            if len(lines) == 2:
                _refuse_header(lines[0], self._header)
            return
        self._looking = False
        self._first = b""
        _refuse_header(lines[0], self._header)
        cells = lines[1].split(b"|") if len(lines) > 1 else []
        if len(cells) <= _SUBMIT or not cells[_SUBMIT].isdigit():
            raise SourceFailed(
                "time_format",
                "Its times are no epoch seconds, so their time zone is unknown. A wrapper must set"
                " TZ=UTC and SLURM_TIME_FORMAT=%s for sacct.",
            )

    @property
    def rows(self) -> int:
        return max(self._lines - 1, 0)

    def refuse_partial(self) -> None:
        """Raise SourceFailed unless it printed a header, and each line to its end."""
        if not self._size:
            raise SourceFailed("cut_off", "sacct printed nothing, not even a header.")
        if self._last != b"\n":
            raise SourceFailed("cut_off", "The last line of sacct is cut off.")


def _refuse_header(line: bytes, header: str) -> None:
    if line.removesuffix(b"\r").decode("utf-8", "replace").lower() != header.lower():
        raise SourceFailed(
            "not_sacct",
            f"The first line is not the header of sacct: {line[:80].decode('utf-8', 'replace')!r}."
            " Does a wrapper print something of its own?",
        )


def _refuse_failure(finished: Finished) -> None:
    told = finished.stderr.decode("utf-8", "replace").strip()
    if finished.status:
        if any(words in told.lower() for words in _TOO_LARGE):
            raise WindowTooLarge("too_large", f"sacct refused the window: {told[:300]}")
        raise SourceFailed("exit_status", f"It ended with status {finished.status}: {told[:300]}")
    if told:
        # sacct has ended with 0 after an error; a wrapper that chatters has options against it.
        raise SourceFailed("stderr", f"It ended well, but complained: {told[:300]}")
