"""Where each job stands on the way to being paid: one bucket for every job."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Case, Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from receipts.models import LineCharge, Receipt
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


def conditions() -> Mapping[str, Q]:
    """Return by bucket the condition, over jobs, of being in it."""
    on_document = LineCharge.objects.filter(
        charge__job=OuterRef("pk"), charge__reverses=None, charge__reversal=None
    )
    on_draft = on_document.filter(line__receipt__status=Receipt.Status.DRAFT)
    rated = stages.condition(Stage.RATED)
    found: dict[str, Any] = {
        Bucket.UNBILLED: rated & ~Exists(on_document),
        Bucket.REVIEW: rated & Exists(on_draft),
        Bucket.BILLED: rated & Exists(on_document) & ~Exists(on_draft),
    }
    return found | {Bucket(stage.value): stages.condition(stage) for stage in _PLAIN}


def condition(bucket: str) -> Q:
    """Return the condition, over jobs, of being in a bucket."""
    return conditions()[Bucket(bucket)]


def bucket() -> Case:
    """Return the expression, over jobs, that gives each one's bucket: to show or to sum by."""
    return stages.choice_of(conditions())
