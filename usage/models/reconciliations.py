"""Comparisons of what Slurm says was used with what we have, kept as they came out."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from usage.models.clusters import Cluster


class Reconciliation(models.Model):
    """What Slurm said of a cluster's usage in ``[start, until)``, and what we had by bucket.

    ``until`` is the end of the period, or for one that goes on how far usage was read.

    ``figures``: by resource ``{"slurm": seconds, "buckets": {bucket: seconds}, "difference"}``, in
    which the difference is ours minus Slurm's. ``causes``: by cause the number of jobs and their
    differences. ``differences``: the jobs, or the first of very many. ``report``: where sreport was
    asked too, what of it is unlike the sum of the jobs.
    """

    append_only = True

    class Outcome(models.TextChoices):
        AGREED = "agreed", _("Agrees to the second")
        EXPLAINED = "explained", _("Differs, causes known")
        UNEXPLAINED = "unexplained", _("Differs, cause unknown")
        FAILED = "failed", _("Slurm's totals could not be read")

    cluster = models.ForeignKey(
        Cluster,
        models.PROTECT,
        related_name="reconciliations",
        verbose_name=_("cluster"),
        db_index=False,  # first of reconciliation_latest
    )
    start = models.DateTimeField(_("from"))
    end = models.DateTimeField(_("to"))
    until = models.DateTimeField(_("compared up to"))
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices)
    source = models.CharField(_("source"), max_length=255, blank=True)
    error = models.TextField(_("error"), blank=True)
    jobs_stated = models.BigIntegerField(_("jobs that Slurm names"), default=0)
    jobs_differing = models.BigIntegerField(_("jobs that differ"), default=0)
    unexplained = models.BigIntegerField(_("differences without a known cause"), default=0)
    quarantined_rows = models.BigIntegerField(_("rows in quarantine"), default=0)
    figures = models.JSONField(_("figures"), default=dict)
    causes = models.JSONField(_("causes"), default=dict)
    differences = models.JSONField(_("differences"), default=list)
    report = models.JSONField(_("report"), default=dict)
    requested_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("requested by")
    )
    created_at = models.DateTimeField(_("compared"), auto_now_add=True)

    class Meta:
        verbose_name = _("comparison with Slurm")
        verbose_name_plural = _("comparisons with Slurm")
        ordering = ("-id",)
        permissions = (("reconcile_usage", _("Can compare usage with Slurm")),)
        constraints = (
            models.CheckConstraint(
                condition=Q(end__gt=F("start"), until__gt=F("start"), until__lte=F("end")),
                name="reconciliation_span",
            ),
            models.CheckConstraint(
                condition=Q(outcome="agreed", jobs_differing=0, unexplained=0, error="")
                | Q(outcome="explained", jobs_differing__gt=0, unexplained=0, error="")
                | Q(outcome="unexplained", unexplained__gt=0, error="")
                | (Q(outcome="failed") & ~Q(error="")),
                name="reconciliation_outcome",
            ),
        )
        indexes = (
            # The last one of a cluster, for the page, the metric and the alert.
            models.Index(fields=("cluster", "-id"), name="reconciliation_latest"),
        )

    def __str__(self) -> str:
        return f"{self.cluster} {self.start:%Y-%m-%d}"
