"""What the codes of refused files and quarantined rows mean, for people."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REFUSALS: dict[str, Promise] = {
    "empty": _("The file is empty. Check that sacct did not fail when it was made."),
    "read_otherwise": _(
        "The jobs of this file were imported already, for another cluster or in another time zone."
    ),
    "no_rows": _("The file has a header but no rows. Check that sacct did not fail."),
    "no_header": _("The first line has no column names. Name the columns, or make a new file."),
    "wrong_delimiter": _("The columns are not separated by “|”. Make the file with --parsable2."),
    "duplicate_column": _("A column occurs twice. Name each column once."),
    "missing_columns": _("Columns that a bill needs are missing. Make the file with all of them."),
    "header_mismatch": _("The file has a header of its own, which differs from the columns given."),
    "encoding": _("The file is not UTF-8. Save it as UTF-8."),
    "other_cluster": _(
        "All of it ran on another cluster. Choose that one, or enter the name that Slurm uses in"
        " the cluster's settings."
    ),
    "time_zone": _(
        "Its times are local ones in another zone than the cluster's own. Read so, its jobs could"
        " be billed twice: make it with epoch times, or in the cluster's zone."
    ),
    "line_too_long": _("A line is too long to be an accounting row. Leave free text out."),
    "compression": _("The file can't be unpacked: it is damaged, cut off, or not gzip or zstd."),
    "not_json": _("The file begins like JSON, but it is not an answer of Slurm."),
    "json_cut": _("The JSON is cut off. Nothing of it was used; make the file again."),
    "nested": _("The JSON is nested too deeply to be an answer of Slurm."),
    "duplicate_key": _("The JSON names a value twice, so it can't be trusted."),
    "record_too_long": _("A job's record is too long. Leave the steps of jobs out."),
    "no_jobs": _("The JSON has no list of jobs. Save the answer about jobs."),
    "answer_errors": _("Slurm reported errors in its answer, so jobs may be missing from it."),
    "web_page": _("This is a web page, such as an error page, not accounting."),
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
    "value": _("A value is not of the kind that it should be, such as a number that is none."),
    "other_cluster": _("The job ran on another cluster."),
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
    "time_zone": _("A time does not say its zone, and the file is not in the cluster's own."),
    "identity_clash": _("The same job stands in the input twice and says different things."),
}
"""By the code of a quarantined row (``usage.reasons.Reason``)."""


def explain_refusal(code: str) -> str:
    """Return what a refused file's code means in the current language, or the code itself."""
    return str(REFUSALS.get(code, code))


def explain_reason(code: str) -> str:
    """Return what a quarantined row's code means in the current language, or the code itself."""
    return str(REASONS.get(code, code))
