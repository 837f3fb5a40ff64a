"""What a list says of each resource: rates with their slabs, equivalents, rules for states."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import CODE
from pricing.models.fields import RESOURCE, RESOURCE_PATTERN, money, percent
from pricing.models.lists import PriceList
from usage.models import Cluster


class ResourceCode(models.TextChoices):
    """The resources whose quantities are columns of a job."""

    CPU = "cpu", _("CPU")
    GPU = "gpu", _("GPU")
    MEM = "mem", _("Memory")


class RateModel(models.TextChoices):
    """How a month's quantity becomes an amount; see ``pricing.engine.rates``."""

    FLAT = "flat", _("Flat")
    GRADUATED = "graduated", _("Graduated")
    VOLUME = "volume", _("Volume")
    PACKAGE = "package", _("Package")


class Basis(models.TextChoices):
    """Which figure of a job is priced."""

    ALLOCATED = "allocated", _("Allocated")
    REQUESTED = "requested", _("Requested")
    USED = "used", _("Used")


class Rate(models.Model):
    """What a unit of a resource costs in a list, such as 0.75 baht for a CPU-core-hour.

    It counts for jobs of a cluster, partition and QOS where these are given; of the rates that fit
    a job the most specific one wins. Graduated and volume rates have slabs instead of a price.
    ``allowance`` and the discounts are per project and month; see ``pricing.engine.rates``.
    """

    price_list = models.ForeignKey(
        PriceList, models.CASCADE, related_name="rates", verbose_name=_("price list")
    )
    resource = models.CharField(_("resource"), max_length=64, validators=[RESOURCE])
    cluster = models.ForeignKey(
        Cluster,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("cluster"),
    )
    partition = models.CharField(_("partition"), max_length=255, blank=True)
    qos = models.CharField(_("QOS"), max_length=128, blank=True)
    basis = models.CharField(
        _("basis"), max_length=10, choices=Basis.choices, default=Basis.ALLOCATED
    )
    model = models.CharField(
        _("model"), max_length=10, choices=RateModel.choices, default=RateModel.FLAT
    )
    unit_price = money(_("unit price"), null=True, blank=True)
    flat_fee = money(_("flat fee in a month"), default=Decimal(0))
    package_units = models.DecimalField(
        _("units in a package"), max_digits=18, decimal_places=6, default=Decimal(1)
    )
    allowance = money(_("free units in a month"), default=Decimal(0))
    discount_percent = percent(_("discount in percent"), default=Decimal(0))
    discount_amount = money(_("discount in a month"), default=Decimal(0))
    fee_at_zero = models.BooleanField(
        _("fee without usage"),
        default=False,
        help_text=_("Whether a month without usage pays the first flat fee."),
    )

    Model = RateModel

    class Meta:
        verbose_name = _("rate")
        verbose_name_plural = _("rates")
        ordering = ("price_list", "resource", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("price_list", "resource", "cluster", "partition", "qos"),
                nulls_distinct=False,
                name="rate_once",
            ),
            models.CheckConstraint(
                condition=Q(unit_price=None) | Q(unit_price__gte=0, unit_price__lt=10**12),
                name="rate_in_range",
            ),
            models.CheckConstraint(
                condition=Q(model__in=("flat", "package"), unit_price__isnull=False)
                | Q(model__in=("graduated", "volume"), unit_price=None, flat_fee=0),
                name="rate_price_by_model",
            ),
            models.CheckConstraint(
                condition=Q(resource__regex=RESOURCE_PATTERN),
                name="rate_resource_known",
            ),
            models.CheckConstraint(
                condition=Q(basis="allocated")
                | Q(basis="requested")
                | Q(basis="used", resource__in=("cpu", "mem")),
                name="rate_basis_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    flat_fee__gte=0,
                    flat_fee__lt=10**12,
                    package_units__gt=0,
                    package_units__lt=10**12,
                    allowance__gte=0,
                    allowance__lt=10**12,
                    discount_percent__gte=0,
                    discount_percent__lte=100,
                    discount_amount__gte=0,
                    discount_amount__lt=10**12,
                ),
                name="rate_terms_in_range",
            ),
        )

    def __str__(self) -> str:
        price = "" if self.unit_price is None else f" {self.unit_price}"
        return f"{self.price_list}: {self.resource} {self.model}{price}"


