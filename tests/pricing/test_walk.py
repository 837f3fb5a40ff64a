"""What is printed for a calculator gives the amount, for every kind of rate."""

import ast
import operator
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.engine import Model, Rate, Slab, cumulative
from pricing.walk import cut_off, rounded, walk

OPERATIONS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def calculate(text: str) -> Fraction:
    """A calculator with the four operations and brackets, exact."""

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return Fraction(OPERATIONS[type(node.op)](value(node.left), value(node.right)))
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        return Fraction(ast.get_source_segment(text, node) or "")

    return value(ast.parse(text, mode="eval").body)


amounts = st.decimals(0, 1000, places=6)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    model = draw(st.sampled_from(list(Model)))
    many = 1 if model in {Model.FLAT, Model.PACKAGE} else draw(st.integers(1, 4))
    bounds = sorted(draw(st.sets(st.decimals("0.000001", 500, places=6), min_size=many - 1,
                                 max_size=many - 1)))  # fmt: skip
    slabs = tuple(Slab(bound, draw(amounts), draw(amounts)) for bound in (*bounds, None))
    return Rate(
        1, 1, "THB", "cpu", model, slabs, 3600,
        package_units=draw(st.decimals("0.000001", 100, places=6)),
        allowance=draw(st.sampled_from([Decimal(0), Decimal("12.5")])),
        discount_percent=draw(st.sampled_from([Decimal(0), Decimal("12.3456"), Decimal(100)])),
        discount_amount=draw(st.sampled_from([Decimal(0), Decimal(7), Decimal(10**6)])),
        fee_at_zero=draw(st.booleans()),
    )  # fmt: skip


@given(rates(), st.one_of(st.integers(0, 10**7), st.sampled_from([0, 1, 3600, 45000, 45001])))
def test_the_printed_arithmetic_is_the_price(rate: Rate, quantity: int) -> None:
    found = walk(rate, quantity)
    assert calculate(found.expression) == found.exact
    assert rounded(calculate(found.expression)) == found.amount == cumulative(rate, quantity)
    for step in found.slabs:
        assert calculate(step.expression) == step.exact
    shown, is_all = cut_off(found.exact)
    assert is_all == ((found.exact * 10**6).denominator == 1)
    assert Fraction(shown) == found.exact or not is_all
    assert rounded(Fraction(shown)) == found.amount


@given(rates(), st.integers(0, 10**7))
def test_bounds_are_at_slabs(rate: Rate, quantity: int) -> None:
    for slab in rate.slabs[:-1]:
        edge = int((slab.up_to or 0) * 3600)
        for at in (edge - 1, edge, edge + 1, quantity):
            if at >= 0:
                assert walk(rate, at).amount == cumulative(rate, at)


@pytest.mark.parametrize(
    ("model", "values", "expression"),
    [
        (Model.GRADUATED, {}, "10 * 5 + 1 + (20 - 10) * 4 + ((90000 / 3600) - 20) * 3 + 2"),
        (Model.VOLUME, {}, "(90000 / 3600) * 3 + 2"),
        (Model.VOLUME, {"allowance": Decimal(5)}, "(90000 / 3600 - 5) * 4"),
        (Model.GRADUATED, {"discount_percent": Decimal(10), "discount_amount": Decimal(5)},
         "(10 * 5 + 1 + (20 - 10) * 4 + ((90000 / 3600) - 20) * 3 + 2) * (1 - 10 / 100) - 5"),
        (Model.GRADUATED, {"discount_amount": Decimal(500)}, "0"),
        (Model.GRADUATED, {"allowance": Decimal(30), "fee_at_zero": True}, "1"),
        (Model.GRADUATED, {"allowance": Decimal(30)}, "0"),
    ],
)  # fmt: skip
def test_how_it_reads(model: Model, values: dict[str, Decimal], expression: str) -> None:
    slabs = (Slab(Decimal(10), Decimal(5), Decimal(1)), Slab(Decimal(20), Decimal(4)),
             Slab(None, Decimal(3), Decimal(2)))  # fmt: skip
    rate = Rate(1, 1, "THB", "cpu", model, slabs, 3600, **values)  # type: ignore[arg-type]
    assert walk(rate, 90000).expression == expression


def test_packages_are_counted_whole() -> None:
    rate = Rate(1, 1, "THB", "cpu", Model.PACKAGE, (Slab(None, Decimal(7)),), 3600,
                package_units=Decimal(8))  # fmt: skip
    found = walk(rate, 9 * 3600)
    assert (found.packages, found.expression) == (2, "2 * 7")
