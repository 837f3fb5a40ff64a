"""The months that are billed: open, or closed for good."""

from datetime import timedelta

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from accounts.models.keys import JsonType
from accounts.models.payers import Span, User


class Period(models.Model):
    """A month of the site, ``[starts_at, ends_at)``: open for charges, or closed.

    ``month`` is its first day. A period that nobody needed yet has no row: it is open. ``seal``
    tells what its charges were when it was closed, ``overridden`` what stood against closing it
    when a person overrode that with a reason.

    Invariants, kept by the database: months follow each other without overlap; all periods up to
    the last closed one are closed, and none is made before it; one closes only after its end; a
    closed one never changes, but the last of them opens again by an approved reopening.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    month = models.DateField(_("month"), primary_key=True)
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.OPEN
    )
    closed_at = models.DateTimeField(_("closed"), null=True, editable=False)
    closed_by = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("closed by"),
    )
    override_reason = models.CharField(
        _("reason for closing all the same"), max_length=500, blank=True, default="", editable=False
    )
    overridden = models.JSONField(_("what stood against closing"), default=list, editable=False)
    seal = models.JSONField(_("charges when it was closed"), null=True, editable=False)

    class Meta:
        verbose_name = _("period")
        verbose_name_plural = _("periods")
        ordering = ("-month",)
        permissions = (
            ("close_period", _("Can close periods")),
            ("override_findings", _("Can close periods although something is unexplained")),
            ("reopen_period", _("Can ask for a closed period to be opened again, and approve it")),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    month__day=1,
                    ends_at__gt=F("starts_at") + timedelta(days=27),
                    ends_at__lt=F("starts_at") + timedelta(days=33),
                ),
                name="period_of_a_month",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="open",
                    closed_at=None,
                    closed_by=None,
                    override_reason="",
                    overridden=[],
                    seal__isnull=True,
                )
                | Q(
                    Exact(JsonType("seal"), "object"),
                    status="closed",
                    closed_at__isnull=False,
                    closed_at__gte=F("ends_at"),
                    seal__isnull=False,
                ),
                name="period_steps",
            ),
            models.CheckConstraint(
                condition=Q(override_reason="", overridden=[])
                | (
                    Q(Exact(JsonType("overridden"), "array"), closed_by__isnull=False)
                    & ~Q(override_reason__regex=r"^\s*$")
                    & ~Q(overridden=[])
                ),
                name="period_named_override",
            ),
            ExclusionConstraint(
                name="period_no_overlap",
                expressions=[(Span("starts_at", "ends_at"), RangeOperators.OVERLAPS)],
            ),
        )

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def is_closed(self) -> bool:
        return self.status == self.Status.CLOSED


class PeriodReopening(models.Model):
    """The wish of one person to open the last closed period again, and the answer of another one.

    ``closed_at`` says which closing it is about: an approval opens that one and no later one.
    Invariants, kept by the database: there is a reason; who approves is not who asks; one wish
    waits for a period at most; an answer is final.
    """

    period = models.ForeignKey(
        Period, models.PROTECT, related_name="reopenings", verbose_name=_("period")
    )
    closed_at = models.DateTimeField(_("closed"), editable=False)
    reason = models.CharField(_("reason"), max_length=500)
    requested_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("asked for by")
    )
    requested_at = models.DateTimeField(_("asked for"), db_default=Now(), editable=False)
    approved_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("approved by")
    )
    approved_at = models.DateTimeField(_("approved"), null=True)
    declined_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("declined by")
    )
    declined_at = models.DateTimeField(_("declined"), null=True)

    class Meta:
        verbose_name = _("reopening of a period")
        verbose_name_plural = _("reopenings of periods")
        ordering = ("-requested_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=~Q(reason__regex=r"^\s*$"), name="period_reopening_has_reason"
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=F("requested_by")),
                name="period_reopening_second_person",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None, approved_at=None, declined_by=None, declined_at=None)
                | Q(
                    approved_by__isnull=False,
                    approved_at__isnull=False,
                    declined_by=None,
                    declined_at=None,
                )
                | Q(
                    approved_by=None,
                    approved_at=None,
                    declined_by__isnull=False,
                    declined_at__isnull=False,
                ),
                name="period_reopening_steps",
            ),
            models.UniqueConstraint(
                fields=("period",),
                condition=Q(approved_at=None, declined_at=None),
                name="period_reopening_waits_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.period_id:%Y-%m}: {self.reason}"

    @property
    def is_waiting(self) -> bool:
        return self.approved_at is None and self.declined_at is None
