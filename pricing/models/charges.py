"""What was charged: one row for each resource of a job, and those that have no job."""

from datetime import timedelta
from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Period, Project, Same, Span, SplitShare
from pricing.labels import resource_name
from pricing.models.lists import PriceList
from pricing.models.rates import Rate
from usage.models import Job


class ChargeKind(models.TextChoices):
    """What a charge is for."""

    USAGE = "usage", _("Usage")
    MINIMUM = "minimum", _("Minimum of a job")
    ADJUSTMENT = "adjustment", _("Adjustment")
    TRUE_UP = "true_up", _("Cap or commitment")
    ITEM = "item", _("Item")
    MANUAL = "manual", _("By hand")


class ChargeBasis(models.TextChoices):
    """Which figure of the job was priced; empty is what was allocated."""

    ALLOCATED = "", _("Allocated")
    REQUESTED = "requested", _("Requested")
    USED = "used", _("Used")
    FALLBACK = "fallback", _("Allocated, because the other figure is not known")


class Charge(models.Model):
    """One resource of one job, priced. Never edited: corrected by a reversal and a replacement.

    Invariants, kept by the database: where there is a unit price, amount = round(quantity × unit
    price ÷ unit size, 6); where a counter prices, amount = F(counter after) − F(counter before); a
    reversal negates its charge exactly and happens once; a job's resource has one live charge at
    most in a project, and ``generation`` counts up with each replacement. Charges of other kinds
    than usage and minimum have no job; what a person charged (``manual``) belongs to an Adjustment.

    ``period`` is where it is booked: the month of ``job_end``, or the earliest open one after it.
    Prices, tiers and counters go by ``job_end`` alone.
    """

    append_only = True

    # No foreign keys: set-based rules show that what a charge points at exists and stays (ADR 7).
    job = models.ForeignKey(
        Job,
        models.PROTECT,
        null=True,
        related_name="charges",
        db_constraint=False,
        db_index=False,
        verbose_name=_("job"),
    )
    project = models.ForeignKey(
        Project,
        models.PROTECT,
        related_name="charges",
        db_constraint=False,
        db_index=False,
        verbose_name=_("project"),
    )
    # Of a job whose costs are split: what part of it this project pays for.
    share = models.ForeignKey(
        SplitShare,
        models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("share"),
    )
    kind = models.CharField(
        _("kind"), max_length=10, choices=ChargeKind.choices, db_default=ChargeKind.USAGE
    )
    resource = models.CharField(_("resource"), max_length=64)
    generation = models.PositiveIntegerField(_("generation"), default=1)
    rate = models.ForeignKey(
        Rate,
        models.PROTECT,
        null=True,
        related_name="charges",
        db_constraint=False,
        verbose_name=_("rate"),
    )
    price_list = models.ForeignKey(
        PriceList,
        models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("price list"),
    )
    job_end = models.DateTimeField(_("job ended"))
    period = models.ForeignKey(
        Period,
        models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("period"),
    )
    quantity = models.BigIntegerField(_("quantity in base units"))
    unit_size = models.BigIntegerField(_("base units in a unit"))
    unit_price = models.DecimalField(_("unit price"), max_digits=18, decimal_places=6, null=True)
    counter_before = models.BigIntegerField(_("counter before"), null=True)
    counter_after = models.BigIntegerField(_("counter after"), null=True)
    amount = models.DecimalField(_("amount"), max_digits=24, decimal_places=6)
    currency = models.CharField(_("currency"), max_length=3)
    estimated = models.BooleanField(_("estimated"), default=False)
    basis = models.CharField(
        _("basis"), max_length=10, choices=ChargeBasis.choices, blank=True, db_default=""
    )
    # Its unique index holds the reversals only; see the migration.
    reverses = models.OneToOneField(
        "self",
        models.PROTECT,
        null=True,
        related_name="reversal",
        db_constraint=False,
        verbose_name=_("reverses"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("charge")
        verbose_name_plural = _("charges")
        ordering = ("-job_end", "job_id", "resource")
        constraints = (
            # One index for two rules: a charge and its reversal are each there once, and all
            # charges of a job are found by it.
            models.UniqueConstraint(
                fields=("job", "resource", "share", "generation", "reverses"),
                condition=Q(job__isnull=False),
                nulls_distinct=False,
                name="charge_once",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("usage", "item"), reverses=None, quantity__gt=0)
                | Q(kind__in=("usage", "item"), reverses__isnull=False, quantity__lt=0)
                | Q(kind__in=("minimum", "adjustment", "true_up"), quantity=0)
                | (Q(kind="manual", quantity=0) & ~Q(amount=0)),
                name="charge_sign",
            ),
            models.CheckConstraint(
                condition=Q(unit_size__gt=0)
                & (Q(unit_price=None) | Q(unit_price__gte=0, unit_price__lt=10**12))
                & Q(amount__gt=-(10**17), amount__lt=10**17),
                name="charge_price_in_range",
            ),
            # A counter, and only it, prices what has no unit price; a minimum, a cap and a
            # commitment belong to a list and to no rate; what a person charged to neither.
            models.CheckConstraint(
                condition=Q(
                    kind__in=("usage", "item"),
                    rate__isnull=False,
                    unit_price__isnull=False,
                    counter_before=None,
                    counter_after=None,
                    price_list=None,
                )
                | Q(
                    kind__in=("usage", "item", "adjustment"),
                    rate__isnull=False,
                    unit_price=None,
                    counter_before__isnull=False,
                    counter_before__gte=0,
                    counter_after__isnull=False,
                    counter_after__gte=0,
                    counter_after=F("counter_before") + F("quantity"),
                    price_list=None,
                )
                | Q(
                    kind__in=("minimum", "true_up"),
                    rate=None,
                    unit_price=None,
                    counter_before=None,
                    counter_after=None,
                    price_list__isnull=False,
                )
                | Q(
                    kind="manual",
                    rate=None,
                    unit_price=None,
                    counter_before=None,
                    counter_after=None,
                    price_list=None,
                ),
                name="charge_priced_one_way",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("usage", "minimum"), job__isnull=False)
                | Q(kind__in=("adjustment", "true_up", "item", "manual"), job=None),
                name="charge_job_by_kind",
            ),
            models.CheckConstraint(
                condition=Q(basis__in=("", "requested", "used", "fallback")),
                name="charge_basis_known",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="charge_currency_code"
            ),
        )
        indexes = (
            models.Index(fields=("project", "job_end"), name="charge_project_end"),
            # What is unbilled lies after the periods that a project was billed for in full.
            models.Index(fields=("project", "period"), name="charge_project_period"),
            # The list of all charges by end, and the figures of a month.
            models.Index(fields=("job_end",), name="charge_end"),
            # Charges are booked in the order of time, so blocks of the table have few periods each.
            BrinIndex(fields=("period",), name="charge_period", autosummarize=True),
            # Shares that were charged stay.
            models.Index(fields=("share",), condition=Q(share__isnull=False), name="charge_share"),
            # What a counter has to add up to.
            models.Index(
                fields=("rate", "project", "job_end"),
                condition=Q(counter_after__isnull=False),
                name="charge_counter",
            ),
        )

    def __str__(self) -> str:
        return f"{self.job or self.kind} {self.resource} {self.amount} {self.currency}"

    @property
    def prices_from(self) -> PriceList:
        """The list whose price, minimum, cap or commitment it carries; ValueError if it was made by
        hand."""
        if self.rate is not None:
            return self.rate.price_list
        if self.price_list is None:
            raise ValueError("this charge was made by hand")
        return self.price_list

    @property
    def list_name(self) -> str:
        """What people call that list; nothing of what was charged by hand."""
        return "" if self.kind == ChargeKind.MANUAL else str(self.prices_from)

    @property
    def resource_name(self) -> str:
        """What people call the resource, in the current language."""
        return resource_name(self.resource)


