"""Clusters: where usage comes from, and who is billed for it."""

from datetime import time

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import CODE, Project
from usage.sources.drop_folder import PLACE


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
        _("enabled"), default=True, help_text=_("Disabled clusters are not pulled.")
    )
    slurm_name = models.CharField(
        _("name in Slurm"),
        max_length=64,
        blank=True,
        validators=[CODE],
        help_text=_("What Slurm calls it, where that differs from the name here."),
    )
    pull_at = models.TimeField(
        _("pulled at"),
        default=time(1, 30),
        help_text=_("Time of the nightly pull, on the cluster's own clock."),
    )
    reads_from = models.DateField(
        _("complete from"),
        null=True,
        blank=True,
        help_text=_(
            "From this day on every day must have been read; days that were not are gaps, and read"
            " by themselves. Empty: usage comes in files, and no day is expected."
        ),
    )
    overlap_days = models.PositiveSmallIntegerField(
        _("days read again each night"),
        default=7,
        help_text=_("Slurm's records arrive and change for days after a job's end."),
    )
    rescan_days = models.PositiveSmallIntegerField(
        _("days read again each week"), default=35, help_text=_("The weekly, deeper look back.")
    )
    reads_steps = models.BooleanField(
        _("read what jobs really used"),
        default=False,
        help_text=_(
            "Reads the steps of jobs as well, which tell the CPU time and memory really used:"
            " several times as many rows. Needed only where a price list charges by use."
        ),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("cluster")
        verbose_name_plural = _("clusters")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(overlap_days__gte=1, rescan_days__lte=400)
                & Q(rescan_days__gte=F("overlap_days")),
                name="cluster_days_read_again",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def known_to_slurm_as(self) -> str:
        """Return Slurm's own name of the cluster: ours may have been changed since."""
        return self.slurm_name or self.name


class Source(models.Model):
    """A way to a cluster's accounting. Sources are asked in the order of ``position``; the next one
    only when one fails.

    ``place`` names one of the operator's connections, or a folder below the site's drop folder
    root: no address, command or secret can be set from here.
    """

    class Kind(models.TextChoices):
        SLURMRESTD = "slurmrestd", "slurmrestd"
        SACCT = "sacct", "sacct"
        FOLDER = "folder", _("Drop folder")

    cluster = models.ForeignKey(
        Cluster,
        models.CASCADE,
        related_name="sources",
        verbose_name=_("cluster"),
        db_index=False,  # first of source_once
    )
    position = models.PositiveSmallIntegerField(_("order"), default=1)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    place = models.CharField(
        _("connection or folder"),
        max_length=255,
        validators=[RegexValidator(rf"\A{PLACE}\Z")],
        help_text=_(
            "Name of a connection that the operator configured; for a drop folder, the folder below"
            " the site's drop folder root."
        ),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ("cluster", "position")
        constraints = (
            models.UniqueConstraint(fields=("cluster", "position"), name="source_position_once"),
            models.UniqueConstraint(fields=("cluster", "kind", "place"), name="source_once"),
            models.CheckConstraint(
                condition=Q(kind__in=("slurmrestd", "sacct", "folder")), name="source_kind"
            ),
            # The same as PLACE.
            models.CheckConstraint(
                condition=Q(place__regex=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
                & ~Q(place__contains=".."),
                name="source_place_leads_nowhere_else",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.place}"


class AccountMapping(models.Model):
    """The project that a cluster's Slurm account is billed to, where the names differ."""

    cluster = models.ForeignKey(
        Cluster,
        models.CASCADE,
        related_name="mappings",
        verbose_name=_("cluster"),
        db_index=False,  # first of account_mapping_once
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
