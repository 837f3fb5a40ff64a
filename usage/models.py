"""Clusters, the evidence that came from them, and the jobs read from it."""

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import CODE, Project, User
from usage.explanations import explain_reason, explain_refusal


class Cluster(models.Model):
    """One Slurm installation with its own accounting database and time zone."""

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[CODE])
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        help_text=_("Zone of times in sacct output that carry none, such as Asia/Bangkok."),
    )
    is_enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Disabled clusters are not pulled at night.")
    )
    drop_folder = models.CharField(
        _("drop folder"),
        max_length=255,
        blank=True,
        validators=[RegexValidator(r"\A(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]*\Z")],
        help_text=_("Below the site's drop folder root; files found there are imported nightly."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class AccountMapping(models.Model):
    """The project that a cluster's Slurm account is billed to, where the names differ."""

    cluster = models.ForeignKey(
        Cluster, models.CASCADE, related_name="mappings", verbose_name=_("cluster")
    )
    account = models.CharField(_("Slurm account"), max_length=128)
    project = models.ForeignKey(
        Project, models.PROTECT, related_name="+", verbose_name=_("project")
    )

    class Meta:
        verbose_name = _("account mapping")
        verbose_name_plural = _("account mappings")
        ordering = ("cluster", "account")
        constraints = (
            models.UniqueConstraint(fields=("cluster", "account"), name="account_mapping_once"),
        )

    def __str__(self) -> str:
        return f"{self.cluster}:{self.account} → {self.project.code}"


class Evidence(models.Model):
    """Input as it came, kept compressed in chunks and known by the SHA-256 of its bytes.

    Stored once however often it arrives; never changed.
    """

    append_only = True

    sha256 = models.CharField(_("SHA-256"), max_length=64, unique=True)
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
    """A piece of evidence: zlib-compressed bytes, in order of ``index``."""

    append_only = True

    evidence = models.ForeignKey(Evidence, models.PROTECT, related_name="chunks")
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
    from rating until the run is complete or a named person releases it.
    """

    class Status(models.TextChoices):
        PREPARED = "prepared", _("Waiting for confirmation")
        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")
        INCOMPLETE = "incomplete", _("Incomplete, held back")
        RELEASED = "released", _("Incomplete, released")
        FAILED = "failed", _("Refused")
        CANCELLED = "cancelled", _("Cancelled")

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
    steps = models.BigIntegerField(_("steps"), default=0)
    quarantined = models.BigIntegerField(_("quarantined"), default=0)
    truncated = models.BooleanField(_("cut off"), default=False)
    error_code = models.CharField(_("kind of error"), max_length=32, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    released_at = models.DateTimeField(_("released"), null=True)
    released_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("released by")
    )
    release_reason = models.CharField(_("reason for release"), max_length=200, blank=True)

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
                condition=~Q(status__in=("failed", "cancelled", "prepared")),
                name="import_run_once",
            ),
            # Read for another cluster or zone, the same jobs would be new ones, and billed twice.
            models.UniqueConstraint(
                fields=("evidence",),
                condition=Q(jobs_new__gt=0),
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
    def jobs(self) -> int:
        """Return how many job rows were read."""
        return self.jobs_new + self.jobs_changed + self.jobs_unchanged


class QuarantinedRow(models.Model):
    """A row that could not be interpreted, kept as it came with the reason."""

    append_only = True

    run = models.ForeignKey(
        ImportRun, models.PROTECT, related_name="quarantine", verbose_name=_("import run")
    )
    line = models.BigIntegerField(_("line number"))
    reason = models.CharField(_("reason"), max_length=32)
    detail = models.CharField(_("detail"), max_length=500)
    raw = models.TextField(_("row as it came"))

    class Meta:
        verbose_name = _("quarantined row")
        verbose_name_plural = _("quarantined rows")
        ordering = ("-run", "line")
        constraints = (
            models.UniqueConstraint(fields=("run", "line"), name="quarantined_row_once"),
        )

    def __str__(self) -> str:
        return f"{self.run_id}:{self.line} {self.reason}"

    @property
    def explanation(self) -> str:
        """Return why the row could not be interpreted, in the reader's language."""
        return explain_reason(self.reason)


class Job(models.Model):
    """One attempt of a Slurm job: an allocation row, never a step.

    Identity: cluster, raw job id and submit time (slurmdbd's own key). Quantities are integers in
    base units: seconds times CPUs, GPUs, MiB and nodes. ``end`` is null while it runs. ``held`` is
    true until the import that last wrote the row is complete or released; only then is it rated.
    """

    cluster = models.ForeignKey(
        Cluster, models.PROTECT, related_name="jobs", verbose_name=_("cluster")
    )
    job_id = models.BigIntegerField(_("raw job id"))
    submit = models.DateTimeField(_("submitted"))
    revision = models.PositiveIntegerField(_("revision"), default=1)
    fingerprint = models.CharField(max_length=64)
    run = models.ForeignKey(ImportRun, models.PROTECT, related_name="jobs_written")
    line = models.BigIntegerField(_("line number"))
    held = models.BooleanField(_("held back"), default=True)

    display_id = models.CharField(_("job id"), max_length=64)
    user_name = models.CharField(_("user"), max_length=128, blank=True)
    account = models.CharField(_("account"), max_length=128, blank=True)
    partition = models.CharField(_("partition"), max_length=255, blank=True)
    qos = models.CharField(_("QOS"), max_length=128, blank=True)
    state = models.CharField(_("state"), max_length=32)
    name = models.CharField(_("job name"), max_length=1024, blank=True)
    node_list = models.TextField(_("nodes"), blank=True)
    start = models.DateTimeField(_("started"), null=True)
    end = models.DateTimeField(_("ended"), null=True)
    elapsed_seconds = models.BigIntegerField(_("elapsed seconds"))
    suspended_seconds = models.BigIntegerField(_("suspended seconds"), default=0)
    tres = models.JSONField(_("TRES"), default=dict)
    cpu_seconds = models.BigIntegerField(_("CPU seconds"))
    gpu_seconds = models.BigIntegerField(_("GPU seconds"))
    mem_mib_seconds = models.BigIntegerField(_("memory MiB-seconds"))
    node_seconds = models.BigIntegerField(_("node seconds"))
    gpu_type_seconds = models.JSONField(_("GPU seconds by type"), default=dict)
    estimated = models.BooleanField(
        _("estimated"), default=False, help_text=_("From ReqTRES, for want of AllocTRES.")
    )
    flags = models.JSONField(_("remarks"), default=list)
    first_seen_at = models.DateTimeField(_("first seen"), auto_now_add=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ("-end", "-id")
        constraints = (
            models.UniqueConstraint(fields=("cluster", "job_id", "submit"), name="job_identity"),
            models.CheckConstraint(
                condition=Q(
                    cpu_seconds__gte=0,
                    gpu_seconds__gte=0,
                    mem_mib_seconds__gte=0,
                    node_seconds__gte=0,
                    elapsed_seconds__gte=0,
                    suspended_seconds__gte=0,
                ),
                name="job_quantities_positive",
            ),
            models.CheckConstraint(
                condition=Q(start=None) | Q(end=None) | Q(end__gte=F("start")),
                name="job_ends_after_start",
            ),
        )
        indexes = (
            models.Index(fields=("end",), name="job_end"),
            models.Index(fields=("user_name", "end"), name="job_user_end"),
            models.Index(fields=("run",), condition=Q(held=True), name="job_held_by_run"),
        )

    def __str__(self) -> str:
        return f"{self.cluster.name}:{self.display_id}"


class JobRevision(models.Model):
    """What a job's row said before it changed, with the run and line that had said so."""

    append_only = True

    job = models.ForeignKey(Job, models.PROTECT, related_name="revisions")
    revision = models.PositiveIntegerField()
    values = models.JSONField()
    run = models.ForeignKey(ImportRun, models.PROTECT, related_name="+")
    line = models.BigIntegerField()
    replaced_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("earlier revision of a job")
        verbose_name_plural = _("earlier revisions of jobs")
        ordering = ("job", "revision")
        constraints = (
            models.UniqueConstraint(fields=("job", "revision"), name="job_revision_once"),
        )

    def __str__(self) -> str:
        return f"{self.job_id} r{self.revision}"


class Pull(models.Model):
    """One scheduled visit to a cluster; unique by its slot, so that two beats make one."""

    cluster = models.ForeignKey(
        Cluster, models.CASCADE, related_name="pulls", verbose_name=_("cluster")
    )
    slot = models.DateField(_("night"))
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    files = models.PositiveIntegerField(_("files"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("nightly pull")
        verbose_name_plural = _("nightly pulls")
        ordering = ("-slot", "cluster")
        constraints = (
            models.UniqueConstraint(fields=("cluster", "slot"), name="pull_once_a_night"),
        )

    def __str__(self) -> str:
        return f"{self.cluster} {self.slot}"
