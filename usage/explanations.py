"""What the codes of refused files and quarantined rows mean, for people."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REFUSALS: dict[str, Promise] = {
    "empty": _("The file is empty. Check that sacct did not fail when it was made."),
    "no_rows": _("The file has a header but no rows. Check that sacct did not fail."),
    "no_header": _("The first line has no column names. Name the columns, or make a new file."),
    "wrong_delimiter": _("The columns are not separated by “|”. Make the file with --parsable2."),
    "duplicate_column": _("A column occurs twice. Name each column once."),
    "missing_columns": _("Columns that a bill needs are missing. Make the file with all of them."),
    "header_mismatch": _("The file has a header of its own, which differs from the columns given."),
    "encoding": _("The file is not UTF-8. Save it as UTF-8."),
    "line_too_long": _("A line is too long to be an accounting row. Leave free text out."),
}
"""By the code of a ``FileRefused``."""

REASONS: dict[str, Promise] = {
    "columns": _("The row does not have as many cells as there are columns."),
    "nul": _("The row holds a NUL byte."),
    "control_character": _("The row holds a control character."),
    "newline": _("A line break within the row could not be told from the end of a row."),
    "truncated": _("The file ends within the row."),
    "too_long": _("A name is too long."),
    "missing": _("A value that a bill needs is missing."),
    "job_id": _("The job id is not a number."),
    "array_without_raw_id": _("A task of an array needs the column JobIDRaw to be told apart."),
    "state": _("The state is not one of Slurm's."),
    "time": _("A time can't be read."),
    "epoch_zero": _("A time is the first second of 1970."),
    "future_end": _("The job ended in the future."),
    "future_time": _("A time lies in the future."),
    "nonexistent_time": _("A local time does not exist: clocks were put forward."),
    "ambiguous_time": _("A local time occurred twice: clocks were put back."),
    "end_before_start": _("The job ended before it started."),
    "elapsed": _("The elapsed time can't be read."),
    "elapsed_mismatch": _("The elapsed time is not the time between start and end."),
    "suspended": _("The suspended time can't be read."),
    "tres": _("The TRES can't be read."),
    "no_alloc_tres": _("The job ran, but nothing is allocated to it."),
    "no_req_tres": _("The job ran, but nothing is requested for it."),
    "no_nodes": _("Time elapsed, but on no node."),
    "gpu_missing": _("GPUs were requested, but none is allocated."),
}
"""By the code of a quarantined row (``usage.reasons.Reason``)."""


def explain_refusal(code: str) -> str:
    """Return what a refused file's code means in the current language, or the code itself."""
    return str(REFUSALS.get(code, code))


def explain_reason(code: str) -> str:
    """Return what a quarantined row's code means in the current language, or the code itself."""
    return str(REASONS.get(code, code))
