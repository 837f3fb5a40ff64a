"""Receipts: documents that ask a project for money, with the charges behind each line."""

import uuid
from datetime import date, timedelta

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Same, User
from pricing.labels import resource_name
from pricing.models import Charge, Rate


class Series(models.Model):
    """A run of document numbers for a fiscal year. The row's lock makes the numbers gapless."""

    code = models.CharField(_("code"), max_length=16)
    fiscal_year = models.PositiveIntegerField(_("fiscal year"))
    last_number = models.PositiveIntegerField(_("last number"), default=0)

    class Meta:
        verbose_name = _("number series")
        verbose_name_plural = _("number series")
        ordering = ("code", "fiscal_year")
        constraints = (models.UniqueConstraint(fields=("code", "fiscal_year"), name="series_once"),)

    def __str__(self) -> str:
        return f"{self.code}-{self.fiscal_year}"


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


class Receipt(models.Model):
    """A document over a project's charges of a window ``[window_start, window_end)`` of job ends.

    Invariants, kept by the database: lines add up to ``net_amount``, net and tax to ``total``; the
    number is the next of its series; after issue nothing changes but the status with its stamps;
    a paid receipt has payments allocated to its total; the charges of a void one are reversed.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ISSUED = "issued", _("Issued")
        PAID = "paid", _("Paid")
        VOID = "void", _("Void")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(
        Project, models.PROTECT, related_name="receipts", verbose_name=_("project")
    )
    window_start = models.DateTimeField(_("from"))
    window_end = models.DateTimeField(_("until"))
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.DRAFT
    )
    currency = models.CharField(_("currency"), max_length=3)
    decimals = models.PositiveSmallIntegerField(_("decimals of the currency"))
    net_amount = models.DecimalField(_("net"), max_digits=18, decimal_places=4)
    tax_rate = models.DecimalField(_("tax %"), max_digits=6, decimal_places=3)
    tax_amount = models.DecimalField(_("tax"), max_digits=18, decimal_places=4)
    total = models.DecimalField(_("total"), max_digits=18, decimal_places=4)
    created_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    series = models.ForeignKey(
        Series, models.PROTECT, null=True, related_name="receipts", verbose_name=_("series")
    )
    sequence = models.PositiveIntegerField(_("number in series"), null=True)
    number = models.CharField(_("number"), max_length=40, null=True, unique=True)
    issued_at = models.DateTimeField(_("issued"), null=True)
    issued_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("issued by")
    )
    due_on = models.DateField(_("due"), null=True)
    purchase_order = models.ForeignKey(
        PurchaseOrder,
        models.PROTECT,
        null=True,
        related_name="receipts",
        verbose_name=_("purchase order"),
    )
    parties = models.JSONField(_("parties"), default=dict)
    sha256 = models.CharField(_("SHA-256 of the content"), max_length=64, blank=True)
    paid_at = models.DateTimeField(_("paid"), null=True)
    voided_at = models.DateTimeField(_("voided"), null=True)
    voided_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("voided by")
    )
    void_reason = models.CharField(_("reason for voiding"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        ordering = ("-id",)
        permissions = (
            ("issue_receipt", _("Can draft and issue receipts")),
            ("void_receipt", _("Can void receipts")),
        )
        constraints = (
            models.UniqueConstraint(fields=("series", "sequence"), name="receipt_number_once"),
            models.CheckConstraint(
                condition=Q(window_end__gt=F("window_start")), name="receipt_window"
            ),
            models.CheckConstraint(
                condition=Q(total=F("net_amount") + F("tax_amount")), name="receipt_total"
            ),
            models.CheckConstraint(
                condition=Q(
                    net_amount__gt=-(10**14),
                    net_amount__lt=10**14,
                    tax_amount__gt=-(10**14),
                    tax_amount__lt=10**14,
                    tax_rate__gte=0,
                    tax_rate__lt=100,
                ),
                name="receipt_amounts_in_range",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$", decimals__lte=4),
                name="receipt_currency",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="draft",
                    number=None,
                    series=None,
                    sequence=None,
                    issued_at=None,
                    due_on=None,
                    sha256="",
                )
                | (
                    Q(
                        status__in=("issued", "paid", "void"),
                        number__isnull=False,
                        series__isnull=False,
                        sequence__isnull=False,
                        issued_at__isnull=False,
                        due_on__isnull=False,
                    )
                    & ~Q(sha256="")
                ),
                name="receipt_issued_has_number",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False)
                | (~Q(status="paid") & Q(paid_at=None)),
                name="receipt_paid_has_time",
            ),
            models.CheckConstraint(
                condition=(Q(status="void", voided_at__isnull=False) & ~Q(void_reason=""))
                | (~Q(status="void") & Q(voided_at=None, void_reason="")),
                name="receipt_void_has_reason",
            ),
        )
        indexes = (models.Index(fields=("status", "due_on"), name="receipt_status_due"),)

    def __str__(self) -> str:
        return self.number or str(_("Draft %(key)s") % {"key": self.pk})

    @property
    def first_day(self) -> date:
        """Return the window's first day in the site's time zone."""
        return timezone.localdate(self.window_start)

    @property
    def last_day(self) -> date:
        """Return the window's last day, which is included, in the site's time zone."""
        return timezone.localdate(self.window_end - timedelta(microseconds=1))

    @property
    def is_overdue(self) -> bool:
        """Tell whether it should have been paid by now. Derived, never stored."""
        due = self.due_on is not None and self.due_on < timezone.localdate()
        return due and self.status == self.Status.ISSUED


class Line(models.Model):
    """The charges of one resource at one unit price, rounded once to the currency.

    ``rate`` is set where counters priced them: it has slabs or terms of a month, and so no price of
    one unit. Minimum charges, caps and commitments have neither price nor rate.
    """

    receipt = models.ForeignKey(
        Receipt, models.CASCADE, related_name="lines", verbose_name=_("receipt")
    )
    position = models.PositiveIntegerField(_("position"))
    resource = models.CharField(_("resource"), max_length=64)
    unit_price = models.DecimalField(_("unit price"), max_digits=18, decimal_places=6, null=True)
    unit_size = models.BigIntegerField(_("base units in a unit"))
    rate = models.ForeignKey(
        Rate, models.PROTECT, null=True, related_name="+", verbose_name=_("rate")
    )
    quantity = models.BigIntegerField(_("quantity in base units"))
    charged = models.DecimalField(_("sum of charges"), max_digits=24, decimal_places=6)
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=4)
    jobs = models.PositiveIntegerField(_("jobs"))

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        ordering = ("receipt", "position")
        constraints = (
            models.UniqueConstraint(fields=("receipt", "position"), name="line_position_once"),
        )

    def __str__(self) -> str:
        return f"{self.receipt} {self.position}"

    @property
    def resource_name(self) -> str:
        """What people call the resource, in the current language."""
        return resource_name(self.resource)

    @property
    def has_quantity(self) -> bool:
        """Whether it is for a quantity of something, and not a minimum, cap or commitment."""
        return self.unit_price is not None or self.rate_id is not None


class LineCharge(models.Model):
    """Puts a charge on a line. A charge is on one line, for ever once the document is issued."""

    line = models.ForeignKey(Line, models.CASCADE, related_name="charge_links")
    charge = models.OneToOneField(Charge, models.PROTECT, related_name="document_line")

    class Meta:
        verbose_name = _("charge on a line")
        verbose_name_plural = _("charges on lines")

    def __str__(self) -> str:
        return f"{self.line_id} ← {self.charge_id}"


class Notice(models.Model):
    """An e-mail that told someone of a receipt; the row is there if, and only if, it was sent.

    Invariant: one for each receipt, kind and recipient. The address is kept as a digest only, so
    that a person can be forgotten while the row, which is never changed, stays.
    """

    append_only = True

    class Kind(models.TextChoices):
        ISSUED = "issued", _("Issued")
        PAID = "paid", _("Paid")

    receipt = models.ForeignKey(
        Receipt, models.PROTECT, related_name="notices", verbose_name=_("receipt")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    recipient_sha256 = models.CharField(_("SHA-256 of the address"), max_length=64)
    language = models.CharField(_("language"), max_length=5)
    sent_at = models.DateTimeField(_("sent"), auto_now_add=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("receipt", "kind", "recipient_sha256"), name="notice_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=("issued", "paid")), name="notice_kind_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.receipt} {self.kind}"
