"""Number series: gapless numbers by kind of document and fiscal year."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

PATTERN = r"^[^{}]*(\{(code|year|be)\}[^{}]*)*\{number(:0[1-9]d)?\}[^{}]*$"
"""What a number looks like: text with ``{code}``, ``{year}`` or ``{be}`` (the year of the Buddhist
era), and once ``{number}``, which may be filled up with zeros as in ``{number:06d}``."""


class Series(models.Model):
    """A run of document numbers for a fiscal year. The row's lock makes the numbers gapless.

    ``opened_after`` is the last number that was given out elsewhere before: a site goes on with its
    old numbers. Invariants, kept by the database: the last number only goes up, by one; nothing
    else of a series changes.
    """

    code = models.CharField(_("code"), max_length=16)
    fiscal_year = models.PositiveIntegerField(_("fiscal year"))
    pattern = models.CharField(
        _("pattern of numbers"),
        max_length=64,
        default="{code}-{year}-{number:06d}",
        validators=[RegexValidator(PATTERN)],
        help_text=_("With {number}, and {code}, {year} or {be} (Buddhist era) where wanted."),
    )
    opened_after = models.PositiveIntegerField(
        _("last number used elsewhere"),
        default=0,
        help_text=_("The first number here is the next one."),
    )
    last_number = models.PositiveIntegerField(_("last number"), default=0)

    class Meta:
        verbose_name = _("number series")
        verbose_name_plural = _("number series")
        ordering = ("code", "fiscal_year")
        constraints = (
            models.UniqueConstraint(fields=("code", "fiscal_year"), name="series_once"),
            models.CheckConstraint(condition=Q(pattern__regex=PATTERN), name="series_pattern"),
            models.CheckConstraint(
                condition=Q(last_number__gte=F("opened_after")), name="series_goes_on"
            ),
        )

    def __str__(self) -> str:
        return f"{self.code}-{self.fiscal_year}"

    def text_of(self, number: int) -> str:
        """Return how a number of this series is written."""
        return self.pattern.format(
            code=self.code, year=self.fiscal_year, be=self.fiscal_year + 543, number=number
        )
