"""What keeps corrections of issued documents waiting."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from receipts.models.documents import Receipt
from receipts.models.problems import WithProblem


class CorrectionProblem(WithProblem):
    """Why a receipt that is due to be corrected could not be: its reversals wait on, and it is
    tried again. The row goes when it is done."""

    receipt = models.OneToOneField(
        Receipt,
        models.CASCADE,
        primary_key=True,
        related_name="correction_problem",
        verbose_name=_("receipt"),
    )
    since = models.DateTimeField(_("since"), auto_now_add=True)
    tried_at = models.DateTimeField(_("last tried"), auto_now=True)

    class Meta:
        verbose_name = _("problem of a correction")
        verbose_name_plural = _("problems of corrections")
        ordering = ("since",)

    def __str__(self) -> str:
        return f"{self.receipt_id}: {self.problem_text}"