class Slab(models.Model):
    """A part ``(previous, up_to]`` of a month's units, its price and the fee for reaching it.

    Invariants, kept by the database when the list is submitted: slabs rise, and only the last one
    is open.
    """

    rate = models.ForeignKey(Rate, models.CASCADE, related_name="slabs", verbose_name=_("rate"))
    position = models.PositiveSmallIntegerField(_("position"))
    up_to = models.DecimalField(_("up to"), max_digits=18, decimal_places=6, null=True, blank=True)
    unit_price = money(_("unit price"))
    flat_fee = money(_("flat fee"), default=Decimal(0))

    class Meta:
        verbose_name = _("slab")
        verbose_name_plural = _("slabs")
        ordering = ("rate", "position")
        constraints = (
            models.UniqueConstraint(fields=("rate", "position"), name="slab_once"),
            models.CheckConstraint(
                condition=(Q(up_to=None) | Q(up_to__gt=0, up_to__lt=10**12))
                & Q(unit_price__gte=0, unit_price__lt=10**12, flat_fee__gte=0, flat_fee__lt=10**12),
                name="slab_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"{self.rate_id}: up to {self.up_to} {self.unit_price}"


class StatePolicy(models.Model):
    """How much of a job that ended in a state is billed, such as 0 % of NODE_FAIL, and why."""

    price_list = models.ForeignKey(
        PriceList, models.CASCADE, related_name="states", verbose_name=_("price list")
    )
    state = models.CharField(
        _("state"), max_length=32, help_text=_("As in Slurm, such as NODE_FAIL.")
    )
    percent = percent(_("billed in percent"))
    reason = models.CharField(_("reason"), max_length=200)

    class Meta:
        verbose_name = _("rule for a state")
        verbose_name_plural = _("rules for states")
        ordering = ("price_list", "state")
        constraints = (
            models.UniqueConstraint(fields=("price_list", "state"), name="state_policy_once"),
            models.CheckConstraint(
                condition=Q(percent__gte=0, percent__lte=100, state__regex=r"^[A-Z][A-Z_]{1,31}$")
                & ~Q(reason__regex=r"^\s*$"),
                name="state_policy_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"{self.state} {self.percent} %"


class Combine(models.TextChoices):
    """How the parts of an equivalent make one number."""

    MAX = "max", _("the largest part")
    SUM = "sum", _("the sum of the parts")


class Equivalent(models.Model):
    """A unit that a list defines, say core-hour equivalents = max(CPUs, memory ÷ 4 GB, 16 × GPUs).

    It is priced as the resource ``unit:<code>`` and covers the resources of its parts, which then
    need no rate. Where a cluster or partition is given it counts there only.
    """

    price_list = models.ForeignKey(
        PriceList, models.CASCADE, related_name="equivalents", verbose_name=_("price list")
    )
    code = models.CharField(_("code"), max_length=56, validators=[CODE])
    name = models.CharField(_("name"), max_length=100)
    cluster = models.ForeignKey(
        Cluster,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("cluster"),
    )
    partition = models.CharField(_("partition"), max_length=255, blank=True)
    combine = models.CharField(
        _("made of"), max_length=3, choices=Combine.choices, default=Combine.MAX
    )

    class Meta:
        verbose_name = _("equivalent")
        verbose_name_plural = _("equivalents")
        ordering = ("price_list", "code", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("price_list", "code", "cluster", "partition"),
                nulls_distinct=False,
                name="equivalent_once",
            ),
            models.CheckConstraint(
                condition=Q(combine__in=Combine.values), name="equivalent_combine_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.price_list_id} {self.code}"


class EquivalentPart(models.Model):
    """``counts`` equivalents per ``per`` of a resource: 1 per 4 (GB), or 16 per 1 (GPU)."""

    equivalent = models.ForeignKey(
        Equivalent, models.CASCADE, related_name="parts", verbose_name=_("equivalent")
    )
    resource = models.CharField(_("resource"), max_length=64, validators=[RESOURCE])
    counts = money(_("counts"), default=Decimal(1))
    per = money(_("per"), default=Decimal(1))

    class Meta:
        verbose_name = _("part of an equivalent")
        verbose_name_plural = _("parts of equivalents")
        ordering = ("equivalent", "resource")
        constraints = (
            models.UniqueConstraint(fields=("equivalent", "resource"), name="equivalent_part_once"),
            models.CheckConstraint(
                condition=Q(counts__gte=0, counts__lt=10**6, per__gt=0, per__lt=10**6)
                & Q(resource__regex=r"^(cpu|mem|node|gpu(:[A-Za-z0-9][A-Za-z0-9._@-]{0,55})?)$"),
                name="equivalent_part_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"{self.counts} per {self.per} {self.resource}"


class Sku(models.Model):
    """Something besides jobs that has a price in lists: an add-on, a top-up, a service.

    Its price is the rate of the resource ``sku:<code>``.
    """

    code = models.CharField(_("code"), max_length=56, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=200)
    name_th = models.CharField(_("name in Thai"), max_length=200, blank=True)
    unit = models.CharField(_("unit"), max_length=50, help_text=_("Such as TB-month or hour."))
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        ordering = ("code",)
        permissions = (("charge_sku", _("Can charge items to projects")),)

    def __str__(self) -> str:
        return f"{self.code} – {self.name}"
