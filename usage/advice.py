"""What a person can do about a quarantined row, in plain words, by the code of its reason."""

from collections.abc import Mapping
from itertools import chain

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from usage.reasons import Reason

_ASK_AGAIN = _(
    "The input is damaged or was cut off. Read the same days again from Slurm; if it is a file,"
    " make it anew with the command in the documentation."
)
_FREE_TEXT = _(
    "A name or comment that a user wrote got in the way. Make the file without JobName and Comment,"
    " or take JSON; then read it again."
)
_SETTINGS = _(
    "Compare the cluster's settings here with Slurm: its name in Slurm and its time zone. Correct"
    " them and try again; if the rows belong to another cluster, dismiss them here."
)
_COLUMNS = _(
    "The file lacks what is needed to tell what the job used. Make it with the columns that the"
    " documentation lists, and import it."
)
_SLURM = _(
    "Slurm's own record of the job contradicts itself. Look at it with sacct -j; where slurmdbd was"
    " down, `sacctmgr show runawayjobs` finds and mends such records. Then read the days again. A"
    " record that stays wrong can be dismissed: the job is then not billed."
)
_CLOCK = _(
    "Make the file with epoch times (SLURM_TIME_FORMAT=%s) or in UTC: local times are not enough on"
    " the nights when clocks change."
)
_FUTURE = _(
    "Compare the clocks of the machines: the job's time lies in the future. Read the days again"
    " once they agree."
)
_LOST = _(
    "Slurm's answer lacks what was allocated. Ask another way, such as sacct instead of slurmrestd,"
    " and read the days again."
)
_CLASH = _(
    "Two rows speak of one job. A name may hold a forged row, or two files were put together: make"
    " the file anew without JobName, or take JSON, and compare with sacct -j."
)
_ELSE = _(
    "Look at the row as it came and at the job in Slurm. Correct it there and read the days again,"
    " or dismiss the row with a reason: its job is then not billed."
)

_BY_ADVICE: Mapping[Promise, tuple[Reason, ...]] = {
    _ASK_AGAIN: (Reason.TRUNCATED, Reason.MISSING),
    _FREE_TEXT: (Reason.COLUMNS, Reason.NEWLINE, Reason.NUL, Reason.CONTROL_CHARACTER),
    _SETTINGS: (Reason.OTHER_CLUSTER, Reason.TIME_ZONE),
    _COLUMNS: (Reason.ARRAY_WITHOUT_RAW_ID, Reason.NO_REQ_TRES),
    _SLURM: (
        Reason.END_BEFORE_START,
        Reason.ELAPSED,
        Reason.ELAPSED_MISMATCH,
        Reason.SUSPENDED,
        Reason.EPOCH_ZERO,
        Reason.NO_NODES,
    ),
    _CLOCK: (Reason.NONEXISTENT_TIME, Reason.AMBIGUOUS_TIME),
    _FUTURE: (Reason.FUTURE_END, Reason.FUTURE_TIME),
    _LOST: (Reason.NO_ALLOC_TRES, Reason.GPU_MISSING),
    _CLASH: (Reason.IDENTITY_CLASH,),
}
_ADVICE = dict(
    chain.from_iterable(
        ((code.value, text) for code in codes) for text, codes in _BY_ADVICE.items()
    )
)


def advise(code: str) -> str:
    """Return what to do about a quarantined row, in the current language."""
    return str(_ADVICE.get(code, _ELSE))
