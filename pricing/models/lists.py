"""Price lists: whose they are, from when on they count, by which terms, and who wrote them."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from accounts.models import Project, Tier, User
from pricing.models.fields import money, person


class PriceList(models.Model):
    """All prices of one tier from ``effective_at`` on, until a newer published list.

    A list of one project or one user is negotiated: in ``[effective_at, ends_at)`` its rates come
    before those of the tier's list, resource by resource, and the rest stays the tier's.

    Draft → submitted → published. Whoever approves a submitted list publishes it with that step,
    so a list that was approved in time takes effect by its date alone; nobody has to remember it.

    Invariants, kept by the database: only a draft changes; a submitted list goes back to draft or
    is published as it stands, with all that it says; a published one never changes; who approves is
    neither who wrote it, nor who ever changed it, nor who submitted it. Without an approver a list
    can be published only while the site has no people at all: the first prices of a new site.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Waiting for approval")
        PUBLISHED = "published", _("Published")

    tier = models.ForeignKey(
        Tier,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="price_lists",
        verbose_name=_("tier"),
    )
    project = models.ForeignKey(
        Project,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="price_lists",
        verbose_name=_("project"),
    )
    user = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="price_lists",
        verbose_name=_("user"),
    )
    effective_at = models.DateTimeField(_("effective from"))
    ends_at = models.DateTimeField(
        _("until"),
        null=True,
        blank=True,
        help_text=_("Negotiated prices only: not included; empty means open end."),
    )
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    quantum_seconds = models.PositiveIntegerField(
        _("billed by started"),
        default=1,
        help_text=_("Seconds: 1, 60 for minutes, 3600 for hours."),
    )
    minimum_seconds = models.PositiveIntegerField(_("minimum time in seconds"), default=0)
    suspended_is_free = models.BooleanField(
        _("suspended time is free"),
        default=False,
        help_text=_("For all resources; CPUs are never billed while a job is suspended."),
    )
    minimum_per_job = money(_("minimum per job"), default=Decimal(0))
    cap = money(_("at most in a month"), null=True, blank=True)
    commitment = money(_("at least in a month"), null=True, blank=True)
    free_resources = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        verbose_name=_("free resources"),
        help_text=_("Resources that need no price in this list."),
    )
    created_by = person(_("created by"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    edited_by = person(_("last changed by"))
    submitted_by = person(_("submitted by"))
    submitted_at = models.DateTimeField(_("submitted for approval"), null=True, editable=False)
    rejection = models.CharField(
        _("sent back because"), max_length=200, blank=True, default="", editable=False
    )
    approved_by = person(_("approved by"))
    published_at = models.DateTimeField(_("published"), null=True, editable=False)

    class Meta:
        verbose_name = _("price list")
        verbose_name_plural = _("price lists")
        ordering = ("tier", "-effective_at", "-revision")
        permissions = (("publish_pricelist", _("Can approve price lists of others")),)
        constraints = (
            models.UniqueConstraint(
                fields=("tier", "project", "user", "effective_at", "revision"),
                nulls_distinct=False,
                name="price_list_once",
            ),
            models.CheckConstraint(
                condition=Q(tier__isnull=False, project=None, user=None, ends_at=None)
                | Q(tier=None, project__isnull=False, user=None)
                | Q(tier=None, project=None, user__isnull=False),
                name="price_list_of_one",
                violation_error_message=_("A list is of one tier, one project or one user."),
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("effective_at")),
                name="price_list_ends_after_start",
                violation_error_message=_("It must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(
                    quantum_seconds__gte=1,
                    quantum_seconds__lte=86400,
                    minimum_seconds__lte=31 * 86400,
                    minimum_per_job__gte=0,
                    minimum_per_job__lt=10**12,
                )
                & (Q(cap=None) | Q(cap__gte=0, cap__lt=10**12))
                & (Q(commitment=None) | Q(commitment__gte=0, commitment__lt=10**12))
                & (Q(cap=None) | Q(commitment=None) | Q(cap__gte=F("commitment"))),
                name="price_list_terms_in_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="draft",
                    submitted_at=None,
                    submitted_by=None,
                    approved_by=None,
                    published_at=None,
                )
                | Q(
                    status="submitted",
                    submitted_at__isnull=False,
                    approved_by=None,
                    published_at=None,
                    rejection="",
                )
                | Q(
                    status="published",
                    submitted_at__isnull=False,
                    published_at__gte=F("submitted_at"),
                    rejection="",
                ),
                name="price_list_steps",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None)
                | Q(submitted_by__isnull=False)
                & ~Q(approved_by=F("submitted_by"))
                & (Q(created_by=None) | ~Q(approved_by=F("created_by")))
                & (Q(edited_by=None) | ~Q(approved_by=F("edited_by"))),
                name="price_list_second_person",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="price_list_currency_code"
            ),
        )
        indexes = (
            models.Index(
                fields=("submitted_at",),
                condition=Q(status="submitted"),
                name="price_list_waiting",
            ),
        )

    def __str__(self) -> str:
        return f"{self.holder} {localtime(self.effective_at):%Y-%m-%d} r{self.revision}"

    @property
    def holder(self) -> str:
        """The code of the tier, project or user that the list is of."""
        if self.tier is not None:
            return self.tier.code
        return self.project.code if self.project is not None else str(self.user)

    @property
    def holder_name(self) -> str:
        """The name of the tier, project or user that the list is of."""
        if self.tier is not None:
            return self.tier.name
        return self.project.name if self.project is not None else str(self.user)

    @property
    def authors(self) -> frozenset[int]:
        """The people who wrote, changed or submitted it, and so can't approve it."""
        wrote = frozenset(editor.user_id for editor in self.editors.all())
        return wrote if self.submitted_by_id is None else wrote | {self.submitted_by_id}


class PriceListEditor(models.Model):
    """Somebody who ever wrote a list, and so can't approve it.

    The database adds the row whenever ``created_by`` or ``edited_by`` of the list is set, refuses
    them as approvers, and takes the row away only with the list.
    """

    append_only = True

    # The database has the foreign key, and deletes with the list what nobody else may delete.
    price_list = models.ForeignKey(
        PriceList, models.DO_NOTHING, related_name="editors", db_constraint=False
    )
    user = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("author of a price list")
        verbose_name_plural = _("authors of price lists")
        constraints = (
            models.UniqueConstraint(fields=("price_list", "user"), name="price_list_editor_once"),
        )

    def __str__(self) -> str:
        return f"{self.price_list_id} {self.user_id}"
