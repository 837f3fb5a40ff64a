"""Settings that no document could be made with are told at once."""

import pytest
from pytest_django import Settings

from receipts.checks import documents_can_be_made


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
