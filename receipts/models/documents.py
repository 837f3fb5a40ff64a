"""Receipts and credit notes: documents over money, with the charges behind each line."""

import uuid
from datetime import date, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, User
from pricing.labels import resource_name
from pricing.models import Charge, Rate
from receipts.models.orders import PurchaseOrder
from receipts.models.series import Series
from receipts.models.tax import TaxCategory


class ReceiptKind(models.TextChoices):
    """What a document is."""

    RECEIPT = "receipt", _("Receipt")
    CREDIT_NOTE = "credit_note", _("Credit note")
    OPENING = "opening", _("Opening balance")


class ReceiptStatus(models.TextChoices):
    """How far a document is. Overdue is derived, see ``Receipt.is_overdue``."""

    DRAFT = "draft", _("Draft")
    PENDING = "pending", _("To be approved")
    ISSUED = "issued", _("Issued")
    PART_PAID = "part_paid", _("Partly paid")
    PAID = "paid", _("Paid")
    VOID = "void", _("Void")
    WRITTEN_OFF = "written_off", _("Written off")


class Receipt(models.Model):
    """A document over charges of a window ``[window_start, window_end)`` of job ends.

    A credit note ``corrects`` an issued receipt; its lines and amounts are below zero. An opening
    balance was issued elsewhere, before; it keeps its number and has no charges. ``project`` is the
    addressee; the lines say whose usage it is. ``period`` is set, to the first day of the month,
    where the run of a month made it: then the charges are all that were booked by its end.

    Invariants, kept by the database: lines and tax add up to ``total``; the number is the next of
    its series; after issue nothing changes but the status with its stamps; whoever submits does
    not issue; a paid one is settled; a void one is credited in whole and its charges are reversed;
    credit notes never exceed what they correct.
    """

    Kind = ReceiptKind
    Status = ReceiptStatus

    BEFORE_ISSUE = (ReceiptStatus.DRAFT, ReceiptStatus.PENDING)
    OPEN = (ReceiptStatus.ISSUED, ReceiptStatus.PART_PAID)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(
        _("kind"), max_length=12, choices=ReceiptKind.choices, default=ReceiptKind.RECEIPT
    )
    project = models.ForeignKey(
        Project, models.PROTECT, related_name="receipts", verbose_name=_("project")
    )
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="credit_notes",
        verbose_name=_("corrects"),
    )
    period = models.DateField(_("month of the run"), null=True)
    window_start = models.DateTimeField(_("from"))
    window_end = models.DateTimeField(_("until"))
    status = models.CharField(
        _("status"), max_length=12, choices=ReceiptStatus.choices, default=ReceiptStatus.DRAFT
    )
    currency = models.CharField(_("currency"), max_length=3)
    decimals = models.PositiveSmallIntegerField(_("decimals of the currency"))
    net_amount = models.DecimalField(_("net"), max_digits=18, decimal_places=4)
    tax_category = models.CharField(
        _("tax category"),
        max_length=16,
        choices=TaxCategory.choices,
        default=TaxCategory.STANDARD,
    )
    tax_rate = models.DecimalField(_("tax %"), max_digits=6, decimal_places=3)
    tax_inclusive = models.BooleanField(_("prices include the tax"), default=False)
    tax_amount = models.DecimalField(_("tax"), max_digits=18, decimal_places=4)
    total = models.DecimalField(_("total"), max_digits=18, decimal_places=4)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    created_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # Nobody where the run of a month submitted it.
    submitted_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("submitted by")
    )
    submitted_at = models.DateTimeField(_("submitted"), null=True)
    series = models.ForeignKey(
        Series, models.PROTECT, null=True, related_name="receipts", verbose_name=_("series")
    )
    sequence = models.PositiveIntegerField(_("number in series"), null=True)
    number = models.CharField(_("number"), max_length=64, null=True, unique=True)
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
    particulars = models.JSONField(_("particulars"), default=dict)
    sha256 = models.CharField(_("SHA-256 of the content"), max_length=64, blank=True)
    verify_token = models.CharField(max_length=43, null=True, unique=True, editable=False)
    # ADJUSTMENT_LIMIT of the currency at issue, by which what one person alone decided was judged.
    alone_limit = models.DecimalField(
        _("limit of what one person alone decides"),
        max_digits=18,
        decimal_places=4,
        null=True,
        editable=False,
    )
    paid_at = models.DateTimeField(_("paid"), null=True)
    voided_at = models.DateTimeField(_("voided"), null=True)
    voided_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("voided by")
    )
    void_reason = models.CharField(_("reason for voiding"), max_length=200, blank=True)
    written_off_at = models.DateTimeField(_("written off"), null=True)

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
                condition=Q(period=None) | Q(period__day=1), name="receipt_period"
            ),
            models.CheckConstraint(
                condition=Q(kind="credit_note", corrects__isnull=False, total__lte=0)
                | Q(kind__in=("receipt", "opening"), corrects=None),
                name="receipt_kind",
            ),
            # One with less than nothing to pay is never issued: it waits for more usage.
            models.CheckConstraint(
                condition=~Q(kind__in=("receipt", "opening"))
                | Q(status__in=("draft", "pending"))
                | Q(total__gte=0),
                name="receipt_asks_for_money",
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
                condition=Q(tax_category="standard")
                | Q(
                    tax_category__in=("zero", "exempt", "reverse_charge"),
                    tax_rate=0,
                    tax_inclusive=False,
                ),
                name="receipt_tax_category",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$", decimals__lte=4),
                name="receipt_currency",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=("draft", "pending"),
                    number=None,
                    series=None,
                    sequence=None,
                    issued_at=None,
                    due_on=None,
                    sha256="",
                    verify_token=None,
                )
                | (
                    Q(
                        status__in=("issued", "part_paid", "paid", "void", "written_off"),
                        number__isnull=False,
                        issued_at__isnull=False,
                        verify_token__isnull=False,
                    )
                    & (
                        Q(kind="opening", series=None, sequence=None)
                        | Q(
                            kind__in=("receipt", "credit_note"),
                            series__isnull=False,
                            sequence__isnull=False,
                        )
                    )
                    & (
                        Q(kind="credit_note", status="issued", due_on=None)
                        | Q(kind__in=("receipt", "opening"), due_on__isnull=False)
                    )
                    & ~Q(sha256="")
                ),
                name="receipt_issued_has_number",
            ),
            models.CheckConstraint(
                condition=Q(status="pending", submitted_at__isnull=False)
                | Q(status="draft", submitted_at=None, submitted_by=None)
                | ~Q(status__in=("draft", "pending")),
                name="receipt_pending_has_time",
            ),
            models.CheckConstraint(
                condition=Q(submitted_by=None)
                | Q(issued_by=None)
                | ~Q(submitted_by=F("issued_by")),
                name="receipt_issued_by_other",
                violation_error_message=_("Whoever submits a receipt does not approve it."),
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False)
                | Q(status="void")
                | (~Q(status__in=("paid", "void")) & Q(paid_at=None)),
                name="receipt_paid_has_time",
            ),
            models.CheckConstraint(
                condition=(Q(status="void", voided_at__isnull=False) & ~Q(void_reason=""))
                | (~Q(status="void") & Q(voided_at=None, void_reason="")),
                name="receipt_void_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(status="written_off", written_off_at__isnull=False)
                | (~Q(status="written_off") & Q(written_off_at=None)),
                name="receipt_written_off_has_time",
            ),
        )
        indexes = (
            models.Index(fields=("status", "due_on"), name="receipt_status_due"),
            models.Index(fields=("period",), name="receipt_run"),
        )

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
        return due and self.status in self.OPEN


