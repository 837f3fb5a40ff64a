"""Tax: which rate applies to whom on which day."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from accounts.models import CODE, Same


class TaxCategory(models.TextChoices):
    """What kind of tax a document carries, as EN 16931 tells them apart."""

    STANDARD = "standard", _("Standard rate")
    ZERO = "zero", _("Zero rate")
    EXEMPT = "exempt", _("Exempt")
    REVERSE_CHARGE = "reverse_charge", _("Reverse charge: the buyer accounts for the tax")


class TaxProfile(models.Model):
    """How the documents of some buyers are taxed.

    Invariants, kept by the database: whoever is exempt has a reason; only the standard category has
    rates above zero; prices can include the tax only there.
    """

    code = models.CharField(_("code"), max_length=32, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=200)
    category = models.CharField(
        _("category"),
        max_length=16,
        choices=TaxCategory.choices,
        default=TaxCategory.STANDARD,
    )
    inclusive = models.BooleanField(
        _("prices include the tax"), default=False, help_text=_("Else it is added to them.")
    )
    reason = models.CharField(
        _("reason"),
        max_length=200,
        blank=True,
        help_text=_("Why no tax is charged; printed on the document."),
    )

    class Meta:
        verbose_name = _("tax profile")
        verbose_name_plural = _("tax profiles")
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=Q(category__in=TaxCategory.values), name="tax_profile_category_known"
            ),
            models.CheckConstraint(
                condition=~Q(category__in=("exempt", "reverse_charge")) | ~Q(reason=""),
                name="tax_profile_exempt_has_reason",
                violation_error_message=_("Say why no tax is charged: documents have to state it."),
            ),
            models.CheckConstraint(
                condition=Q(category="standard") | Q(inclusive=False),
                name="tax_profile_includes_tax",
                violation_error_message=_("Prices can include tax only where there is any."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.code} – {self.name}"


class RateDays(Func):
    """The days ``[starts_on, ends_on)``; without an end where that is null."""

    function = "daterange"
    output_field = DateRangeField()

    def __init__(self) -> None:
        super().__init__(F("starts_on"), F("ends_on"), Value("[)"))


class TaxRate(models.Model):
    """The rate of a profile for documents issued on days ``[starts_on, ends_on)``.

    Invariant, kept by the database: the rates of a profile don't overlap, and only profiles of the
    standard category have any.
    """

    profile = models.ForeignKey(
        TaxProfile, models.CASCADE, related_name="rates", verbose_name=_("tax profile")
    )
    percent = models.DecimalField(_("percent"), max_digits=6, decimal_places=3)
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(
        _("until"), null=True, blank=True, help_text=_("Not included; empty means open end.")
    )

    class Meta:
        verbose_name = _("tax rate")
        verbose_name_plural = _("tax rates")
        ordering = ("profile", "starts_on")
        constraints = (
            models.CheckConstraint(
                condition=Q(percent__gte=0, percent__lt=100),
                name="tax_rate_in_range",
                violation_error_message=_("A rate is at least 0 and less than 100 percent."),
            ),
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gt=F("starts_on")),
                name="tax_rate_ends_after_start",
                violation_error_message=_("It must end after it begins."),
            ),
            ExclusionConstraint(
                name="tax_rate_no_overlap",
                expressions=[
                    (Same("profile"), RangeOperators.OVERLAPS),
                    (RateDays(), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("The profile has another rate at that time."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.profile.code} {self.percent} %"
