"""What is credited or charged by hand, and outages that are credited to all whom they hit."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, User
from pricing.models.charges import Charge
from usage.models import Cluster, Job

RESOURCE = "manual"
"""The family of the resource of a charge that an adjustment made; behind the colon stands its key.
So each has a line of its own on its document."""


class ReviewStatus(models.TextChoices):
    """Where something stands that a second person may have to approve."""

    DRAFT = "draft", _("Draft")
    SUBMITTED = "submitted", _("Waits for approval")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    WITHDRAWN = "withdrawn", _("Withdrawn")


def stamps_fit() -> Q:
    """The condition that status and stamps of a reviewed row fit together."""
    undecided = Q(decided_at=None, decided_by=None, answer="")
    return (
        Q(undecided, status="draft", submitted_at=None)
        | Q(undecided, status="submitted", submitted_at__isnull=False)
        | Q(status="approved", submitted_at__isnull=False, decided_at__isnull=False, answer="")
        | Q(status="withdrawn", decided_at__isnull=False, decided_by=None, answer="")
        | (
            Q(
                status="rejected",
                submitted_at__isnull=False,
                decided_at__isnull=False,
                decided_by__isnull=False,
            )
            & ~Q(answer="")
        )
    )


def another_person() -> Q:
    """The condition that nobody decides about what he or she wrote."""
    return Q(decided_by=None) | ~Q(decided_by=F("author"))


class Reviewed(models.Model):
    """Who wrote it and why, when it was submitted, and who decided about it."""

    Status = ReviewStatus

    text = models.CharField(
        _("text"), max_length=200, help_text=_("As it is printed on the document.")
    )
    reason = models.CharField(
        _("reason"), max_length=200, help_text=_("For the log; it is not printed.")
    )
    status = models.CharField(
        _("status"), max_length=10, choices=ReviewStatus.choices, default=ReviewStatus.DRAFT
    )
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("author"))
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    submitted_at = models.DateTimeField(_("submitted"), null=True)
    decided_at = models.DateTimeField(_("decided"), null=True)
    decided_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("decided by")
    )
    answer = models.CharField(_("reason for rejecting"), max_length=200, blank=True)

    class Meta:
        abstract = True


class OutageCredit(Reviewed):
    """A part of the charges of all jobs that ran on a cluster while it was out of order, in
    ``[starts_at, ends_at)``, is given back.

    Invariants, kept by the database: what it says never changes; a second person approves it, never
    its author. ``figures`` are what was submitted: jobs, sums by project and currency, and the
    digest of every amount; only just that is approved.
    """

    cluster = models.ForeignKey(
        Cluster, models.PROTECT, related_name="outage_credits", verbose_name=_("cluster")
    )
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    percent = models.DecimalField(
        _("percent"),
        max_digits=5,
        decimal_places=2,
        help_text=_("Of what the jobs cost for the time that they ran within the outage."),
    )
    figures = models.JSONField(_("figures"), null=True, editable=False)

    class Meta:
        verbose_name = _("outage credit")
        verbose_name_plural = _("outage credits")
        ordering = ("-id",)
        permissions = (("approve_outagecredit", _("Can approve outage credits")),)
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at"), percent__gt=0, percent__lte=100)
                & ~Q(text="")
                & ~Q(reason=""),
                name="outage_credit_in_range",
            ),
            models.CheckConstraint(condition=stamps_fit(), name="outage_credit_steps"),
            models.CheckConstraint(
                condition=another_person() & (~Q(status="approved") | Q(decided_by__isnull=False)),
                name="outage_credit_second_person",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("draft", "withdrawn")) | Q(figures__isnull=False),
                name="outage_credit_has_figures",
            ),
        )

    def __str__(self) -> str:
        start, end = (timezone.localtime(at) for at in (self.starts_at, self.ends_at))
        return f"{self.cluster.name} {start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M}"


class AdjustmentKind(models.TextChoices):
    """What is adjusted by hand."""

    CREDIT = "credit", _("Credit")
    DISCOUNT = "discount", _("Discount")
    FEE = "fee", _("Fee")
    OUTAGE = "outage", _("Outage")


class Adjustment(Reviewed):
    """An amount that a person charges to a project or gives back to it, with a reason.

    ``amount`` is signed, less than nothing for all but fees, and rounded to the currency. ``at`` is
    the moment that it belongs to, as a job's end does. Invariants, kept by the database: what it
    says never changes; once approved, and not before, it has one charge of its amount, which may be
    taken back by a reversal; nobody approves what he or she wrote. Approval by a second person
    is asked for above ``ADJUSTMENT_LIMIT``.

    Where it gives back a part of an issued document, ``credits_receipt_id`` and ``credits_line_id``
    say which: receipts own the link to charges, so these are values.
    """

    Kind = AdjustmentKind

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="adjustments", verbose_name=_("project")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=AdjustmentKind.choices)
    at = models.DateTimeField(_("belongs to"))
    percent = models.DecimalField(_("percent"), max_digits=5, decimal_places=2, null=True)
    amount = models.DecimalField(_("amount"), max_digits=24, decimal_places=6)
    currency = models.CharField(_("currency"), max_length=3)
    outage = models.ForeignKey(
        OutageCredit,
        models.PROTECT,
        null=True,
        related_name="adjustments",
        verbose_name=_("outage credit"),
    )
    credits_receipt_id = models.BigIntegerField(_("credits receipt"), null=True)
    credits_line_id = models.BigIntegerField(_("credits line"), null=True)

    class Meta:
        verbose_name = _("adjustment")
        verbose_name_plural = _("adjustments")
        ordering = ("-id",)
        permissions = (("approve_adjustment", _("Can approve adjustments")),)
        constraints = (
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$", amount__gt=-(10**14), amount__lt=10**14)
                & (
                    Q(kind="fee", amount__gt=0)
                    | Q(kind__in=("credit", "discount", "outage"), amount__lt=0)
                )
                & ~Q(text="")
                & ~Q(reason=""),
                name="adjustment_in_range",
            ),
            models.CheckConstraint(
                condition=Q(percent=None) | Q(kind="discount", percent__gt=0, percent__lte=100),
                name="adjustment_percent_of_discount",
            ),
            models.CheckConstraint(condition=stamps_fit(), name="adjustment_steps"),
            models.CheckConstraint(condition=another_person(), name="adjustment_second_person"),
            models.CheckConstraint(
                condition=Q(kind="outage", outage__isnull=False)
                | (~Q(kind="outage") & Q(outage=None)),
                name="adjustment_of_outage",
            ),
            models.CheckConstraint(
                condition=Q(credits_receipt_id=None, credits_line_id=None)
                | Q(credits_receipt_id__isnull=False, credits_line_id__isnull=False, amount__lt=0),
                name="adjustment_credits_a_line",
            ),
        )
        indexes = (
            models.Index(fields=("status",), name="adjustment_status"),
            models.Index(
                fields=("credits_receipt_id",),
                name="adjustment_of_receipt",
                condition=Q(credits_receipt_id__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.project.code}: {self.text}"

    @property
    def resource(self) -> str:
        """The resource of its charge."""
        return f"{RESOURCE}:{self.pk}"


class OutageItem(models.Model):
    """What an outage gives back of one charge; made with the approval, and never changed.

    Invariants, kept by the database: a charge is credited once by an outage, and by all together
    never by more than it is, not counting what was taken back. ``seconds`` is how long the job ran
    within the outage; ``amount`` is less than nothing.
    """

    append_only = True

    outage = models.ForeignKey(
        OutageCredit, models.PROTECT, related_name="items", verbose_name=_("outage credit")
    )
    adjustment = models.ForeignKey(
        Adjustment, models.PROTECT, related_name="items", verbose_name=_("adjustment")
    )
    job = models.ForeignKey(Job, models.PROTECT, related_name="+", verbose_name=_("job"))
    charge = models.ForeignKey(
        Charge, models.PROTECT, related_name="outage_items", verbose_name=_("charge")
    )
    seconds = models.BigIntegerField(_("seconds within the outage"))
    amount = models.DecimalField(_("amount"), max_digits=24, decimal_places=6)

    class Meta:
        verbose_name = _("credited charge")
        verbose_name_plural = _("credited charges")
        ordering = ("outage", "id")
        constraints = (
            models.UniqueConstraint(fields=("outage", "charge"), name="outage_item_once"),
            models.CheckConstraint(
                condition=Q(amount__lt=0, amount__gt=-(10**17), seconds__gt=0),
                name="outage_item_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"{self.outage_id} {self.job_id} {self.amount}"
