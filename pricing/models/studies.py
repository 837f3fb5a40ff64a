"""What lists would have made of the past: stored studies, and the comparison before publishing."""

from datetime import timedelta
from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from core.intervals import Interval
from pricing.models.fields import person
from pricing.models.lists import PriceList


class PriceStudy(models.Model):
    """The history of ``[since, until)`` re-priced under a list; nothing is charged by it.

    ``digest`` is that of the prices and terms that were studied: a list that says something else
    now has another one. ``figures`` are ``pricing.study.Figures`` as JSON. Invariants, kept by the
    database: only a study that is done has figures and a digest, only one that failed an error, and
    neither changes any more.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Complete")
        FAILED = "failed", _("Failed")

    price_list = models.ForeignKey(
        PriceList, models.CASCADE, related_name="studies", verbose_name=_("price list")
    )
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    cost = models.DecimalField(
        _("cost of running the centre"),
        max_digits=18,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
    )
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.WAITING
    )
    digest = models.CharField(max_length=64, blank=True, default="")
    figures = models.JSONField(null=True)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")
    created_by = person(_("by"))
    created_at = models.DateTimeField(_("asked for"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("price study")
        verbose_name_plural = _("price studies")
        ordering = ("-created_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(until__gt=F("since")) & (Q(cost=None) | Q(cost__gt=0)),
                name="price_study_in_range",
                violation_error_message=_("It must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=("waiting", "running"),
                    figures=None,
                    digest="",
                    error="",
                    finished_at=None,
                )
                | Q(
                    status="done",
                    figures__isnull=False,
                    digest__regex=r"^[0-9a-f]{64}$",
                    error="",
                    finished_at__isnull=False,
                )
                | Q(
                    status="failed",
                    figures=None,
                    digest="",
                    error__gt="",
                    finished_at__isnull=False,
                ),
                name="price_study_steps",
            ),
        )

    def __str__(self) -> str:
        first, last = localtime(self.since), localtime(self.until - timedelta(microseconds=1))
        return f"{self.price_list}, {first:%Y-%m-%d} – {last:%Y-%m-%d}"

    @property
    def window(self) -> Interval:
        return Interval(self.since, self.until)

    @property
    def is_over(self) -> bool:
        return self.status in {self.Status.DONE, self.Status.FAILED}


class Canary(models.Model):
    """How a list compared with the last closed month when it was published.

    Invariants, kept by the database: no list is published without one for what was submitted; a
    list that changes a project's bill by more than ``limit_percent`` has the name of who let it
    pass all the same, and a reason; it never changes. ``projects`` are those whose bills jump.
    """

    append_only = True

    class Outcome(models.TextChoices):
        NOTHING = "nothing", _("Nothing to compare with")
        PASSED = "passed", _("Passed")
        OVERRIDDEN = "overridden", _("Let pass by name")

    price_list = models.OneToOneField(
        PriceList, models.PROTECT, related_name="canary", verbose_name=_("price list")
    )
    submitted_at = models.DateTimeField(_("submitted for approval"))
    month = models.DateField(_("month"))
    limit_percent = models.DecimalField(_("limit in percent"), max_digits=9, decimal_places=1)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    projects = models.JSONField(_("projects whose bills jump"), default=list)
    override_by = person(_("let pass by"))
    override_reason = models.CharField(_("reason"), max_length=200, blank=True, default="")
    created_at = models.DateTimeField(_("compared"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("comparison before publishing")
        verbose_name_plural = _("comparisons before publishing")
        ordering = ("-created_at",)
        permissions = (("override_canary", _("Can let prices pass that change bills a lot")),)
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    outcome__in=("nothing", "passed"),
                    override_by=None,
                    override_reason="",
                    projects=[],
                )
                | Q(outcome="overridden", override_by__isnull=False)
                & ~Q(override_reason__regex=r"^\s*$"),
                name="canary_named_override",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1, limit_percent__gt=0), name="canary_in_range"
            ),
        )

    def __str__(self) -> str:
        return f"{self.price_list} {self.month:%Y-%m} {self.outcome}"
