"""Visits to clusters: which spans of time were asked for, and what became of each."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from usage.models.clusters import Cluster
from usage.models.imports import ImportRun
from usage.models.jobs import Job
from usage.remarks import told

WHOLE_DAY = timedelta(hours=23)
"""The shortest local day: the one on which clocks go forward."""


class Pull(models.Model):
    """One visit to a cluster: the windows to be read, and the files that lay in its folders.

    Nightly and weekly ones are unique by their slot, a day on the cluster's own calendar, so that
    two beats make one. A visit whose worker died goes on with the windows that wait. ``remarks``
    are what was odd: see ``usage.remarks``.
    """

    class Kind(models.TextChoices):
        NIGHTLY = "nightly", _("Nightly")
        RESCAN = "rescan", _("Weekly look back")
        BACKFILL = "backfill", _("Backfill")
        MANUAL = "manual", _("By hand")

    cluster = models.ForeignKey(
        Cluster, models.PROTECT, related_name="pulls", verbose_name=_("cluster")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.NIGHTLY)
    slot = models.DateField(_("day"))
    requested_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("requested by")
    )
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    files = models.PositiveIntegerField(_("files"), default=0)
    remarks = models.JSONField(_("remarks"), default=list, blank=True)

    class Meta:
        verbose_name = _("pull")
        verbose_name_plural = _("pulls")
        ordering = ("-slot", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("cluster", "slot", "kind"),
                condition=Q(kind__in=("nightly", "rescan")),
                name="pull_once_a_slot",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("nightly", "rescan", "backfill", "manual")), name="pull_kind"
            ),
        )

    def __str__(self) -> str:
        return f"{self.cluster} {self.slot}"

    @property
    def error(self) -> str:
        """Return what was odd, a line each, in the reader's language; empty if nothing was."""
        return "\n".join(told(remark) for remark in self.remarks)


class Window(models.Model):
    """A span ``[start, end)`` of a cluster's accounting that was, or is to be, asked for whole.

    A read window knows the import that read its evidence, and was asked for after its end: only
    then can it say that nothing is missing. An empty one was answered, with no job in it. A split
    one was too large; its halves are windows of their own. ``tried`` lists the sources that failed
    before one answered: ``{"source", "code", "error"}``. What is read is never changed.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        READ = "read", _("Read")
        EMPTY = "empty", _("Empty")
        FAILED = "failed", _("Failed")
        SPLIT = "split", _("Split")

    cluster = models.ForeignKey(
        Cluster,
        models.PROTECT,
        related_name="windows",
        verbose_name=_("cluster"),
        db_index=False,  # first of window_cluster_end
    )
    pull = models.ForeignKey(
        Pull,
        models.PROTECT,
        null=True,
        related_name="windows",
        verbose_name=_("pull"),
        db_index=False,  # first of window_once_a_pull
    )
    start = models.DateTimeField(_("from"))
    end = models.DateTimeField(_("until"))
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.WAITING
    )
    run = models.ForeignKey(
        ImportRun, models.PROTECT, null=True, related_name="windows", verbose_name=_("import run")
    )
    source = models.CharField(_("source"), max_length=255, blank=True)
    tried = models.JSONField(_("sources that failed"), default=list, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    asked_at = models.DateTimeField(_("asked"), null=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("window")
        verbose_name_plural = _("windows")
        ordering = ("-start", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="window_ends_after_start"),
            models.CheckConstraint(
                condition=Q(status="read", run__isnull=False)
                | Q(status__in=("waiting", "empty", "failed", "split"), run=None),
                name="window_read_has_run",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=("read", "empty"))
                | Q(asked_at__isnull=False, asked_at__gte=F("end")),
                name="window_asked_after_its_end",
            ),
            models.UniqueConstraint(fields=("pull", "start", "end"), name="window_once_a_pull"),
        )
        indexes = (
            # Coverage and the calendar look for the windows of a cluster that reach into a span.
            models.Index(fields=("cluster", "end"), name="window_cluster_end"),
        )

    def __str__(self) -> str:
        return f"{self.cluster} {self.start:%Y-%m-%d %H:%M} – {self.end:%Y-%m-%d %H:%M}"

    @property
    def is_suspicious(self) -> bool:
        """Whether it is strange that there was no job: in a whole day, not in an hour at night."""
        return self.status == self.Status.EMPTY and self.end - self.start >= WHOLE_DAY


class MissingJob(models.Model):
    """A job that we know and that Slurm's answer for its time no longer had.

    One row a job: when it was missed first, and when it was back, if it was. Archiving takes rows
    away and restores them; the job and its charges stay as they are.
    """

    job = models.ForeignKey(
        Job,
        models.PROTECT,
        related_name="missing",
        verbose_name=_("job"),
        db_index=False,  # missing_job_once
    )
    window = models.ForeignKey(
        Window, models.PROTECT, related_name="missing", verbose_name=_("window")
    )
    noticed_at = models.DateTimeField(_("noticed"), auto_now_add=True)
    returned_at = models.DateTimeField(_("back since"), null=True)

    class Meta:
        verbose_name = _("job that Slurm no longer has")
        verbose_name_plural = _("jobs that Slurm no longer has")
        ordering = ("-noticed_at", "job")
        constraints = (models.UniqueConstraint(fields=("job",), name="missing_job_once"),)

    def __str__(self) -> str:
        return str(self.job)
