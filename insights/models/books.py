"""Results of checking whether the books balance."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class BooksCheck(models.Model):
    """One check of every invariant over the whole database, as it came out.

    ``results`` has an entry for each invariant: its ``name``, how many ``breaks`` there were, how
    many things are to be known (``found``), the ``seconds`` that it took, and the ``first`` breaks
    (about, field, stored, computed). Rows are only added.
    """

    append_only = True

    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), db_default=Now(), editable=False)
    requested_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="+", verbose_name=_("requested by")
    )
    breaks = models.PositiveIntegerField(_("breaks"))
    results = models.JSONField(_("results"))

    class Meta:
        verbose_name = _("check of the books")
        verbose_name_plural = _("checks of the books")
        ordering = ("-id",)
        permissions = (("check_books", _("Can have the books checked")),)
