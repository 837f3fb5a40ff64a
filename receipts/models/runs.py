"""The run of a month: a document for each addressee with something to bill."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Period, Project, User
from receipts.models.documents import Receipt
from receipts.models.problems import WithProblem


class BillingRun(models.Model):
    """The run after a closing of a period: it drafts all that was booked by the period's end.

    ``closed_at`` says which closing it belongs to: a period that was opened and closed again has
    another run. Invariants, kept by the database: one run for a closing; it is made while the
    period is closed, and has ended only when none of its entries waits.
    """

    class Status(models.TextChoices):
        DRAFTING = "drafting", _("Making drafts")
        DRAFTED = "drafted", _("Drafts are made")

    period = models.ForeignKey(
        Period, models.PROTECT, related_name="runs", verbose_name=_("period")
    )
    closed_at = models.DateTimeField(_("period closed"), editable=False)
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.DRAFTING
    )
    started_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("started by")
    )
    started_at = models.DateTimeField(_("started"), db_default=Now(), editable=False)
    ended_at = models.DateTimeField(_("drafts made"), null=True, editable=False)

    class Meta:
        verbose_name = _("monthly run")
        verbose_name_plural = _("monthly runs")
        ordering = ("-period", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("period", "closed_at"), name="run_once"),
            models.CheckConstraint(
                condition=Q(status="drafting", ended_at=None)
                | Q(status="drafted", ended_at__isnull=False),
                name="run_steps",
            ),
        )

    def __str__(self) -> str:
        return f"{self.period_id:%Y-%m}"


class RunEntry(WithProblem):
    """What a run makes for one addressee in one currency.

    ``total`` is what its charges come to, tax included, where a document was made or they are
    carried forward. ``approved_by`` is who approved the document in the review: it is issued a
    moment later.

    Invariants, kept by the database: one entry for an addressee and currency in a run; one document
    for an entry, of that addressee, currency and month; the steps of ``state``.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DRAFTED = "drafted", _("Drafted")
        NOTHING = "nothing", _("Nothing to bill")
        CARRIED = "carried", _("Carried forward")
        FAILED = "failed", _("Failed")
        DISCARDED = "discarded", _("Discarded")

    run = models.ForeignKey(
        BillingRun, models.PROTECT, related_name="entries", verbose_name=_("monthly run")
    )
    project = models.ForeignKey(
        Project, models.PROTECT, related_name="+", verbose_name=_("addressee")
    )
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(
        _("state"), max_length=12, choices=State.choices, default=State.WAITING
    )
    receipt = models.OneToOneField(
        Receipt, models.PROTECT, null=True, related_name="run_entry", verbose_name=_("receipt")
    )
    total = models.DecimalField(_("total"), max_digits=18, decimal_places=4, null=True)
    approved_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("approved by")
    )
    approved_at = models.DateTimeField(_("approved"), null=True)

    class Meta:
        verbose_name = _("document of a monthly run")
        verbose_name_plural = _("documents of monthly runs")
        ordering = ("run", "project__code", "currency")
        constraints = (
            models.UniqueConstraint(fields=("run", "project", "currency"), name="run_entry_once"),
            models.CheckConstraint(
                condition=Q(state="drafted", receipt__isnull=False, total__isnull=False)
                | (Q(state__in=("waiting", "nothing", "failed", "discarded"), receipt=None))
                | Q(state="carried", receipt=None, total__lte=0),
                name="run_entry_document",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None, approved_at=None)
                | Q(state="drafted", approved_by__isnull=False, approved_at__isnull=False),
                name="run_entry_approved",
            ),
        )

    def __str__(self) -> str:
        return f"{self.run}: {self.project.code}"


class BilledUntil(models.Model):
    """How far a project is billed for good: each charge booked by the end of ``month`` is on an
    issued document, or not in force.

    Who looks for what is unbilled begins after it, and so reads what was booked since instead of
    years of billed charges. It may lag behind; a project without one is looked through from its
    beginning. Invariants, kept by the database: the month is closed and what it says is true; where
    a period opens again, it goes back to before that.
    """

    project = models.OneToOneField(
        Project,
        models.PROTECT,
        primary_key=True,
        related_name="billed_until",
        verbose_name=_("project"),
    )
    month = models.DateField(_("month"))

    class Meta:
        verbose_name = _("project billed in full")
        verbose_name_plural = _("projects billed in full")
        ordering = ("project",)

    def __str__(self) -> str:
        return f"{self.project_id} {self.month:%Y-%m}"
