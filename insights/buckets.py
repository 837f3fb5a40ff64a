"""Where each job stands on the way to being paid: one bucket for every job."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Case, Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from accounts.selectors import Viewer
from pricing.models import Charge
from pricing.selectors import live_charges, may_see_charges
from receipts.models import Receipt
from usage import stages
from usage.stages import Stage


class Bucket(models.TextChoices):
    """Disjoint and complete: a job is in exactly one. A running job has no cost yet.

    The stages of ``usage.stages`` as the person who pays names them, with the rated jobs parted by
    the document that their charges in force are on.
    """

    UNBILLED = "unbilled", _("Not billed yet")
    REVIEW = "review", _("In review")
    BILLED = "billed", _("Billed")
    PENDING = "pending", _("Waiting to be priced")
    UNPRICED = "unpriced", _("Without price")
    EXEMPT = "exempt", _("Free of charge")
    HELD = "held", _("Held back")
    RUNNING = "running", _("Running")


_PLAIN = (Stage.PENDING, Stage.UNPRICED, Stage.EXEMPT, Stage.HELD, Stage.RUNNING)


def conditions(viewer: Viewer | None = None) -> Mapping[str, Q]:
    """Return by bucket the condition, over jobs, of being in it.

    A job that is paid for in shares is billed when all of them are, those that ``viewer`` may see
    or all.
    """
    charges = live_charges(Charge.objects.filter(job=OuterRef("pk")))
    if viewer is not None:
        charges = charges.filter(may_see_charges(viewer))
    waiting = Exists(charges.filter(document_line=None))
    on_draft = Exists(charges.filter(document_line__line__receipt__status__in=Receipt.BEFORE_ISSUE))
    rated = stages.condition(Stage.RATED)
    found: dict[str, Any] = {
        Bucket.UNBILLED: rated & waiting,
        Bucket.REVIEW: rated & ~waiting & on_draft,
        Bucket.BILLED: rated & ~waiting & ~on_draft,
    }
    return found | {Bucket(stage.value): stages.condition(stage) for stage in _PLAIN}


def condition(bucket: str, viewer: Viewer | None = None) -> Q:
    """Return the condition, over jobs, of being in a bucket."""
    return conditions(viewer)[Bucket(bucket)]


def bucket(viewer: Viewer | None = None) -> Case:
    """Return the expression, over jobs, that gives each one's bucket: to show or to sum by."""
    return stages.choice_of(conditions(viewer))