class Line(models.Model):
    """The charges of a project for one resource at one unit price, rounded once to the currency.

    A manual charge has a line of its own with a ``text``. A credit note's line ``corrects`` one of
    the receipt; there the amounts are the rounded sums of all credited so far, minus those of
    before, so that the notes of a line never come to more or less than the line itself.

    ``rate`` is set where counters priced them: it has slabs or terms of a month, and so no price of
    one unit. Minimum charges, caps and commitments have neither price nor rate.
    """

    receipt = models.ForeignKey(
        Receipt, models.CASCADE, related_name="lines", verbose_name=_("receipt")
    )
    position = models.PositiveIntegerField(_("position"))
    project = models.ForeignKey(
        Project, models.PROTECT, related_name="+", verbose_name=_("project")
    )
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="credited_by",
        verbose_name=_("corrects line"),
    )
    text = models.CharField(_("text"), max_length=200, blank=True)
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
        """What the line is for: its own text, or what people call the resource in the current
        language."""
        return self.text or resource_name(self.resource)

    @property
    def title(self) -> str:
        """What the line is for: the text of what a person charged or gave back, or the resource."""
        by_hand = self.resource.startswith("manual:")
        return self.text if by_hand and self.text else self.resource_name

    @property
    def has_quantity(self) -> bool:
        """Whether it is for a quantity of something, and not a minimum, cap or commitment."""
        return self.unit_price is not None or self.rate_id is not None


class LineCharge(models.Model):
    """Puts a charge on a line. A charge is on one line, for ever once the document is issued."""

    # No foreign keys: a set-based rule shows that what it points at exists and stays (ADR 7).
    line = models.ForeignKey(Line, models.CASCADE, related_name="charge_links", db_constraint=False)
    charge = models.OneToOneField(
        Charge, models.PROTECT, related_name="document_line", db_constraint=False
    )

    class Meta:
        verbose_name = _("charge on a line")
        verbose_name_plural = _("charges on lines")

    def __str__(self) -> str:
        return f"{self.line_id} ← {self.charge_id}"
