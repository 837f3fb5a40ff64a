"""Visits to clusters: which spans of time were asked for, and what became of each."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from usage.models.clusters import Cluster


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
