"""Amounts, quantities and times as English and Thai readers write them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import translation

from core import formatting
from core.templatetags import formats

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("language", "amount", "currency", "text"),
    [
        ("en", "1234.5", "THB", f"THB{SPACE}1,234.50"),
        ("th", "1234.5", "THB", "฿1,234.50"),
        ("en", "-0.005", "USD", "-$0.01"),
        ("en", "2.675", "EUR", "€2.68"),
        ("en", "1234.5", "JPY", "¥1,235"),
        ("xx-nonsense", "1", "USD", "$1.00"),
    ],
)
def test_money_is_rounded_once_and_half_up(
    language: str, amount: str, currency: str, text: str
) -> None:
    with translation.override(language):
        assert formatting.money(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [("1234.5", "THB", "1,234.50"), ("-1234.5", "JPY", "-1,235"), ("0.005", "USD", "0.01")],
)
def test_an_amount_beside_its_currency_has_its_decimals(
    amount: str, currency: str, text: str
) -> None:
    with translation.override("th"):
        assert formats.amount(Decimal(amount), currency) == text
    assert formats.amount(None, currency) == formats.NOTHING


def test_charges_keep_six_decimals_and_prices_what_they_have() -> None:
    with translation.override("en"):
        assert formatting.exact(Decimal("1234.5")) == "1,234.500000"
        assert formatting.price(Decimal("0.75")) == "0.75"
        assert formatting.price(Decimal("12.000001")) == "12.000001"
        assert formatting.number(Decimal("7.000")) == "7"
        assert formatting.number(Decimal("6.25")) == "6.25"
        assert formatting.number(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("quantity", "size", "text"),
    [(0, 3600, "0.00"), (30, 3600, "0.0083"), (360, 3600, "0.10"), (3686400, 3686400, "1.00")],
)
def test_small_quantities_are_finer(quantity: int, size: int, text: str) -> None:
    with translation.override("en"):
        assert formatting.hours(quantity, size) == text


def test_days_and_moments_are_local_and_gregorian() -> None:
    late = datetime(2026, 10, 31, 17, 30, 5, tzinfo=UTC)
    with translation.override("en"):
        assert formatting.day(late) == "1 Nov 2026"
        assert formatting.moment(late) == "1 Nov 2026, 00:30"
        assert formats.instant(late) == "1 Nov 2026, 00:30:05"
    with translation.override("th"):
        assert formatting.day(date(2026, 11, 1)) == "1 พ.ย. 2026"


def test_spans_are_written_as_slurm_does() -> None:
    assert formatting.duration(59) == "00:00:59"
    assert formatting.duration(90061) == "1-01:01:01"


def test_nothing_is_a_dash() -> None:
    filters = (
        formats.exact, formats.price, formats.number, formats.hours, formats.day, formats.moment,
        formats.instant, formats.duration,
    )  # fmt: skip
    assert {write(None) for write in filters} == {"–"}
    assert formats.money(None, "THB") == "–"
