"""Where each job stands on its way to a charge: the one place that says so.

The rating of a job is downstream (in ``pricing``), so it is asked by name here.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, CharField, F, Q, TextChoices, Value, When
from django.utils.translation import gettext_lazy as _

from usage.selectors import IS_FREE, IS_HELD

LOOKED_AT = Q(rating__isnull=False, rating__job_revision=F("revision"))
"""Over jobs: rating has looked at the job as it is now."""


class Stage(TextChoices):
    """Disjoint and complete: a job is in exactly one.

    A job that has charges in force stays RATED while a changed row of it waits.
    """

    RUNNING = "running", _("Not ended yet")
    HELD = "held", _("Held back")
    PENDING = "pending", _("To be rated")
    RATED = "rated", _("Rated")
    EXEMPT = "exempt", _("Exempt")
    UNPRICED = "unpriced", _("Unpriced")


def _conditions() -> dict[Stage, Q]:
    rated = Q(rating__isnull=False, rating__status="rated")
    ended = Q(end__isnull=False) & ~rated
    free = ended & IS_FREE
    return {
        Stage.RATED: rated,
        Stage.RUNNING: Q(end=None) & ~rated,
        Stage.HELD: ended & IS_HELD,
        Stage.PENDING: free & ~LOOKED_AT,
        Stage.EXEMPT: free & LOOKED_AT & Q(rating__status="exempt"),
        Stage.UNPRICED: free & LOOKED_AT & Q(rating__status="unpriced"),
    }


CONDITIONS = _conditions()


def condition(stage: str) -> Q:
    """Return the condition, over jobs, of standing somewhere."""
    return CONDITIONS[Stage(stage)]


def stage() -> Case:
    """Return the expression, over jobs, that gives each one's stage."""
    return choice_of(CONDITIONS)


def choice_of(conditions: Mapping[Any, Q]) -> Case:
    """Return the expression that names the condition that holds."""
    cases = [When(found, then=Value(str(name))) for name, found in conditions.items()]
    return Case(*cases, output_field=CharField())
