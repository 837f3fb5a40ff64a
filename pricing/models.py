"""Price lists by tier and date, and the charges that they make of jobs."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Tier, User
from usage.models import Cluster, ImportRun, Job


class ResourceCode(models.TextChoices):
    """Resources that can have a price; units and sizes are in ``pricing.resources``."""

    CPU = "cpu", _("CPU")
    GPU = "gpu", _("GPU")
    MEM = "mem", _("Memory")


def _person(name: Any) -> "models.ForeignKey[User | None, User | None]":
    return models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", editable=False, verbose_name=name
    )


class PriceList(models.Model):
    """All prices of one tier from ``effective_at`` on, until a newer published list.

    Draft → submitted → published. Whoever approves a submitted list publishes it with that step,
    so a list that was approved in time takes effect by its date alone; nobody has to remember it.

    Invariants, kept by the database: only a draft changes; a submitted list goes back to draft or
    is published as it stands; a published one and its rates never change; who approves is neither
    who wrote it, nor who changed it last, nor who submitted it. Without an approver a list can be
    published only while the site has no people at all: the first prices of a new site.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Waiting for approval")
        PUBLISHED = "published", _("Published")

    tier = models.ForeignKey(
        Tier, models.PROTECT, related_name="price_lists", verbose_name=_("tier")
    )
    effective_at = models.DateTimeField(_("effective from"))
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_by = _person(_("created by"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    edited_by = _person(_("last changed by"))
    submitted_by = _person(_("submitted by"))
    submitted_at = models.DateTimeField(_("submitted for approval"), null=True, editable=False)
    rejection = models.CharField(
        _("sent back because"), max_length=200, blank=True, default="", editable=False
    )
    approved_by = _person(_("approved by"))
    published_at = models.DateTimeField(_("published"), null=True, editable=False)

    class Meta:
        verbose_name = _("price list")
        verbose_name_plural = _("price lists")
        ordering = ("tier", "-effective_at", "-revision")
        permissions = (("publish_pricelist", _("Can approve price lists of others")),)
        constraints = (
            models.UniqueConstraint(
                fields=("tier", "effective_at", "revision"), name="price_list_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    status="draft",
                    submitted_at=None,
                    submitted_by=None,
                    approved_by=None,
                    published_at=None,
                )
                | Q(
                    status="submitted",
                    submitted_at__isnull=False,
                    approved_by=None,
                    published_at=None,
                    rejection="",
                )
                | Q(
                    status="published",
                    submitted_at__isnull=False,
                    published_at__gte=F("submitted_at"),
                    rejection="",
                ),
                name="price_list_steps",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None)
                | Q(submitted_by__isnull=False)
                & ~Q(approved_by=F("submitted_by"))
                & (Q(created_by=None) | ~Q(approved_by=F("created_by")))
                & (Q(edited_by=None) | ~Q(approved_by=F("edited_by"))),
                name="price_list_second_person",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="price_list_currency_code"
            ),
        )
        indexes = (
            models.Index(
                fields=("submitted_at",),
                condition=Q(status="submitted"),
                name="price_list_waiting",
            ),
        )

    def __str__(self) -> str:
        return f"{self.tier.code} {localtime(self.effective_at):%Y-%m-%d} r{self.revision}"

    @property
    def authors(self) -> frozenset[int]:
        """The people who wrote, changed or submitted it, and so can't approve it."""
        people = (self.created_by_id, self.edited_by_id, self.submitted_by_id)
        return frozenset(person for person in people if person is not None)


