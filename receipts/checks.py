"""Settings that documents rest on are checked when the program starts, not at the first issue."""

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ValidationError

from accounts.tax_ids import checked_tax_id
from receipts.models.series import PATTERN
from receipts.rendering.promptpay import InvalidPromptPay, account_of

TITLES = ("invoice", "tax_invoice", "receipt_tax_invoice")


def _is_account(text: str) -> bool:
    try:
        account_of(text)
    except InvalidPromptPay:
        return False
    return text.isdecimal()


def _is_tax_id(text: str) -> bool:
    try:
        return checked_tax_id(text) == text
    except ValidationError:
        return False


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
        lambda text: text == "" or _is_account(text),
        "Use the 10, 13 or 15 digits of a phone number, tax id or e-wallet id.",
    ),
    (
        "SITE_TAX_ID",
        _is_tax_id,
        "Use 13 digits, or the two letters of a country and its number, without spaces.",
    ),
)


@checks.register()
def documents_can_be_made(**_options: Any) -> list[checks.CheckMessage]:
    """Each setting has a value that documents can be made with."""
    wrong: list[checks.CheckMessage] = [
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


@checks.register()
def tax_is_declared_once(**_options: Any) -> list[checks.CheckMessage]:
    """The tax point is the issue or the payment: not both, and not neither."""
    at_issue = settings.DOCUMENT_AT_ISSUE != "invoice"
    at_payment = settings.DOCUMENT_AT_PAYMENT == "receipt_tax_invoice"
    if at_issue and at_payment:
        return [
            checks.Error(
                "DOCUMENT_AT_ISSUE and DOCUMENT_AT_PAYMENT both give a tax invoice.",
                hint="Its tax would be declared twice: let one of them be no tax invoice.",
                id="receipts.E005",
            )
        ]
    if settings.SITE_TAX_RATE and not at_issue and not at_payment:
        return [
            checks.Warning(
                "SITE_TAX_RATE is charged, but neither DOCUMENT_AT_ISSUE nor DOCUMENT_AT_PAYMENT"
                " gives a tax invoice.",
                hint="Output tax is declared by tax invoices: choose which of the two is one.",
                id="receipts.W006",
            )
        ]
    return []


@checks.register()
def reminders_can_be_sent(**_options: Any) -> list[checks.CheckMessage]:
    """Days and attempts are counts, and the steps of reminding follow each other."""
    steps = settings.REMIND_AFTER_DAYS
    wrong: list[checks.CheckMessage] = [
        checks.Error(f"{name} is {getattr(settings, name)}.", hint=hint, id="receipts.E003")
        for name, least, hint in (
            ("REMIND_BEFORE_DAYS", 0, "Use a number of days; 0 reminds of nothing beforehand."),
            ("MAIL_ATTEMPTS", 1, "Use a number of attempts of 1 or more."),
            ("MAIL_ADDRESS_DAYS", 1, "Use a number of days of 1 or more."),
        )
        if getattr(settings, name) < least
    ]
    if any(day < 1 for day in steps) or list(steps) != sorted(set(steps)):
        wrong.append(
            checks.Error(
                f"REMIND_AFTER_DAYS is {','.join(map(str, steps))}.",
                hint="Use growing numbers of days with commas, such as 1,14,30.",
                id="receipts.E004",
            )
        )
    return wrong
