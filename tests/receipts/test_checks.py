"""Settings that no document could be made with are told at once."""

import pytest
from pytest_django import Settings

from receipts.checks import documents_can_be_made, tax_is_declared_once


def test_the_defaults_are_right() -> None:
    assert documents_can_be_made() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOCUMENT_AT_ISSUE", "bill"),
        ("SERIES_PATTERN", "RC-{year}"),
        ("SERIES_PATTERN", "{number}{0.__class__}"),
        ("SERIES_RECEIPT", ""),
        ("SERIES_CREDIT_NOTE", "RC"),
        ("SITE_BRANCH", "1"),
        ("SITE_PROMPTPAY_ID", "081-234-5678"),
        ("SITE_PROMPTPAY_ID", "1812345678"),
        ("SITE_TAX_ID", "0105536000311"),
        ("SITE_TAX_ID", "0 9940 00158 37 8"),
    ],
)
def test_what_makes_no_document_is_said(name: str, value: str, settings: Settings) -> None:
    setattr(settings, name, value)
    (found,) = documents_can_be_made()
    assert name in found.msg
    assert found.hint


@pytest.mark.parametrize(
    ("rate", "at_issue", "at_payment", "found"),
    [
        (0, "invoice", "receipt", []),
        (7, "invoice", "receipt", ["receipts.W006"]),
        (7, "invoice", "receipt_tax_invoice", []),
        (7, "tax_invoice", "receipt", []),
        (7, "tax_invoice", "none", []),
        (0, "receipt_tax_invoice", "receipt_tax_invoice", ["receipts.E005"]),
    ],
)
def test_a_tax_is_declared_at_issue_or_at_payment(
    rate: int, at_issue: str, at_payment: str, found: list[str], settings: Settings
) -> None:
    settings.SITE_TAX_RATE = rate
    settings.DOCUMENT_AT_ISSUE, settings.DOCUMENT_AT_PAYMENT = at_issue, at_payment
    assert [one.id for one in tax_is_declared_once()] == found
