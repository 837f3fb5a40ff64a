"""What became of each job, and what rating has to look at (again)."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from usage.models import Cluster, ImportRun, Job


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
    STATE = "state", _("The price list bills nothing of jobs that ended so")
    FREE = "free", _("The price list charges nothing for what the job used")
    CURRENCIES = "currencies", _("The price lists that count are in several currencies")
    UNREADABLE = "unreadable", _("What the job used can't be read")
    TOO_LARGE = "too_large", _("The amount is too large to be charged")
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
    ``account`` of who pays for a Slurm account (an empty account is all of the cluster); and
    ``user_name`` of a person's own prices. A row with none of these touches the jobs without a
    price alone.
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
    user_name = models.CharField(max_length=128, blank=True, db_default="")
    noticed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("prices to check again")
        verbose_name_plural = _("prices to check again")

    def __str__(self) -> str:
        return f"{self.project_id or self.cluster_id or ''} {self.account}".strip()
