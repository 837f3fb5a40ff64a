"""What those who start, read and release import runs share: which status follows which."""

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict
from core.transitions import Table
from usage.models import ImportRun

RUN_TASK = "hpcbilling.run_import"
"""Reads a run to its end and rates its jobs. It is downstream, so it is asked for by name."""

S = ImportRun.Status
STEPS: Table = {
    S.PREPARED: frozenset({S.RUNNING, S.CANCELLED}),
    S.RUNNING: frozenset({S.COMPLETE, S.INCOMPLETE, S.FAILED}),
    S.INCOMPLETE: frozenset({S.RELEASED}),
}


def is_running() -> Conflict:
    """Return the refusal to go on with an import that somebody else goes on with."""
    return Conflict("import_running", _("This import is being run by someone else just now."))
