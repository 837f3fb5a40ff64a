"""What one person asks for and another one decides about: write-offs, refunds."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class Asked(models.Model):
    """An amount that is given up or given back: who asked for it and why, and who approved or
    rejected it.

    Subclasses have the status, whose steps the database keeps; nobody approves what he or she asked
    for.
    """

    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=4)
    reason = models.CharField(_("reason"), max_length=200)
    requested_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", verbose_name=_("requested by")
    )
    requested_at = models.DateTimeField(_("requested"), auto_now_add=True)
    approved_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("approved by")
    )
    approved_at = models.DateTimeField(_("approved"), null=True)
    rejected_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("rejected by")
    )
    rejected_at = models.DateTimeField(_("rejected"), null=True)
    rejected_because = models.CharField(_("reason of the rejection"), max_length=200, blank=True)

    class Meta:
        abstract = True


def amount_and_reason() -> Q:
    """The condition that something is asked for, and why."""
    return Q(amount__gt=0, amount__lt=10**14) & ~Q(reason="")


def approved_by_another() -> Q:
    """The condition that nobody approves what he or she asked for."""
    return Q(approved_by=None) | ~Q(approved_by=F("requested_by"))
