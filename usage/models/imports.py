"""Evidence as it came, its readings, and the rows that could not be read."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from usage.explanations import explain_refusal
from usage.models.clusters import Cluster


class Evidence(models.Model):
    """Input as it came, kept compressed in chunks; never changed.

    ``sha256`` is of the bytes as they came, perhaps packed by gzip or zstd (``is_packed``).
    ``content_sha256`` is of the accounting in them, whatever was around it: the same content is
    stored once, in the form in which it came first. Each chunk but the last holds ``chunk_bytes``.
    """

    append_only = True

    sha256 = models.CharField(_("SHA-256"), max_length=64, unique=True)
    content_sha256 = models.CharField(_("SHA-256 of the content"), max_length=64, unique=True)
    is_packed = models.BooleanField(_("packed"), default=False)
    chunk_bytes = models.PositiveIntegerField(default=1 << 20)
    size_bytes = models.BigIntegerField(_("size in bytes"))
    stored_bytes = models.BigIntegerField(_("stored bytes"))
    received_at = models.DateTimeField(_("received"), auto_now_add=True)

    class Meta:
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        constraints = (
            models.CheckConstraint(
                condition=Q(size_bytes__gte=0, stored_bytes__gte=0), name="evidence_sizes"
            ),
        )

    def __str__(self) -> str:
        return self.sha256[:12]


class EvidenceChunk(models.Model):
    """A piece of evidence: bytes compressed by zstd, in order of ``index``."""

    append_only = True

    evidence = models.ForeignKey(
        Evidence,
        models.PROTECT,
        related_name="chunks",
        db_index=False,  # first of evidence_chunk_once
    )
    index = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ("evidence", "index")
        constraints = (
            models.UniqueConstraint(fields=("evidence", "index"), name="evidence_chunk_once"),
        )

    def __str__(self) -> str:
        return f"{self.evidence_id}/{self.index}"


class ImportRun(models.Model):
    """One reading of one piece of evidence for one cluster.

    Invariants: rows read = jobs + steps + quarantined at every commit; a finished run has its
    time. A run that dies goes on where its last committed batch ended. Jobs of a run are held back
    from rating until the run is complete or a named person releases it. ``retry_of`` is the run
    whose evidence it reads again, in the same way, with today's program and settings.

    ``as_of`` is how old the input is (see ``usage.ages``); it is known, at the latest, when the run
    ends. Jobs that a later input had told of otherwise stay as they are and are counted in
    ``jobs_older``, which is a part of the unchanged.
    """

    class Status(models.TextChoices):
        PREPARED = "prepared", _("Waiting for confirmation")
        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")
        INCOMPLETE = "incomplete", _("Incomplete, held back")
        RELEASED = "released", _("Incomplete, released")
        FAILED = "failed", _("Refused")
        CANCELLED = "cancelled", _("Cancelled")

    IN_FORCE = (Status.COMPLETE, Status.RELEASED)
    """Statuses of runs whose jobs may be rated; the jobs of all others are held back."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    cluster = models.ForeignKey(
        Cluster, models.PROTECT, related_name="runs", verbose_name=_("cluster")
    )
    evidence = models.ForeignKey(
        Evidence, models.PROTECT, related_name="runs", verbose_name=_("evidence")
    )
    origin = models.CharField(_("origin"), max_length=255)
    columns = models.JSONField(_("columns"), default=list, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.RUNNING
    )
    requested_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("requested by")
    )
    rows_read = models.BigIntegerField(_("rows read"), default=0)
    jobs_new = models.BigIntegerField(_("new jobs"), default=0)
    jobs_changed = models.BigIntegerField(_("changed jobs"), default=0)
    jobs_unchanged = models.BigIntegerField(_("unchanged jobs"), default=0)
    jobs_older = models.BigIntegerField(_("older than what is known"), default=0)
    steps = models.BigIntegerField(_("steps"), default=0)
    quarantined = models.BigIntegerField(_("quarantined"), default=0)
    truncated = models.BooleanField(_("cut off"), default=False)
    retry_of = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="retries",
        verbose_name=_("reads again"),
    )
    as_of = models.DateTimeField(_("as of"), null=True)
    error_code = models.CharField(_("kind of error"), max_length=32, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    released_at = models.DateTimeField(_("released"), null=True)
    released_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("released by")
    )
    release_reason = models.CharField(_("reason for release"), max_length=200, blank=True)
    released_by_decision = models.ForeignKey(
        "usage.QuarantineDecision",
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("released by an earlier decision"),
    )

    class Meta:
        verbose_name = _("import run")
        verbose_name_plural = _("import runs")
        ordering = ("-id",)
        permissions = (
            ("import_usage", _("Can import usage")),
            ("release_importrun", _("Can release incomplete imports")),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    rows_read=F("jobs_new")
                    + F("jobs_changed")
                    + F("jobs_unchanged")
                    + F("steps")
                    + F("quarantined")
                ),
                name="import_run_rows_add_up",
            ),
            models.CheckConstraint(
                condition=Q(
                    rows_read__gte=0,
                    jobs_new__gte=0,
                    jobs_changed__gte=0,
                    jobs_unchanged__gte=0,
                    steps__gte=0,
                    quarantined__gte=0,
                ),
                name="import_run_counts_positive",
            ),
            models.CheckConstraint(
                condition=Q(jobs_older__gte=0, jobs_older__lte=F("jobs_unchanged")),
                name="import_run_older_are_unchanged",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=("complete", "incomplete", "released"))
                | Q(jobs_new=0, jobs_changed=0)
                | Q(as_of__isnull=False),
                name="import_run_has_age",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("prepared", "running"), finished_at=None)
                | Q(
                    status__in=("complete", "incomplete", "released", "failed", "cancelled"),
                    finished_at__isnull=False,
                ),
                name="import_run_finished_has_time",
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="released") & Q(released_at__isnull=False) & ~Q(release_reason="")
                )
                | (~Q(status="released") & Q(released_at=None, release_reason="")),
                name="import_run_release_has_name",
            ),
            models.CheckConstraint(
                condition=~Q(status="complete") | Q(quarantined=0, truncated=False),
                name="import_run_complete_is_whole",
            ),
            models.UniqueConstraint(
                fields=("cluster", "evidence", "columns", "time_zone"),
                condition=~Q(status__in=("failed", "cancelled", "prepared")) & Q(retry_of=None),
                name="import_run_once",
            ),
            models.UniqueConstraint(
                fields=("retry_of",), condition=~Q(status="failed"), name="import_run_retried_once"
            ),
            # Read for another cluster or zone, the same jobs would be new ones, and billed twice.
            models.UniqueConstraint(
                fields=("evidence",),
                condition=Q(jobs_new__gt=0, retry_of=None),
                name="import_run_evidence_gives_jobs_once",
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.origin}"

    @property
    def explanation(self) -> str:
        """Return why the file was refused, in the reader's language; empty if it was not."""
        return explain_refusal(self.error_code) if self.error_code else ""

    @property
    def why_released(self) -> str:
        """Return the reason, in the reader's language where it is not a person's own words."""
        if self.released_by_decision_id is None:
            return self.release_reason
        return _t("Dismissed before: %(reason)s") % {"reason": self.release_reason}

    @property
    def jobs(self) -> int:
        """Return how many job rows were read."""
        return self.jobs_new + self.jobs_changed + self.jobs_unchanged
