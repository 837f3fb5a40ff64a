"""Why a job's figures are unlike Slurm's: stable codes, kept in the database."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Cause(models.TextChoices):
    """One for each job that differs: the first that holds, in this order."""

    NOT_READ = "not_read", _("Ended in a span that was not read yet")
    MISSING = "missing", _("Slurm has it, we don't")
    GONE = "gone", _("Slurm has it no longer")
    ENDED_SINCE = "ended_since", _("It ran when it was last read")
    CHANGED_SINCE = "changed_since", _("Its times were changed in Slurm since it was read")
    RESIZED = "resized", _("Resized: Slurm counts the time before twice")
    ESTIMATED = "estimated", _("Estimated from what was requested")
    SUSPENDED = "suspended", _("Suspended: Slurm knows when, its records only for how long")
    STILL_RUNS = "still_runs", _("It runs, and was read before the comparison's end")
    UNKNOWN = "unknown", _("Unknown")


UNEXPLAINED = (Cause.MISSING, Cause.GONE, Cause.UNKNOWN)
"""These need a person: something is lost, or read or counted wrongly."""