class Rate(models.Model):
    """The price of one unit of a resource in a list, such as 0.75 baht for a CPU-core-hour."""

    price_list = models.ForeignKey(
        PriceList, models.CASCADE, related_name="rates", verbose_name=_("price list")
    )
    resource = models.CharField(_("resource"), max_length=32, choices=ResourceCode.choices)
    unit_price = models.DecimalField(
        _("unit price"), max_digits=18, decimal_places=6, validators=[MinValueValidator(0)]
    )

    class Meta:
        verbose_name = _("rate")
        verbose_name_plural = _("rates")
        ordering = ("price_list", "resource")
        constraints = (
            models.UniqueConstraint(fields=("price_list", "resource"), name="rate_once"),
            models.CheckConstraint(
                condition=Q(unit_price__gte=0, unit_price__lt=10**12), name="rate_in_range"
            ),
            models.CheckConstraint(
                condition=Q(resource__in=ResourceCode.values), name="rate_resource_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.price_list}: {self.resource} {self.unit_price}"


class Charge(models.Model):
    """One resource of one job, priced. Never edited: corrected by a reversal and a replacement.

    Invariants, kept by the database: amount = round(quantity × unit price ÷ unit size, 6); a
    reversal negates its charge exactly and happens once; a job's resource has one live charge at
    most, and ``generation`` counts up with each replacement.
    """

    append_only = True

    # No foreign keys: set-based rules show that what a charge points at exists and stays (ADR 7).
    job = models.ForeignKey(
        Job,
        models.PROTECT,
        related_name="charges",
        db_constraint=False,
        db_index=False,
        verbose_name=_("job"),
    )
    project = models.ForeignKey(
        Project,
        models.PROTECT,
        related_name="charges",
        db_constraint=False,
        db_index=False,
        verbose_name=_("project"),
    )
    resource = models.CharField(_("resource"), max_length=32, choices=ResourceCode.choices)
    generation = models.PositiveIntegerField(_("generation"), default=1)
    rate = models.ForeignKey(
        Rate, models.PROTECT, related_name="charges", db_constraint=False, verbose_name=_("rate")
    )
    job_end = models.DateTimeField(_("job ended"))
    quantity = models.BigIntegerField(_("quantity in base units"))
    unit_size = models.BigIntegerField(_("base units in a unit"))
    unit_price = models.DecimalField(_("unit price"), max_digits=18, decimal_places=6)
    amount = models.DecimalField(_("amount"), max_digits=24, decimal_places=6)
    currency = models.CharField(_("currency"), max_length=3)
    estimated = models.BooleanField(_("estimated"), default=False)
    # Its unique index holds the reversals only; see the migration.
    reverses = models.OneToOneField(
        "self",
        models.PROTECT,
        null=True,
        related_name="reversal",
        db_constraint=False,
        verbose_name=_("reverses"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("charge")
        verbose_name_plural = _("charges")
        ordering = ("-job_end", "job_id", "resource")
        constraints = (
            # One index for two rules: a charge and its reversal are each there once, and all
            # charges of a job are found by it.
            models.UniqueConstraint(
                fields=("job", "resource", "generation", "reverses"),
                nulls_distinct=False,
                name="charge_once",
            ),
            models.CheckConstraint(
                condition=Q(reverses=None, quantity__gt=0)
                | Q(reverses__isnull=False, quantity__lt=0),
                name="charge_sign",
            ),
            models.CheckConstraint(
                condition=Q(unit_size__gt=0, unit_price__gte=0, unit_price__lt=10**12),
                name="charge_price_in_range",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="charge_currency_code"
            ),
        )
        indexes = (
            models.Index(fields=("project", "job_end"), name="charge_project_end"),
            # The list of all charges by end, and the figures of a month.
            models.Index(fields=("job_end",), name="charge_end"),
        )

    def __str__(self) -> str:
        return f"{self.job} {self.resource} {self.amount} {self.currency}"


class RatingStatus(models.TextChoices):
    """What became of a job."""

    RATED = "rated", _("Rated")
    EXEMPT = "exempt", _("Exempt")
    UNPRICED = "unpriced", _("Unpriced")


class RatingReason(models.TextChoices):
    """Why a job has no charges."""

    NONE = "", "–"
    NO_PROJECT = "no_project", _("No project has this Slurm account")
    PROJECT_INACTIVE = "project_inactive", _("The project is not active")
    NO_TIER = "no_tier", _("The project had no tier when the job ended")
    NO_LIST = "no_list", _("The tier had no price list when the job ended")
    NO_RATE = "no_rate", _("The price list has no rate for a resource that the job used")
    NO_USAGE = "no_usage", _("The job used nothing")
    EXEMPTED = "exempted", _("An exemption of the cluster covers it")
    CHANGED = "changed", _("The job changed; it is rated anew")


class JobRating(models.Model):
    """What became of a job: rated, exempt, or unpriced with the reason.

    Invariants, kept by the database: only unpriced and exempt jobs have a reason; a job is rated
    if, and only if, it has charges in force. ``job_revision`` is the revision of the job that was
    looked at; a newer one is rated again. ``due`` marks what could not be done yet: the charges
    are to be replaced, but they are on a document.
    """

    Status = RatingStatus
    Reason = RatingReason

    job = models.OneToOneField(
        Job,
        models.PROTECT,
        primary_key=True,
        related_name="rating",
        db_constraint=False,
        verbose_name=_("job"),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    reason = models.CharField(_("reason"), max_length=32, choices=Reason.choices, blank=True)
    project = models.ForeignKey(
        Project,
        models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("project"),
    )
    job_revision = models.PositiveIntegerField(_("revision of the job"))
    generation = models.PositiveIntegerField(_("generation of its charges"), default=0)
    since = models.DateTimeField(_("since"))
    due = models.BooleanField(_("to be rated anew"), default=False)

    class Meta:
        verbose_name = _("rating of a job")
        verbose_name_plural = _("ratings of jobs")
        ordering = ("-since", "-job_id")
        permissions = (("rate_jobs", _("Can rate jobs")),)
        constraints = (
            models.CheckConstraint(
                condition=Q(status="rated", reason="", project__isnull=False)
                | (Q(status__in=("exempt", "unpriced")) & ~Q(reason="")),
                name="job_rating_reason",
            ),
        )
        indexes = (
            models.Index(fields=("reason",), condition=Q(status="unpriced"), name="job_unpriced"),
            models.Index(fields=("project",), name="job_rating_project"),
            models.Index(fields=("job",), condition=Q(due=True), name="job_rating_due"),
        )

    def __str__(self) -> str:
        return f"{self.job_id} {self.status} {self.reason}".strip()


class RatedRun(models.Model):
    """An import whose jobs rating has all looked at, so that it needs not look for them again.

    Invariant, kept by the database: the import is complete or released, and each of its ended jobs
    was rated as it is, or is marked as due. A job that changes goes over to the run that changed
    it.
    """

    append_only = True

    run = models.OneToOneField(
        ImportRun,
        models.PROTECT,
        primary_key=True,
        related_name="rated",
        verbose_name=_("import run"),
    )
    rated_at = models.DateTimeField(_("rated"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("rated import")
        verbose_name_plural = _("rated imports")

    def __str__(self) -> str:
        return str(self.run_id)


class Recheck(models.Model):
    """Something that prices rest on changed: the jobs that it touches are to be judged again.

    The database adds a row with each such change, whatever door it came by, and rating takes the
    rows away again. ``project`` and the span of job ends tell of a tier; ``cluster`` and
    ``account`` of who pays for a Slurm account (an empty account is all of the cluster). A row
    with neither touches the jobs without a price alone.
    """

    project = models.ForeignKey(
        Project, models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    cluster = models.ForeignKey(
        Cluster, models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    account = models.CharField(max_length=128, blank=True, db_default="")
    noticed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("prices to check again")
        verbose_name_plural = _("prices to check again")

    def __str__(self) -> str:
        return f"{self.project_id or self.cluster_id or ''} {self.account}".strip()