class Counter(models.Model):
    """How much of a rate a project has used in a month of job ends, and what that comes to.

    ``month`` is its first day in the site's time zone, ``[starts_at, ends_at)`` its moments.
    Invariants, kept by the database: nobody writes ``quantity`` and ``amount`` but the database
    itself, which adds each charge that the counter priced; ``amount`` is the rate's price of
    ``quantity``. Its row is locked while jobs are rated by it.
    """

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="counters", verbose_name=_("project")
    )
    rate = models.ForeignKey(Rate, models.PROTECT, related_name="counters", verbose_name=_("rate"))
    month = models.DateField(_("month"))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    quantity = models.BigIntegerField(_("quantity in base units"), default=0)
    amount = models.DecimalField(_("amount"), max_digits=24, decimal_places=6, default=Decimal(0))

    class Meta:
        verbose_name = _("counter")
        verbose_name_plural = _("counters")
        ordering = ("-month", "project", "rate")
        constraints = (
            models.UniqueConstraint(fields=("project", "rate", "month"), name="counter_once"),
            models.CheckConstraint(
                condition=Q(quantity__gte=0, amount__gte=0, month__day=1), name="counter_in_range"
            ),
            models.CheckConstraint(
                condition=Q(
                    ends_at__gt=F("starts_at") + timedelta(days=27),
                    ends_at__lt=F("starts_at") + timedelta(days=32),
                ),
                name="counter_of_a_month",
            ),
            ExclusionConstraint(
                name="counter_no_overlap",
                expressions=[
                    (Same("project"), RangeOperators.OVERLAPS),
                    (Same("rate"), RangeOperators.OVERLAPS),
                    (Span("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
            ),
        )

    def __str__(self) -> str:
        return f"{self.project_id} {self.rate_id} {self.month:%Y-%m}: {self.quantity}"
