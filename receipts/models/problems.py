"""What a person has to do, kept for whoever reads it later, in whichever language."""

from typing import Any

from django.db import models
from django.utils import translation
from django.utils.translation import gettext_lazy as _


class WithProblem(models.Model):
    """``problem`` says in each language of the site what a person has to do, with a ``code`` for
    programs (``receipts.services.telling``); empty if nothing."""

    problem = models.JSONField[dict[str, Any], dict[str, Any]](_("problem"), default=dict)

    class Meta:
        abstract = True

    @property
    def problem_text(self) -> str:
        """What a person has to do, in the current language; empty if nothing."""
        texts = self.problem.get("texts", {})
        language = (translation.get_language() or "en")[:2]
        return str(texts.get(language) or next(iter(texts.values()), ""))
