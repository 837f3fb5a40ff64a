"""Jobs, and what they said before they changed."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from usage.models.clusters import Cluster
from usage.models.imports import ImportRun
from usage.tres import gpu_types_of


class Job(models.Model):
    """One attempt of a Slurm job: an allocation row, never a step.

    Identity: cluster, raw job id and submit time (slurmdbd's own key). Quantities are integers in
    base units: seconds times CPUs, GPUs, MiB and nodes. ``end`` is null while it runs. ``run`` is
    the import that last wrote the row; until that is complete or released, the job is held back.
    ``line``, ``raw_offset`` and ``raw_size`` say where in that import's unpacked input the raw row
    stands, so that it is read without what is before it; ``raw_digest`` is what that row is
    recognised by when it comes again, null if it never is. ``tres`` is canonical TRES text, and
    ``req_tres`` what was asked for, empty if that is not known. What a job really used
    (``used_cpu_seconds``, ``used_mem_mib_seconds``) is summed from its steps, and null where those
    were not read; ``energy_joules`` is null where nobody measured it.

    A million rows are added at a time, so each index is one that a query needs, and the keys of
    cluster and run are checked once a statement (trigger ``usage_job_of_running_import``).
    """

    cluster = models.ForeignKey(
        Cluster,
        models.PROTECT,
        related_name="jobs",
        verbose_name=_("cluster"),
        db_index=False,
        db_constraint=False,
    )
    job_id = models.BigIntegerField(_("raw job id"))
    submit = models.DateTimeField(_("submitted"))
    revision = models.PositiveIntegerField(_("revision"), default=1)
    fingerprint = models.CharField(max_length=64)
    run = models.ForeignKey(
        ImportRun,
        models.PROTECT,
        related_name="jobs_written",
        db_index=False,
        db_constraint=False,
    )
    line = models.BigIntegerField(_("line number"))
    raw_offset = models.BigIntegerField()
    raw_size = models.IntegerField()
    raw_digest = models.UUIDField(null=True)

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
    tres = models.TextField(_("TRES"), blank=True)
    cpu_seconds = models.BigIntegerField(_("CPU seconds"))
    gpu_seconds = models.BigIntegerField(_("GPU seconds"))
    mem_mib_seconds = models.BigIntegerField(_("memory MiB-seconds"))
    node_seconds = models.BigIntegerField(_("node seconds"))
    req_tres = models.TextField(_("requested TRES"), blank=True, default="", db_default="")
    reservation = models.TextField(_("reservation"), blank=True, default="", db_default="")
    used_cpu_seconds = models.BigIntegerField(_("CPU seconds used"), null=True)
    used_mem_mib_seconds = models.BigIntegerField(_("memory MiB-seconds used"), null=True)
    energy_joules = models.BigIntegerField(_("energy in joules"), null=True)
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
                condition=(Q(used_cpu_seconds=None) | Q(used_cpu_seconds__gte=0))
                & (Q(used_mem_mib_seconds=None) | Q(used_mem_mib_seconds__gte=0))
                & (Q(energy_joules=None) | Q(energy_joules__gte=0)),
                name="job_used_positive",
            ),
            models.CheckConstraint(
                condition=Q(start=None) | Q(end=None) | Q(end__gte=F("start")),
                name="job_ends_after_start",
            ),
        )
        indexes = (
            # Windows of time: lists newest first, periods, totals.
            models.Index(fields=("end",), name="job_end"),
            # A researcher's own jobs, newest first.
            models.Index(fields=("user_name", "end"), name="job_user_end"),
            # The jobs that a run wrote: whether any are held back, and what is due after it.
            models.Index(fields=("run",), name="job_run"),
        )

    def __str__(self) -> str:
        return f"{self.cluster.name}:{self.display_id}"

    @property
    def held(self) -> bool:
        """Whether it waits for its import: select ``run`` along when asking many jobs.

        ``usage.selectors.IS_HELD`` is the same as a condition.
        """
        return self.run.status not in ImportRun.IN_FORCE

    @property
    def gpu_type_seconds(self) -> dict[str, int]:
        """GPU seconds by type, as far as Slurm told types. Suspension doesn't free GPUs."""
        seconds = self.elapsed_seconds + self.suspended_seconds
        return {kind: count * seconds for kind, count in gpu_types_of(self.tres).items()}


class JobRevision(models.Model):
    """What a job's row said before it changed, with the run and line that had said so."""

    append_only = True

    job = models.ForeignKey(
        Job,
        models.PROTECT,
        related_name="revisions",
        db_index=False,  # first of job_revision_once
    )
    revision = models.PositiveIntegerField()
    values = models.JSONField()
    run = models.ForeignKey(ImportRun, models.PROTECT, related_name="+")
    line = models.BigIntegerField()
    raw_offset = models.BigIntegerField()
    raw_size = models.IntegerField()
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
