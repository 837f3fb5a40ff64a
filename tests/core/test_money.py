"""Amounts are exact, rounded once and half up; Python and PostgreSQL agree to the last digit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from core.money import charge_amount, round_half_up, round_money, total

quantities = st.integers(min_value=-(2**62), max_value=2**62)
prices = st.integers(min_value=0, max_value=10**12).map(lambda n: Decimal(n).scaleb(-6))
sizes = st.sampled_from([1, 7, 60, 3600, 3600 * 1024])


def half_up(value: Fraction, decimals: int) -> Fraction:
    """The textbook: away from zero at the half."""
    scaled = abs(value) * 10**decimals
    whole = int(scaled + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole, 10**decimals)


@given(quantities, prices, sizes)
def test_a_charge_is_the_exact_quotient_rounded_once(
    quantity: int, price: Decimal, size: int
) -> None:
    exact = Fraction(quantity) * Fraction(price) / size
    assert Fraction(charge_amount(quantity, price, size)) == half_up(exact, 6)


@given(quantities, prices, sizes)
def test_a_reversal_negates_its_charge(quantity: int, price: Decimal, size: int) -> None:
    assert charge_amount(-quantity, price, size) == -charge_amount(quantity, price, size)


@pytest.mark.parametrize(
    ("quantity", "price", "size", "amount"),
    [
        (3600, "0.75", 3600, "0.750000"),
        (1, "0.001800", 3600, "0.000001"),  # exactly half of the last digit goes up
        (1, "0.001799", 3600, "0.000000"),
        (-1, "0.001800", 3600, "-0.000001"),
        (0, "5", 3600, "0.000000"),
    ],
)
def test_charges_by_hand(quantity: int, price: str, size: int, amount: str) -> None:
    assert str(charge_amount(quantity, Decimal(price), size)) == amount


@pytest.mark.django_db
@settings(max_examples=200, deadline=None)
@given(
    st.integers(min_value=1, max_value=2**50),
    st.integers(min_value=0, max_value=10**11).map(lambda n: Decimal(n).scaleb(-6)),
    sizes,
    st.sampled_from([Decimal(0), Decimal("0.000001"), Decimal("-0.000001")]),
)
def test_the_databases_check_accepts_that_amount_and_no_other(
    quantity: int, price: Decimal, size: int, error: Decimal
) -> None:
    amount = charge_amount(quantity, price, size) + error
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint"
            " WHERE conname = 'charge_amount_recomputes'"
        )
        check = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT {check} FROM (SELECT %s::bigint AS quantity, %s::numeric AS unit_price,"
            " %s::bigint AS unit_size, %s::numeric AS amount) AS charge",
            [quantity, price, size, amount],
        )
        assert cursor.fetchone()[0] is (error == 0)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12
    ),
    st.integers(min_value=0, max_value=4),
)
def test_rounding_is_half_away_from_zero(amount: Decimal, decimals: int) -> None:
    assert Fraction(round_half_up(amount, decimals)) == half_up(Fraction(amount), decimals)


def test_money_has_its_currencys_decimals() -> None:
    assert str(round_money(Decimal("1.005"), "THB")) == "1.01"
    assert str(round_money(Decimal("1.5"), "JPY")) == "2"
    assert total([]) == 0
    assert total([Decimal("0.1")] * 3) == Decimal("0.3")
