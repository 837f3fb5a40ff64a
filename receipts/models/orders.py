"""Purchase orders: what a project promised to pay."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Same, User


class Days(Func):
    """The days from ``starts_on`` to ``expires_on``, both included, as a range."""

    function = "daterange"
    output_field = DateRangeField()

    def __init__(self) -> None:
        super().__init__(F("starts_on"), F("expires_on"), Value("[]"))


class PurchaseOrder(models.Model):
    """A project's promise to pay up to a ceiling, for receipts issued between two days.

    A project that has purchase orders is billed under the one in force on the day of issue only;
    a project without any is billed as it is. What counts against the ceiling are the totals, tax
    included, of the receipts issued under it that are not void. Invariants, kept by the database:
    the orders of a project don't overlap; a receipt that asks for money is issued under one that
    covers it; of an order only the ceiling and the last day change.
    """

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="purchase_orders", verbose_name=_("project")
    )
    number = models.CharField(_("number"), max_length=64)
    ceiling = models.DecimalField(
        _("ceiling"), max_digits=18, decimal_places=4, help_text=_("Tax included.")
    )
    currency = models.CharField(_("currency"), max_length=3)
    starts_on = models.DateField(_("from"))
    expires_on = models.DateField(
        _("last day"), help_text=_("Receipts may still be issued on this day.")
    )
    created_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", editable=False, verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("purchase order")
        verbose_name_plural = _("purchase orders")
        ordering = ("project", "-starts_on")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "number"), name="purchase_order_number_once"
            ),
            models.CheckConstraint(
                condition=Q(expires_on__gte=F("starts_on")),
                name="purchase_order_ends_after_start",
                violation_error_message=_("It can't end before it begins."),
            ),
            models.CheckConstraint(
                condition=Q(ceiling__gt=0, ceiling__lt=10**14, currency__regex=r"^[A-Z]{3}$"),
                name="purchase_order_ceiling",
                violation_error_message=_(
                    "The ceiling is an amount above zero, its currency three capital letters."
                ),
            ),
            ExclusionConstraint(
                name="purchase_order_no_overlap",
                expressions=[
                    (Same("project"), RangeOperators.OVERLAPS),
                    (Days(), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_(
                    "The project has another purchase order at that time: let that one end first."
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.project.code}: {self.number}"
