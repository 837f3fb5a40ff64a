"""Jobs of a cluster that are not charged, by a rule that someone answers for."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from usage.models.clusters import Cluster


class Exemption(models.Model):
    """Jobs of a cluster that end in ``[starts_at, ends_at)`` and match every criterion given are
    not charged.

    Invariants, kept by the database: it has a reason; once made, only its end changes (an end equal
    to the beginning withdraws it), so that what was exempt can be told later; one without any
    criterion ends. The database lets a job with usage be exempt only while one matches.
    """

    cluster = models.ForeignKey(
        Cluster, models.PROTECT, related_name="exemptions", verbose_name=_("cluster")
    )
    partition = models.CharField(_("partition"), max_length=255, blank=True)
    account = models.CharField(_("Slurm account"), max_length=128, blank=True)
    user_name = models.CharField(_("user"), max_length=128, blank=True)
    qos = models.CharField(_("QOS"), max_length=128, blank=True)
    state = models.CharField(
        _("state"), max_length=32, blank=True, help_text=_("As in Slurm, such as NODE_FAIL.")
    )
    reservation = models.CharField(
        _("reservation"),
        max_length=255,
        blank=True,
        help_text=_("Name of a Slurm reservation, such as one for maintenance."),
    )
    starts_at = models.DateTimeField(
        _("from"), default=timezone.now, help_text=_("Jobs that end from here on.")
    )
    ends_at = models.DateTimeField(
        _("until"),
        null=True,
        blank=True,
        help_text=_("Jobs that end before. Empty: until further notice."),
    )
    reason = models.CharField(_("reason"), max_length=200)
    author = models.ForeignKey(
        User, models.PROTECT, related_name="+", editable=False, verbose_name=_("author")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    CRITERIA = ("partition", "account", "user_name", "qos", "state", "reservation")

    class Meta:
        verbose_name = _("exemption")
        verbose_name_plural = _("exemptions")
        ordering = ("cluster", "-starts_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=F("starts_at")),
                name="exemption_ends_after_start",
                violation_error_message=_("It can't end before it begins."),
            ),
            models.CheckConstraint(
                condition=~Q(reason__regex=r"^\s*$"), name="exemption_has_reason"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=False)
                | ~Q(partition="", account="", user_name="", qos="", state="", reservation=""),
                name="exemption_of_all_ends",
                violation_error_message=_(
                    "Without any criterion every job of the cluster is exempt: give an end."
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.cluster}: {self.criteria}"

    def clean(self) -> None:
        """Spell the state as Slurm does."""
        self.state = self.state.strip().upper()

    @property
    def criteria(self) -> str:
        """Return what it matches, as people read it."""
        given = ((self._meta.get_field(name), getattr(self, name)) for name in self.CRITERIA)
        found = [f"{getattr(item, 'verbose_name', '')} {value}" for item, value in given if value]
        return ", ".join(found) or str(_("every job"))
