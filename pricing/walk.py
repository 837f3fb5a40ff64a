"""The price of a month's quantity step by step, as one would compute it by hand (pure).

``engine.cumulative`` is what charges; this tells the same in arithmetic that can be typed into a
calculator. Each expression, computed exactly and rounded half up at six decimals, is the amount.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from core.money import CHARGE_DECIMALS
from pricing.engine import Model, Rate, Slab

SHOWN_DECIMALS = 12
ZERO = Fraction(0)


class SlabStep(NamedTuple):
    """What one slab adds: its units, at its price, and its fee.

    ``units`` is what one types for them. ``number`` counts from 1; ``above`` and ``up_to`` are its
    bounds in units, of which the upper one is part of it.
    """

    number: int
    above: Decimal
    up_to: Decimal | None
    units: str
    unit_price: Decimal
    flat_fee: Decimal
    exact: Fraction

    @property
    def expression(self) -> str:
        text = f"{self.units} * {plain(self.unit_price)}"
        return f"{text} + {plain(self.flat_fee)}" if self.flat_fee else text


@dataclass(frozen=True, slots=True)
class Walk:
    """The price of a month's whole quantity.

    ``units`` are priced units after the free ones. ``packages`` is how many were begun, where they
    are what is paid for. ``held_at_zero`` tells that discounts would have made it less than
    nothing. ``exact`` is the price before rounding.
    """

    quantity: int
    units: Fraction
    allowance: Decimal
    packages: int | None
    slabs: tuple[SlabStep, ...]
    discount_percent: Decimal
    discount_amount: Decimal
    held_at_zero: bool
    expression: str
    exact: Fraction

    @property
    def amount(self) -> Decimal:
        """The price at six decimals, half up: what ``engine.cumulative`` returns."""
        return rounded(self.exact)


def walk(rate: Rate, quantity: int) -> Walk:
    """Return the price of a month's quantity (base units) step by step."""
    text = f"{quantity} / {rate.unit_size}"
    units = Fraction(quantity, rate.unit_size) - Fraction(rate.allowance)
    if rate.allowance:
        text = f"{text} - {plain(rate.allowance)}"
    units = max(ZERO, units)
    packages = None
    if rate.model is Model.PACKAGE:
        packages = -(-units // Fraction(rate.package_units))
    slabs = tuple(_slabs(rate, units, f"({text})", packages)) if units else ()
    gross = sum((step.exact for step in slabs), ZERO)
    if not units and rate.fee_at_zero:
        gross = Fraction(rate.slabs[0].flat_fee)
    before = " + ".join(step.expression for step in slabs) or _plain_fraction(gross)
    net = gross * (1 - Fraction(rate.discount_percent) / 100) - Fraction(rate.discount_amount)
    held = net < 0
    return Walk(
        quantity=quantity,
        units=units,
        allowance=rate.allowance,
        packages=packages,
        slabs=slabs,
        discount_percent=rate.discount_percent,
        discount_amount=rate.discount_amount,
        held_at_zero=held,
        expression="0" if held else _discounted(rate, before),
        exact=ZERO if held else net,
    )


def _slabs(rate: Rate, units: Fraction, text: str, packages: int | None) -> Iterator[SlabStep]:
    """Yield the slabs that count; ``text`` is what one types for the units."""
    below = Decimal(0)
    for number, slab in enumerate(rate.slabs, 1):
        reached = slab.up_to is None or units <= slab.up_to
        if rate.model is Model.GRADUATED:
            yield _step(number, below, slab, *_part(units, text, below, slab, reached=reached))
        elif reached:
            typed, many = (text, units) if packages is None else (f"{packages}", Fraction(packages))
            yield _step(number, below, slab, typed, many)
        if reached:
            return
        below = slab.up_to or below


def _part(
    units: Fraction, text: str, below: Decimal, slab: Slab, *, reached: bool
) -> tuple[str, Fraction]:
    """Return the units within a slab, as typed and exactly."""
    if not reached and slab.up_to is not None:
        upper, typed = Fraction(slab.up_to), plain(slab.up_to)
    else:
        upper, typed = units, text
    if not below:
        return typed, upper
    return f"({typed} - {plain(below)})", upper - Fraction(below)


def _step(number: int, below: Decimal, slab: Slab, typed: str, units: Fraction) -> SlabStep:
    exact = units * Fraction(slab.unit_price) + Fraction(slab.flat_fee)
    return SlabStep(number, below, slab.up_to, typed, slab.unit_price, slab.flat_fee, exact)


def _discounted(rate: Rate, text: str) -> str:
    if rate.discount_percent:
        text = f"({text}) * (1 - {plain(rate.discount_percent)} / 100)"
    return f"{text} - {plain(rate.discount_amount)}" if rate.discount_amount else text


def plain(value: Decimal) -> str:
    """Return a number as one types it: no exponent, no zeros behind."""
    return f"{value.normalize():f}" if value else "0"


def _plain_fraction(value: Fraction) -> str:
    return plain(Decimal(value.numerator) / Decimal(value.denominator))


def rounded(value: Fraction) -> Decimal:
    """Return an exact value at six decimals, half away from zero."""
    return _scaled(value, CHARGE_DECIMALS, half_up=True)


def cut_off(value: Fraction) -> tuple[str, bool]:
    """Return an exact value as text, and whether it has no more than the six decimals of a charge:
    else it is cut off, at so many decimals that rounding it again comes out the same."""
    six = value * 10**CHARGE_DECIMALS
    if six.denominator == 1:
        return plain(_scaled(value, CHARGE_DECIMALS)), True
    return f"{_scaled(value, SHOWN_DECIMALS):f}", False


def _scaled(value: Fraction, decimals: int, *, half_up: bool = False) -> Decimal:
    size = abs(value) * 10**decimals
    whole = (2 * size.numerator + size.denominator) // (2 * size.denominator)
    digits = whole if half_up else size.numerator // size.denominator
    # From text, because arithmetic on Decimals would round to 28 digits.
    return Decimal(f"{-digits if value < 0 else digits}e-{decimals}")


def sum_text(amounts: Sequence[Decimal]) -> str:
    """Return a sum as one types it."""
    return " + ".join(f"{amount:f}" for amount in amounts).replace("+ -", "- ")
