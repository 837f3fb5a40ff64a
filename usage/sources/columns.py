"""The columns of an accounting file: their names, what their cells look like, and which are free
text.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter

from usage.normalise import FIELD_COLUMNS, absent_fields
from usage.reasons import FileRefused

SACCT_COMMAND = (
    "TZ=UTC SLURM_TIME_FORMAT=%s sacct --allusers --duplicates --allocations --parsable2 "
    "--noconvert --starttime=2026-01-01 --endtime=2026-02-01 --format="
    "JobIDRaw,JobID,User,Account,Partition,QOS,State,Submit,Start,End,ElapsedRaw,Suspended,NodeList,"
    "Reservation,ReqTRES,AllocTRES"
)
"""Without JobName: a name may hold a line feed and a whole forged row, which text can't show."""
DELIMITERS = {
    "|": "a vertical bar",
    ",": "a comma",
    ";": "a semicolon",
    "\t": "a tab",
    "\x1f": "a unit separator (\\x1f)",
    ":": "a colon",
    "^": "a caret",
    "~": "a tilde",
}

# Every field of sacct from 22.05 to 25.11; matched without regard to case.
_SACCT_FIELDS = """
Account AdminComment AllocCPUS AllocNodes AllocTRES AssocID AveCPU AveCPUFreq AveDiskRead
AveDiskWrite AvePages AveRSS AveVMSize BlockID Cluster Comment Constraints ConsumedEnergy
ConsumedEnergyRaw Container CPUTime CPUTimeRAW DBIndex DerivedExitCode Elapsed ElapsedRaw Eligible
End ExitCode Extra FailedNode Flags GID Group JobID JobIDRaw JobName Layout Licenses MaxDiskRead
MaxDiskReadNode MaxDiskReadTask MaxDiskWrite MaxDiskWriteNode MaxDiskWriteTask MaxPages
MaxPagesNode MaxPagesTask MaxRSS MaxRSSNode MaxRSSTask MaxVMSize MaxVMSizeNode MaxVMSizeTask
McsLabel MinCPU MinCPUNode MinCPUTask NCPUS NNodes NodeList NTasks Partition Planned PlannedCPU
PlannedCPURAW Priority QOS QOSRAW QOSREQ Reason ReqCPUFreq ReqCPUFreqGov ReqCPUFreqMax
ReqCPUFreqMin ReqCPUS ReqMem ReqNodes ReqReservation ReqTRES Reservation ReservationId Reserved
Restarts ResvCPU ResvCPURAW SegmentSize SLUID Start State StdErr StdIn StdOut Submit SubmitLine
Suspended SystemComment SystemCPU Timelimit TimelimitRaw TotalCPU TRESUsageInAve TRESUsageInMax
TRESUsageInMaxNode TRESUsageInMaxTask TRESUsageInMin TRESUsageInMinNode TRESUsageInMinTask
TRESUsageInTot TRESUsageOutAve TRESUsageOutMax TRESUsageOutMaxNode TRESUsageOutMaxTask
TRESUsageOutMin TRESUsageOutMinNode TRESUsageOutMinTask TRESUsageOutTot UID User UserCPU WCKey
WCKeyID WorkDir
"""
CANONICAL = {name.lower(): name for name in _SACCT_FIELDS.split()}

# What a person can put anything into. A column that we don't know is treated alike.
_FREE_TEXT = """
AdminComment Comment Constraints Container Extra JobName Licenses StdErr StdIn StdOut SubmitLine
SystemComment WorkDir
"""
_REQUIRED: tuple[tuple[str, ...], ...] = (
    ("JobIDRaw", "JobID"),
    ("Submit",),
    ("Start",),
    ("End",),
    ("ElapsedRaw", "Elapsed"),
    ("State",),
    ("AllocTRES", "ReqTRES"),
    ("User",),
    ("Account",),
)

STEP_COLUMNS = ("TotalCPU", "AveRSS", "NTasks", "ConsumedEnergyRaw")
"""What steps are read for besides; most of it is 0 or empty in a table that leaves them out."""
_READ = frozenset((*FIELD_COLUMNS, *STEP_COLUMNS))

