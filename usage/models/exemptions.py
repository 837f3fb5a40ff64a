"""Jobs of a cluster that are not charged, by a rule that someone answers for."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from usage.models.clusters import Cluster

PROMPT = timedelta(minutes=5)
"""So long before it is entered may an exemption begin and still count as one of the future."""


class Exemption(models.Model):
    """Jobs of a cluster that end in ``[starts_at, ends_at)`` and match every criterion given are
    not charged.

    Invariants, kept by the database: it has a reason; once made, only its end changes (an end equal
    to the beginning withdraws it), so that what was exempt can be told later; one that ended does
    not begin again; one without any criterion ends. The database lets a job with usage be exempt
    only while one matches.

    One that begins in the past would give away what is used already, so it has no effect before a
    second person approves it (``decision``), once and for all; one of the future needs nobody. When
    it was entered is the database's word.
    """

    class Decision(models.TextChoices):
        NONE = "", "–"
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")

    class Status(models.TextChoices):
        IN_FORCE = "in_force", _("In force")
        WAITING = "waiting", _("Waits for a second person")
        REFUSED = "refused", _("Refused")

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
    decision = models.CharField(
        _("decision"), max_length=8, choices=Decision.choices, blank=True, editable=False
    )
    decided_by = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)
    decision_reason = models.CharField(
        _("reason for the decision"), max_length=200, blank=True, editable=False
    )

    CRITERIA = ("partition", "account", "user_name", "qos", "state", "reservation")

    class Meta:
        verbose_name = _("exemption")
        verbose_name_plural = _("exemptions")
        ordering = ("cluster", "-starts_at", "-id")
        permissions = (("approve_exemption", _("Can approve exemptions that begin in the past")),)
        constraints = (
            models.CheckConstraint(
                condition=Q(decision="", decided_by=None, decided_at=None, decision_reason="")
                | Q(decision="approved", decided_by__isnull=False, decided_at__isnull=False)
                | (
                    Q(decision="refused", decided_by__isnull=False, decided_at__isnull=False)
                    & ~Q(decision_reason__regex=r"^\s*$")
                ),
                name="exemption_decision",
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("author")),
                name="exemption_second_person",
            ),
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
    def status(self) -> str:
        """Return where it stands: one of ``Status``."""
        if self.decision == self.Decision.REFUSED:
            return self.Status.REFUSED
        needs_approval = self.starts_at < self.created_at - PROMPT
        waits = needs_approval and not self.decision
        return self.Status.WAITING if waits else self.Status.IN_FORCE

    @property
    def criteria(self) -> str:
        """Return what it matches, as people read it."""
        given = ((self._meta.get_field(name), getattr(self, name)) for name in self.CRITERIA)
        found = [f"{getattr(item, 'verbose_name', '')} {value}" for item, value in given if value]
        return ", ".join(found) or str(_("every job"))
