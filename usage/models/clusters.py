"""Clusters: where usage comes from, and who is billed for it."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import CODE, Project


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
