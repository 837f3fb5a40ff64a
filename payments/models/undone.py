"""Why something counts no more: what a person wrote, or a credit note."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from receipts.models import Receipt

CREDITED_BY = gettext_noop("Credited by %(number)s")

SAYS_WHY = Q(credit_note=None) & ~Q(reason="") | Q(credit_note__isnull=False, reason="")
"""The rule of a row that undoes something: a reason or a credit note, not both."""

Why = str | Receipt
"""What a person wrote, or the credit note that left less to settle."""


class Undone(models.Model):
    """The base of rows that may undo something. A credit note is told in the reader's language,
    what a person wrote as it was written."""

    reason = models.CharField(_("reason"), max_length=200, blank=True)
    credit_note = models.ForeignKey(
        Receipt, models.PROTECT, null=True, related_name="+", verbose_name=_("credit note")
    )

    class Meta:
        abstract = True

    @property
    def because(self) -> str:
        """Why, in the language of who reads it; empty of what undoes nothing."""
        if self.credit_note is None:
            return self.reason
        return _t(CREDITED_BY) % {"number": self.credit_note.number}


def undone(why: Why) -> dict[str, str | Receipt]:
    """Return the values of a row's columns that say why."""
    return {"credit_note": why} if isinstance(why, Receipt) else {"reason": why.strip()[:200]}


def told(row: Undone) -> dict[str, str]:
    """Return why a row undoes something, for the audit log."""
    if row.credit_note is not None:
        return {"credit_note": row.credit_note.number or ""}
    return {"reason": row.reason}