Check = Callable[[str], object]

# The shapes of cells, to find out which of several readings of a row is possible.
_SHAPES = {
    r"[0-9]+(?:\.[A-Za-z0-9_+]+)?": "JobIDRaw",
    r"[0-9]+(?:_[0-9]+|_\[[^\]|]*\]|\+[0-9]+)?(?:\.[A-Za-z0-9_+]+)?": "JobID",
    r"[A-Z][A-Z_]+(?: by [0-9]+)?\+?": "State",
    r"|None assigned|[^\s|]+": "NodeList",
    r"|[0-9]+:[0-9]+": "ExitCode DerivedExitCode",
    (
        r"|Unknown|None|N/A|[0-9]{1,11}"
        r"|[0-9]{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)?"
    ): "Start End Eligible",
    r"[0-9]{1,11}|[0-9]{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)?": "Submit",
    r"(?:\d+-)?(?:\d+:)?\d\d:\d\d(?:\.\d+)?|INVALID": "Elapsed Suspended TotalCPU",
    r"|(?:\d+-)?(?:\d+:)?\d\d:\d\d(?:\.\d+)?|UNLIMITED|Partition_Limit|INVALID": (
        "CPUTime Planned PlannedCPU Reserved ResvCPU SystemCPU Timelimit UserCPU"
    ),
    r"|[A-Za-z]+": "Layout",
    r"|[0-9]{1,20}": (
        "AllocCPUS AllocNodes AssocID ConsumedEnergyRaw CPUTimeRAW DBIndex ElapsedRaw GID NCPUS"
        " NNodes NTasks PlannedCPURAW Priority QOSRAW ReqCPUS ReqNodes ReservationId Restarts"
        " ResvCPURAW UID WCKeyID"
    ),
    r"|(?:[a-z][^\s=,|]*=[^\s=,|]+)(?:,[a-z][^\s=,|]*=[^\s=,|]+)*": "AllocTRES ReqTRES",
    r"[^\s|\x00-\x1f]{0,255}": "Account Cluster Group Partition QOS ReqMem Reservation User",
    r"|[0-9]+(?:\.[0-9]+)?[KMGTP]?": "AveRSS",
}
_CHECKS: dict[str, Check] = {
    name: re.compile(shape, re.ASCII).fullmatch
    for shape, names in _SHAPES.items()
    for name in names.split()
}
# A cell that only looks like itself: enough to say that a fragment is the beginning of a row.
_TELLING = ("JobIDRaw", "JobID", "Submit", "Start", "End", "State", "AllocTRES", "ReqTRES")


