"""Rows that could not be read, and what people decided about them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from usage.advice import advise
from usage.explanations import explain_reason
from usage.models.clusters import Cluster
from usage.models.imports import ImportRun


class QuarantinedRow(models.Model):
    """A row that could not be interpreted, kept as it came with the reason.

    ``digest`` is the SHA-256 of ``raw``: the same row comes again with every reading of its window,
    and what was decided about it holds for all of them. ``job_id`` and ``submit`` are the job's
    identity where they could be read, so that the row counts as resolved once the job was imported
    well by a later run.
    """

    append_only = True

    run = models.ForeignKey(
        ImportRun,
        models.PROTECT,
        related_name="quarantine",
        verbose_name=_("import run"),
        db_index=False,  # first of quarantined_row_once
    )
    line = models.BigIntegerField(_("line number"))
    reason = models.CharField(_("reason"), max_length=32)
    detail = models.CharField(_("detail"), max_length=500)
    raw = models.TextField(_("row as it came"))
    digest = models.CharField(max_length=64)
    job_id = models.BigIntegerField(_("raw job id"), null=True)
    submit = models.DateTimeField(_("submitted"), null=True)

    class Meta:
        verbose_name = _("quarantined row")
        verbose_name_plural = _("quarantined rows")
        ordering = ("-run", "line")
        permissions = (("decide_quarantinedrow", _("Can dismiss quarantined rows")),)
        constraints = (
            models.UniqueConstraint(fields=("run", "line"), name="quarantined_row_once"),
            models.CheckConstraint(
                condition=Q(job_id=None, submit=None)
                | Q(job_id__isnull=False, submit__isnull=False),
                name="quarantined_row_identity",
            ),
        )
        indexes = (
            # Whether the same row came again, and what was decided about it.
            models.Index(fields=("digest",), name="quarantined_row_digest"),
        )

    def __str__(self) -> str:
        return f"{self.run_id}:{self.line} {self.reason}"

    @property
    def explanation(self) -> str:
        """Return why the row could not be interpreted, in the reader's language."""
        return explain_reason(self.reason)

    @property
    def advice(self) -> str:
        """Return what a person can do about it, in the reader's language."""
        return advise(self.reason)


class QuarantineDecision(models.Model):
    """A named person's word on a quarantined row: dismissed with a reason, or opened again.

    It holds for the same row of the same cluster however often it comes. Never changed: decisions
    are numbered from 1 and alternate, dismissed first; the last one counts.
    """

    append_only = True

    class Kind(models.TextChoices):
        DISMISSED = "dismissed", _("Dismissed")
        REOPENED = "reopened", _("Opened again")

    row = models.ForeignKey(
        QuarantinedRow, models.PROTECT, related_name="decisions", verbose_name=_("quarantined row")
    )
    cluster = models.ForeignKey(
        Cluster,
        models.PROTECT,
        related_name="+",
        verbose_name=_("cluster"),
        db_index=False,  # first of quarantine_decision_once
    )
    digest = models.CharField(max_length=64)
    number = models.PositiveSmallIntegerField(_("number"))
    kind = models.CharField(_("decision"), max_length=9, choices=Kind.choices)
    reason = models.CharField(_("reason"), max_length=200)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("decided by"))
    decided_at = models.DateTimeField(_("decided"), auto_now_add=True)

    class Meta:
        verbose_name = _("decision on a quarantined row")
        verbose_name_plural = _("decisions on quarantined rows")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("cluster", "digest", "number"), name="quarantine_decision_once"
            ),
            models.CheckConstraint(
                condition=~Q(reason__regex=r"^\s*$"), name="quarantine_decision_has_reason"
            ),
        )

    def __str__(self) -> str:
        return f"{self.row} {self.get_kind_display()}"
