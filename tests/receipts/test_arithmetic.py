"""A document's arithmetic by hand: what makes a line, and where it is rounded."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts.arithmetic import LineItem, Taxation, in_order, totals_of

VAT = Taxation("standard", Decimal(7))
INCLUSIVE = Taxation("standard", Decimal(7), inclusive=True)


def line(
    charged: str, *, resource: str = "cpu", price: str = "1", size: int = 3600, **other: object
) -> LineItem:
    values = {
        "currency": "THB", "project_id": 1, "rate_id": None, "text": "", "quantity": 3600,
        "jobs": 1, "charge_ids": (1,), **other,
    }  # fmt: skip
    return LineItem(
        resource=resource,
        unit_price=Decimal(price),
        unit_size=size,
        charged=Decimal(charged),
        **values,  # type: ignore[arg-type]  # a mixture
    )


def test_lines_are_ordered_by_project_resource_and_price() -> None:
    first = line("1", price="1.5")
    others = [line("1", price="2", size=60), line("1", price="2"), line("1", resource="gpu")]
    rest = LineItem("THB", 1, "true_up", None, 1, None, "", 0, Decimal(5), 0, (9,))
    elsewhere = line("1", project_id=2)
    assert in_order([elsewhere, rest, *reversed(others), first]) == [
        first,
        *others,
        rest,
        elsewhere,
    ]


@pytest.mark.parametrize(
    ("currency", "charged", "amount"),
    [("THB", "0.005", "0.01"), ("THB", "0.0049", "0.00"), ("JPY", "0.5", "1"), ("BHD", "1", "1")],
)
def test_lines_are_rounded_half_up_to_the_currency(
    currency: str, charged: str, amount: str
) -> None:
    assert line(charged, currency=currency).amount == Decimal(amount)


def test_tax_is_on_the_sum_and_not_on_each_line() -> None:
    totals = totals_of([Decimal("0.07")] * 3, VAT, "THB")
    assert (totals.net, totals.tax, totals.total) == (
        Decimal("0.21"),
        Decimal("0.01"),
        Decimal("0.22"),
    )
    assert totals_of([], VAT, "THB").total == 0


def test_tax_is_taken_out_of_prices_that_include_it() -> None:
    totals = totals_of([Decimal(100), Decimal(7)], INCLUSIVE, "THB")
    assert (totals.net, totals.tax, totals.total) == (Decimal(100), Decimal(7), Decimal(107))


parts = st.lists(st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-6)), min_size=1)


@given(st.lists(parts, min_size=1, max_size=4), st.sampled_from([VAT, INCLUSIVE]), st.randoms())
def test_notes_over_all_parts_come_to_the_document(
    lines: list[list[Decimal]], taxation: Taxation, random: Random
) -> None:
    amounts = [line(str(sum(charges))).amount for charges in lines]
    document = totals_of(amounts, taxation, "THB")
    pieces = [(place, part) for place, charges in enumerate(lines) for part in charges]
    random.shuffle(pieces)
    credited = [Decimal(0)] * len(lines)
    before, net, tax = Decimal(0), Decimal(0), Decimal(0)
    for place, part in pieces:
        note = line(str(-part), credited=credited[place])
        totals = totals_of([note.amount], taxation, "THB", before=before)
        credited[place] -= part
        before, net, tax = before + note.amount, net + totals.net, tax + totals.tax
        assert totals.total <= 0
    assert (-net, -tax) == (document.net, document.tax)
