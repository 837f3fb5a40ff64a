"""To which accounts of the site's ledger the journal books, and journals that were handed out."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, IntegerRangeField, RangeOperators
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce, Concat, Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Period, Project, User

ACCOUNT = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9./_-]*\Z",
    _("Use letters, digits and . / _ - only, beginning with a letter or digit."),
)


class LedgerRole(models.TextChoices):
    """What an account is for."""

    UNBILLED = "unbilled", _("Earned and not billed yet")
    RECEIVABLE = "receivable", _("Receivable")
    REVENUE = "revenue", _("Revenue")
    OUTPUT_TAX = "output_tax", _("Output tax")
    WITHHELD = "withheld", _("Tax withheld by buyers")
    BANK = "bank", _("Bank")
    BALANCE = "balance", _("Balances of projects")
    REFUND = "refund", _("Refunds")
    WRITE_OFF = "write_off", _("Write-offs")
    OPENING = "opening", _("Opening balances")


class AccountDays(Func):
    """The days ``[starts_on, ends_on)``; without an end where that is null."""

    function = "daterange"
    output_field = DateRangeField()

    def __init__(self) -> None:
        super().__init__(F("starts_on"), F("ends_on"), Value("[)"))


class KeyRange(Func):
    """A one-number range of a key that may be null, which lets plain GiST compare it."""

    function = "int8range"
    output_field = IntegerRangeField()

    def __init__(self, expression: str) -> None:
        key = Coalesce(F(expression), Value(0))
        super().__init__(key, key, Value("[]"))


class TextKey(Func):
    """The same of texts, by a hash: two that clash would be refused, never let pass."""

    function = "int8range"
    output_field = IntegerRangeField()

    def __init__(self, *names: str) -> None:
        text = Concat(*(part for name in names for part in (F(name), Value("|"))))
        key = Func(text, Value(0), function="hashtextextended")
        super().__init__(key, key, Value("[]"))


class LedgerAccount(models.Model):
    """The account and cost centre for a role on days ``[starts_on, ends_on)``.

    Where several fit, a project's own counts before its department's, and that before the general
    one; then the one with a ``detail`` (the resource of revenue such as ``cpu``, the provider of a
    bank) before the one without. ``cost_centre`` empty: the project's own.

    Invariants, kept by the database: two that are for the same don't overlap; what is booked in
    closed periods stays booked as it was: they begin, end and go only in open ones.
    """

    Role = LedgerRole

    role = models.CharField(_("role"), max_length=12, choices=LedgerRole.choices)
    project = models.ForeignKey(
        Project,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("project"),
        help_text=_("Empty: all projects."),
    )
    department = models.ForeignKey(
        Department,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("department"),
        help_text=_("Empty: all departments."),
    )
    detail = models.CharField(
        _("resource or provider"),
        max_length=64,
        blank=True,
        help_text=_("Of revenue: cpu, gpu, mem, … Of banks: the provider. Empty: all."),
    )
    account = models.CharField(_("account"), max_length=32, validators=[ACCOUNT])
    cost_centre = models.CharField(
        _("cost centre"), max_length=64, blank=True, help_text=_("Empty: the project's own.")
    )
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(
        _("until"), null=True, blank=True, help_text=_("Not included; empty means open end.")
    )

    class Meta:
        verbose_name = _("ledger account")
        verbose_name_plural = _("ledger accounts")
        ordering = ("role", "project", "department", "detail", "starts_on")
        constraints = (
            models.CheckConstraint(
                condition=Q(role__in=LedgerRole.values) & ~Q(account=""),
                name="ledger_account_known",
            ),
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gt=F("starts_on")),
                name="ledger_account_ends_after_start",
                violation_error_message=_("It must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(project=None) | Q(department=None),
                name="ledger_account_of_one",
                violation_error_message=_("Choose a project or a department, not both."),
            ),
            models.CheckConstraint(
                condition=Q(detail="") | Q(role__in=("revenue", "bank", "refund")),
                name="ledger_account_detail",
                violation_error_message=_("Only revenue, banks and refunds are told apart so."),
            ),
            ExclusionConstraint(
                name="ledger_account_no_overlap",
                expressions=[
                    (TextKey("role", "detail"), RangeOperators.OVERLAPS),
                    (KeyRange("project"), RangeOperators.OVERLAPS),
                    (KeyRange("department"), RangeOperators.OVERLAPS),
                    (AccountDays(), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("There is another account for the same at that time."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.account}"


class JournalExport(models.Model):
    """The journal of a closed period in a layout, as it was first handed out; never made anew.

    The row without a ``layout`` has the booked lines themselves, from which all layouts are
    written, so that later changes of names or accounts change none of them. ``closed_at`` says
    which closing it is about: a period that was opened again and closed anew has its own.
    """

    append_only = True

    period = models.ForeignKey(
        Period, models.PROTECT, related_name="journals", verbose_name=_("period")
    )
    closed_at = models.DateTimeField(_("closed"))
    layout = models.CharField(_("layout"), max_length=32, blank=True)
    content = models.BinaryField(_("content"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    lines = models.PositiveIntegerField(_("lines"))
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("created by")
    )

    class Meta:
        verbose_name = _("exported journal")
        verbose_name_plural = _("exported journals")
        ordering = ("-period", "layout")
        permissions = (("export_journal", _("Can export the journal")),)
        constraints = (
            models.UniqueConstraint(
                fields=("period", "closed_at", "layout"), name="journal_export_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.period_id:%Y-%m} {self.layout}"
