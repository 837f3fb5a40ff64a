"""Refusals that are kept for whoever reads them later, in whichever language."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from core.errors import DomainError, Text

Problem = dict[str, Any]
DEFECT = _("Something unexpected happened. The operator finds it in the program's log.")


def refusal_of(act: Callable[[], object]) -> Problem:
    """Do something that may be refused; returns the refusal in each language of the site, or
    nothing where it is done. What is refused must undo itself, as it is tried in each language."""
    texts: dict[str, str] = {}
    code = ""
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            try:
                act()
            except DomainError as refusal:
                texts[language], code = str(refusal), refusal.code
            else:
                return {}
    return {"code": code, "texts": texts}


def problem(code: str, text: Text) -> Problem:
    """Return a problem whose text, if it is a lazy one, is kept in each language of the site."""
    texts = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            texts[language] = str(text)
    return {"code": code, "texts": texts}
