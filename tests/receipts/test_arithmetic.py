"""A document's arithmetic by hand: what makes a line, and where it is rounded."""

from decimal import Decimal

import pytest

from receipts.arithmetic import ChargeItem, lines_of, totals_of


def charge(
    charge_id: int, amount: str, *, resource: str = "cpu", price: str = "1", size: int = 3600
) -> ChargeItem:
    return ChargeItem(charge_id, charge_id, resource, Decimal(price), size, 3600, Decimal(amount))


def test_another_resource_price_or_unit_is_another_line() -> None:
    charges = [
        charge(1, "1", price="2"),
        charge(2, "1", resource="gpu"),
        charge(3, "1", price="1.5"),
        charge(4, "1", price="2"),
        charge(5, "1", price="2", size=60),
    ]
    lines = lines_of(charges, "THB")
    keys = [(line.resource, line.unit_price, line.unit_size, line.charge_ids) for line in lines]
    assert keys == [
        ("cpu", Decimal("1.5"), 3600, [3]),
        ("cpu", Decimal(2), 60, [5]),
        ("cpu", Decimal(2), 3600, [1, 4]),
        ("gpu", Decimal(1), 3600, [2]),
    ]


def test_a_line_is_rounded_once_and_not_each_charge() -> None:
    (line,) = lines_of([charge(n, "0.004") for n in range(1, 4)], "THB")
    assert (line.charged, line.amount) == (Decimal("0.012"), Decimal("0.01"))


@pytest.mark.parametrize(
    ("currency", "charged", "amount"),
    [("THB", "0.005", "0.01"), ("THB", "0.0049", "0.00"), ("JPY", "0.5", "1"), ("BHD", "1", "1")],
)
def test_lines_are_rounded_half_up_to_the_currency(
    currency: str, charged: str, amount: str
) -> None:
    (line,) = lines_of([charge(1, charged)], currency)
    assert line.amount == Decimal(amount)


def test_jobs_are_counted_once_in_a_line() -> None:
    twice = [charge(1, "1"), ChargeItem(2, 1, "cpu", Decimal(1), 3600, 60, Decimal("0.016667"))]
    (line,) = lines_of(twice, "THB")
    assert (line.job_ids, line.quantity) == ({1}, 3660)


def test_tax_is_on_the_sum_and_not_on_each_line() -> None:
    totals = totals_of([Decimal("0.07")] * 3, Decimal(7), "THB")
    assert (totals.net, totals.tax, totals.total) == (
        Decimal("0.21"),
        Decimal("0.01"),
        Decimal("0.22"),
    )
    assert totals_of([], Decimal(7), "THB").total == 0
