"""Who pays, at which price group, and who may see what."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, IntegerRangeField, RangeOperators
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

CODE = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._@+-]*\Z",
    _("Use letters, digits and . _ @ + - only, beginning with a letter or digit."),
)


class Language(models.TextChoices):
    """Languages that pages, e-mails and documents exist in."""

    ENGLISH = "en", "English"
    THAI = "th", "ไทย"


class User(AbstractUser):
    """A person who signs in. The username is the person's Slurm user name on every cluster."""

    language = models.CharField(
        _("language"),
        max_length=5,
        choices=Language.choices,
        blank=True,
        help_text=_("Language of e-mails; pages follow the choice made in the browser."),
    )

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")


class Department(models.Model):
    """A part of the institution that projects belong to."""

    code = models.CharField(_("code"), max_length=64, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=200)

    class Meta:
        verbose_name = _("department")
        verbose_name_plural = _("departments")
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name


class Tier(models.Model):
    """A price group. ``mu``, ``gov`` and ``private`` are seeded; a site adds its own."""

    code = models.CharField(_("code"), max_length=32, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=200)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering = ("code",)

    def __str__(self) -> str:
        return f"{self.code} – {self.name}"


class Project(models.Model):
    """Who pays: a Slurm account with its members, or one person's own project.

    ``code`` is the Slurm account's name unless a cluster maps accounts otherwise. A personal
    project has an ``owner`` and receives the jobs that its owner ran without an account.
    """

    code = models.CharField(_("code"), max_length=64, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=200)
    department = models.ForeignKey(
        Department,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="projects",
        verbose_name=_("department"),
    )
    owner = models.OneToOneField(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="personal_project",
        verbose_name=_("owner"),
        help_text=_("Only for a personal project."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    billing_name = models.CharField(_("billed to"), max_length=200, blank=True)
    billing_address = models.TextField(_("address"), blank=True)
    tax_id = models.CharField(_("tax id"), max_length=32, blank=True)
    po_number = models.CharField(_("purchase order"), max_length=64, blank=True)
    cost_centre = models.CharField(_("cost centre"), max_length=64, blank=True)
    billing_email = models.EmailField(_("e-mail for documents"), blank=True)
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        User, through="Membership", related_name="projects", verbose_name=_("members")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        ordering = ("code",)

    def __str__(self) -> str:
        return f"{self.code} – {self.name}"


class Membership(models.Model):
    """A person's part in a project. A PI sees all of it and acts for it; a member sees own jobs."""

    class Role(models.TextChoices):
        PI = "pi", _("Principal investigator")
        MEMBER = "member", _("Member")

    project = models.ForeignKey(
        Project, models.CASCADE, related_name="memberships", verbose_name=_("project")
    )
    user = models.ForeignKey(
        User, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    role = models.CharField(_("role"), max_length=8, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ("project", "user")
        constraints = (
            models.UniqueConstraint(fields=("project", "user"), name="membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=("pi", "member")), name="membership_role_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} / {self.project.code}"


class Span(Func):
    """``tstzrange(starts_at, ends_at)``: half-open, without end where ``ends_at`` is null."""

    function = "tstzrange"
    output_field = DateTimeRangeField()


class Same(Func):
    """A one-number range of a key, which lets plain GiST compare keys without an extension."""

    function = "int8range"
    output_field = IntegerRangeField()

    def __init__(self, expression: str) -> None:
        super().__init__(F(expression), F(expression), Value("[]"))


class ProjectTier(models.Model):
    """The tier of a project from one moment to another, ``[starts_at, ends_at)``.

    Invariant: neither a project's regular tiers nor its overrides overlap among themselves. Where
    an override applies it wins over the regular tier.
    """

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="tiers", verbose_name=_("project")
    )
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="+", verbose_name=_("tier"))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(
        _("until"), null=True, blank=True, help_text=_("Not included; empty means open end.")
    )
    override = models.PositiveSmallIntegerField(
        _("kind"),
        default=0,
        choices=((0, _("Regular")), (1, _("Override"))),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("tier of a project")
        verbose_name_plural = _("tiers of projects")
        ordering = ("project", "override", "starts_at")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="project_tier_ends_after_start",
                violation_error_message=_("It must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(override=0) | (Q(override=1) & ~Q(reason="")),
                name="project_tier_override_has_reason",
                violation_error_message=_("An override needs a reason."),
            ),
            ExclusionConstraint(
                name="project_tier_no_overlap",
                expressions=[
                    (Same("project"), RangeOperators.OVERLAPS),
                    (Same("override"), RangeOperators.OVERLAPS),
                    (Span("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("The project has another tier at that time."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.project.code}: {self.tier.code} from {localtime(self.starts_at):%Y-%m-%d}"


class Split(models.Model):
    """Jobs of a project that end in ``[starts_at, ends_at)`` are paid for by several, in shares.

    After ``ends_at`` the ``fallback`` of the last one that ended pays for them, if there is one and
    no other split is in force; else the project itself. One that ends when it starts was withdrawn
    and counts for nothing. Invariants, kept by the database: the splits of a project don't overlap;
    the shares of one add up to 100 % and never change; of a split only the end and the fallback
    change, and it stays once a job was charged by it.
    """

    project = models.ForeignKey(
        Project, models.PROTECT, related_name="splits", verbose_name=_("project")
    )
    starts_at = models.DateTimeField(_("from"), help_text=_("Jobs that end from here on."))
    ends_at = models.DateTimeField(
        _("until"), null=True, blank=True, help_text=_("Not included; empty means open end.")
    )
    fallback = models.ForeignKey(
        Project,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("pays afterwards"),
        help_text=_("Empty: the project itself."),
    )
    reason = models.CharField(_("reason"), max_length=200)

    class Meta:
        verbose_name = _("split of costs")
        verbose_name_plural = _("splits of costs")
        ordering = ("project", "-starts_at")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=F("starts_at")),
                name="split_ends_after_start",
                violation_error_message=_("It can't end before it begins."),
            ),
            models.CheckConstraint(condition=~Q(reason__regex=r"^\s*$"), name="split_has_reason"),
            ExclusionConstraint(
                name="split_no_overlap",
                expressions=[
                    (Same("project"), RangeOperators.OVERLAPS),
                    (Span("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                violation_error_message=_("The project has another split at that time."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.project.code} from {localtime(self.starts_at):%Y-%m-%d}"


class SplitShare(models.Model):
    """What part of a split one project pays for."""

    split = models.ForeignKey(
        Split, models.CASCADE, related_name="shares", verbose_name=_("split of costs")
    )
    project = models.ForeignKey(
        Project, models.PROTECT, related_name="+", verbose_name=_("project")
    )
    percent = models.DecimalField(_("percent"), max_digits=7, decimal_places=4)

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        ordering = ("split", "pk")
        constraints = (
            models.UniqueConstraint(fields=("split", "project"), name="split_share_once"),
            models.CheckConstraint(
                condition=Q(percent__gt=0, percent__lte=100),
                name="split_share_in_range",
                violation_error_message=_("A share is more than 0 and at most 100 percent."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.project.code} {self.percent} %"
