"""How a project is billed: on whose receipts, with which tax, in which language."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Project
from receipts.models.tax import TaxProfile


class Grouping(models.TextChoices):
    """On whose receipts the charges of a project go."""

    PROJECT = "project", _("Receipts of its own")
    DEPARTMENT = "department", _("On the receipts of its department")
    PAYER = "payer", _("On the receipts of another project")


class DocumentLanguage(models.TextChoices):
    """Languages of printed documents."""

    ENGLISH = "en", "English"
    THAI = "th", "ไทย"
    BOTH = "both", _("Both")


class BillingProfile(models.Model):
    """How a project is billed, where it is not by the site's defaults.

    Invariants, kept by the database: another project pays if, and only if, that is the grouping; a
    certificate of exemption comes with a tax profile.
    """

    project = models.OneToOneField(
        Project,
        models.CASCADE,
        primary_key=True,
        related_name="billing_profile",
        verbose_name=_("project"),
    )
    grouping = models.CharField(
        _("billed"), max_length=16, choices=Grouping.choices, default=Grouping.PROJECT
    )
    payer = models.ForeignKey(
        Project,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("paying project"),
        help_text=_("Only where another project's receipts take the charges."),
    )
    in_run = models.BooleanField(
        _("in the monthly run"),
        default=True,
        help_text=_("Off: only the project itself makes receipts (pay as you go)."),
    )
    tax_profile = models.ForeignKey(
        TaxProfile,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="profiles",
        verbose_name=_("tax profile"),
        help_text=_("Empty: the site's own rate, added to the prices."),
    )
    exemption_certificate = models.CharField(
        _("certificate of exemption"), max_length=64, blank=True
    )
    withholding_percent = models.DecimalField(
        _("tax withheld at payment, %"), max_digits=6, decimal_places=3, default=Decimal(0)
    )
    branch = models.CharField(
        _("branch number"),
        max_length=5,
        blank=True,
        help_text=_("Five digits; 00000 is the head office. Empty: not registered for VAT."),
    )
    contact_name = models.CharField(_("contact"), max_length=200, blank=True)
    document_language = models.CharField(
        _("language of documents"),
        max_length=4,
        choices=DocumentLanguage.choices,
        default=DocumentLanguage.BOTH,
    )
    promptpay_id = models.CharField(
        _("PromptPay id to pay to"),
        max_length=15,
        blank=True,
        help_text=_("Empty: the site's own. Phone number, tax id or e-wallet id, digits only."),
    )

    class Meta:
        verbose_name = _("billing profile")
        verbose_name_plural = _("billing profiles")
        ordering = ("project",)
        constraints = (
            models.CheckConstraint(
                condition=Q(grouping="payer", payer__isnull=False)
                | (Q(grouping__in=("project", "department")) & Q(payer=None)),
                name="billing_profile_payer",
                violation_error_message=_(
                    "Choose the paying project if, and only if, another project pays."
                ),
            ),
            models.CheckConstraint(
                condition=Q(payer=None) | ~Q(payer=F("project")),
                name="billing_profile_payer_is_other",
                violation_error_message=_("Another project pays, not the project itself."),
            ),
            models.CheckConstraint(
                condition=Q(withholding_percent__gte=0, withholding_percent__lt=100),
                name="billing_profile_withholding",
                violation_error_message=_("A rate is at least 0 and less than 100 percent."),
            ),
            models.CheckConstraint(
                condition=Q(branch="") | Q(branch__regex=r"^[0-9]{5}$"),
                name="billing_profile_branch",
                violation_error_message=_("A branch number has five digits."),
            ),
            models.CheckConstraint(
                condition=Q(promptpay_id="")
                | Q(promptpay_id__regex=r"^([0-9]{10}|[0-9]{13}|[0-9]{15})$"),
                name="billing_profile_promptpay",
                violation_error_message=_("A PromptPay id has 10, 13 or 15 digits."),
            ),
            models.CheckConstraint(
                condition=Q(exemption_certificate="") | Q(tax_profile__isnull=False),
                name="billing_profile_certificate",
                violation_error_message=_("Choose the tax profile that the certificate is for."),
            ),
        )

    def __str__(self) -> str:
        return self.project.code


class DepartmentBilling(models.Model):
    """The project whose receipts take the charges of a department's projects that ask for it."""

    department = models.OneToOneField(
        Department,
        models.CASCADE,
        primary_key=True,
        related_name="billing",
        verbose_name=_("department"),
    )
    project = models.ForeignKey(
        Project, models.PROTECT, related_name="+", verbose_name=_("billed on receipts of")
    )

    class Meta:
        verbose_name = _("billing of a department")
        verbose_name_plural = _("billing of departments")
        ordering = ("department",)

    def __str__(self) -> str:
        return f"{self.department.code}: {self.project.code}"
