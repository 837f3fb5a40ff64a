"""Where each job stands on the way to being paid: one bucket for every job."""

from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from pricing.models import JobRating
from receipts.models import LineCharge, Receipt
from usage.selectors import IS_FREE, IS_HELD


class Bucket(models.TextChoices):
    """Disjoint and complete: a job is in exactly one. A running job has no cost yet."""

    UNBILLED = "unbilled", _("Not billed yet")
    REVIEW = "review", _("In review")
    BILLED = "billed", _("Billed")
    UNPRICED = "unpriced", _("Without price")
    EXEMPT = "exempt", _("Free of charge")
    HELD = "held", _("Held back")
    RUNNING = "running", _("Running")


def condition(bucket: str) -> Q:
    """Return the condition, over jobs, of being in a bucket."""
    rated = Q(rating__status=JobRating.Status.RATED)
    on_document = LineCharge.objects.filter(
        charge__job=OuterRef("pk"), charge__reverses=None, charge__reversal=None
    )
    on_draft = on_document.filter(line__receipt__status=Receipt.Status.DRAFT)
    ended = Q(end__isnull=False)
    waiting = Q(rating=None) | Q(rating__status=JobRating.Status.UNPRICED)
    conditions: dict[str, Any] = {
        Bucket.UNBILLED: rated & ~Exists(on_document),
        Bucket.REVIEW: rated & Exists(on_draft),
        Bucket.BILLED: rated & Exists(on_document) & ~Exists(on_draft),
        Bucket.UNPRICED: ended & IS_FREE & waiting,
        Bucket.EXEMPT: ended & IS_FREE & Q(rating__status=JobRating.Status.EXEMPT),
        Bucket.HELD: ended & IS_HELD & ~rated,
        Bucket.RUNNING: Q(end=None) & ~rated,
    }
    return Q(conditions[bucket])
