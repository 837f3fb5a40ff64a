"""Why a row is in quarantine or a whole input was refused: stable codes, kept in the database and
translated where shown (``usage.explanations``)."""

from enum import StrEnum


class Reason(StrEnum):
    """One code per kind of fault. Never renamed: stored rows carry them."""

    COLUMNS = "columns"
    NUL = "nul"
    CONTROL_CHARACTER = "control_character"
    NEWLINE = "newline"
    TRUNCATED = "truncated"
    TOO_LONG = "too_long"
    MISSING = "missing"
    VALUE = "value"
    OTHER_CLUSTER = "other_cluster"
    JOB_ID = "job_id"
    ARRAY_WITHOUT_RAW_ID = "array_without_raw_id"
    STATE = "state"
    TIME = "time"
    EPOCH_ZERO = "epoch_zero"
    FUTURE_END = "future_end"
    FUTURE_TIME = "future_time"
    NONEXISTENT_TIME = "nonexistent_time"
    AMBIGUOUS_TIME = "ambiguous_time"
    END_BEFORE_START = "end_before_start"
    ELAPSED = "elapsed"
    ELAPSED_MISMATCH = "elapsed_mismatch"
    SUSPENDED = "suspended"
    TRES = "tres"
    NO_ALLOC_TRES = "no_alloc_tres"
    NO_REQ_TRES = "no_req_tres"
    NO_NODES = "no_nodes"
    GPU_MISSING = "gpu_missing"
    TIME_ZONE = "time_zone"
    IDENTITY_CLASH = "identity_clash"


class RowError(ValueError):
    """A row that can't be billed as it stands. ``detail`` quotes at most a short piece of it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class FileRefused(ValueError):
    """A whole file (or stream) that must not be imported.

    ``code`` is stable; ``usage.explanations.REFUSALS`` lists all of them. The message is English,
    for whoever made the file, and says what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
