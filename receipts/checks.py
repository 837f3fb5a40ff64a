"""Settings that documents rest on are checked when the program starts, not at the first issue."""

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core import checks

from receipts.models.series import PATTERN

TITLES = ("invoice", "tax_invoice", "receipt_tax_invoice")

_RULES: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("DOCUMENT_AT_ISSUE", lambda text: text in TITLES, f"Use one of {', '.join(TITLES)}."),
    (
        "SERIES_PATTERN",
        lambda text: re.search(PATTERN, text) is not None,
        "Use {number} or {number:06d}, and {code}, {year} or {be} where wanted.",
    ),
    ("SERIES_RECEIPT", lambda text: 0 < len(text) <= 16, "Use 1 to 16 characters."),
    ("SERIES_CREDIT_NOTE", lambda text: 0 < len(text) <= 16, "Use 1 to 16 characters."),
    (
        "SITE_BRANCH",
        lambda text: re.fullmatch(r"([0-9]{5})?", text) is not None,
        "Use five digits; 00000 is the head office.",
    ),
    (
        "SITE_PROMPTPAY_ID",
        lambda text: re.fullmatch(r"([0-9]{10}|[0-9]{13}|[0-9]{15})?", text) is not None,
        "Use the 10, 13 or 15 digits of a phone number, tax id or e-wallet id.",
    ),
)


@checks.register()
def documents_can_be_made(**_options: Any) -> list[checks.CheckMessage]:
    """Each setting has a value that documents can be made with."""
    wrong = [
        checks.Error(f"{name} is {getattr(settings, name)!r}.", hint=hint, id="receipts.E001")
        for name, is_right, hint in _RULES
        if not is_right(getattr(settings, name))
    ]
    if settings.SERIES_RECEIPT == settings.SERIES_CREDIT_NOTE:
        wrong.append(
            checks.Error(
                "SERIES_RECEIPT and SERIES_CREDIT_NOTE are the same.",
                hint="Credit notes have numbers of their own.",
                id="receipts.E002",
            )
        )
    return wrong