class Layout:
    """How to read the cells of one file, worked out once from its columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.width = len(self.columns)
        self.checks = tuple(
            _CHECKS.get(name, _empty if not name else None) for name in self.columns
        )
        self.free = tuple(
            name in _FREE_TEXT.split() or self._unknown(name) for name in self.columns
        )
        places = {name: index for index, name in enumerate(self.columns)}
        # Index ``width`` is a None that the reader appends to each row, for absent columns.
        self.used = tuple(places.get(name, self.width) for name in FIELD_COLUMNS)
        self.pick = itemgetter(*self.used)
        self.cluster = places.get("Cluster")
        self.telling = tuple(places[name] for name in _TELLING if name in places)
        first_free = self.free.index(True) if True in self.free else self.width
        self.last_free = bool(self.free) and self.free[-1]
        # All that is billed comes before anything that can hold a delimiter: no need to search.
        self.simple_tail = self.last_free and all(self.free[first_free:])
        # Billed cells come after what a user can write, who could imitate them there.
        read = (*self.used, *(places[name] for name in STEP_COLUMNS if name in places))
        self.exposed = any(first_free < i < self.width and not self.free[i] for i in read)
        # Cut off within the last cell, a row is still whole as far as billing goes.
        self.last_harmless = self.columns[-1] not in _READ or self.columns[-1] == "JobName"
        self.absent = absent_fields(self.columns)

    @staticmethod
    def _unknown(name: str) -> bool:
        return bool(name) and name not in CANONICAL.values()

    def begins_row(self, cells: Sequence[str]) -> bool:
        """Whether a short line is the beginning of a row; its last cell may be cut anywhere."""
        whole = range(min(len(cells) - 1, self.width))
        if not any(index in whole and cells[index] for index in self.telling):
            return False
        return all(self.plausible(index, cells[index]) for index in whole)

    def resembles_row(self, cells: Sequence[str]) -> bool:
        """Whether these cells could be a row whose first and last cells are damaged."""
        inner = [index for index in self.telling if 0 < index < self.width - 1]
        return all(cells[index] and self.plausible(index, cells[index]) for index in inner)

    def fits(self, cells: Sequence[str]) -> bool:
        """Whether each cell looks like what its column holds."""
        return all(self.plausible(index, cells[index]) for index in range(self.width))

    def plausible(self, index: int, cell: str) -> bool:
        if self.free[index]:
            return True
        check = self.checks[index]
        return "\n" not in cell and (check is None or check(cell) is not None)


def _empty(text: str) -> bool | None:
    return True if not text else None


def canonical(names: Sequence[str]) -> tuple[str, ...]:
    """Column names as Slurm spells them; ``JobName%30`` loses its width. Raises FileRefused."""
    found = tuple(
        CANONICAL.get(bare.lower(), bare) for bare in (name.split("%")[0].strip() for name in names)
    )
    ordered = sorted(name.lower() for name in found)
    for first, second in pairwise(ordered):
        if first == second:
            raise FileRefused(
                "duplicate_column",
                f"Column {CANONICAL.get(first, first)!r} is there twice. Name each column once.",
            )
    return found


def require(columns: Sequence[str]) -> None:
    """Refuse a file that lacks what a bill needs."""
    missing = [" or ".join(names) for names in _REQUIRED if not set(names) & set(columns)]
    if missing:
        raise FileRefused(
            "missing_columns",
            f"Missing: {', '.join(missing)}. This command makes a good file: {SACCT_COMMAND}",
        )


def recognised(cells: Sequence[str]) -> int:
    """How many cells are the names of accounting fields."""
    return sum(cell.split("%")[0].strip().lower() in CANONICAL for cell in cells)


def is_header(cells: Sequence[str]) -> bool:
    names = {cell.strip().lower() for cell in cells}
    return bool(names & {"jobid", "jobidraw"}) and recognised(cells) >= 3


def read_header(line: str, delimiter: str) -> tuple[str, ...]:
    """The canonical columns of a header line. Raises FileRefused."""
    cells = line.split(delimiter)
    if is_header(cells):
        columns = canonical(cells)
        require(columns)
        return columns
    refuse_other_delimiter(line, delimiter)
    if line.lstrip()[:1] in ("{", "["):
        raise FileRefused("no_header", "This looks like JSON; here a table of sacct is expected.")
    if is_header(line.split()):
        raise FileRefused(
            "wrong_delimiter",
            f"This is a table aligned with spaces. Use --parsable2: {SACCT_COMMAND}",
        )
    raise FileRefused(
        "no_header",
        "The first line has no column names. Give the columns, or make the file with a header: "
        + SACCT_COMMAND,
    )


def refuse_other_delimiter(line: str, delimiter: str) -> None:
    """Refuse when the line is a header under another delimiter."""
    for other in DELIMITERS:
        if other != delimiter and is_header(line.split(other)):
            raise _wrong_delimiter(other, delimiter)


def check_first_row(line: str, width: int, delimiter: str) -> None:
    """With columns given and no header: refuse when another delimiter fits and this one can't."""
    if line.count(delimiter) + 1 >= width or width < 3:
        return
    for other in DELIMITERS:
        # Times are full of colons.
        if other not in (delimiter, ":") and line.count(other) + 1 >= width:
            raise _wrong_delimiter(other, delimiter)


def _wrong_delimiter(found: str, expected: str) -> FileRefused:
    return FileRefused(
        "wrong_delimiter",
        f"The columns are separated by {DELIMITERS[found]}, not by"
        f" {DELIMITERS.get(expected, repr(expected))}. Make the file with"
        " sacct --parsable2.",
    )
