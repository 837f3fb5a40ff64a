"""What a quantity costs under a rate: flat, graduated, volume and package prices."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from core.money import CHARGE_DECIMALS, charge_amount
from pricing.engine.errors import InvalidRate

_SCALE: int = 10**CHARGE_DECIMALS


class Model(StrEnum):
    """How the price of a month's units follows from how many they are.

    FLAT: every unit at one price. GRADUATED: every unit at the price of the slab it falls in.
    VOLUME: all units at the price of the slab that the last one reaches. PACKAGE: every started
    block of units at one price.
    """

    FLAT = "flat"
    GRADUATED = "graduated"
    VOLUME = "volume"
    PACKAGE = "package"


class Basis(StrEnum):
    """Which figure of a job is priced."""

    ALLOCATED = "allocated"
    REQUESTED = "requested"
    USED = "used"


class Slab(NamedTuple):
    """The price of the units above the slab before, up to and including ``up_to``.

    The last slab is open: its ``up_to`` is None. ``flat_fee`` is due once when the slab is entered
    (graduated) or reached (volume).
    """

    up_to: Decimal | None
    unit_price: Decimal
    flat_fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of a resource in one list. Flat and package rates have one slab, which is open.

    ``unit_size`` is how many base units a priced unit has (``pricing.resources``). ``allowance``
    units a month are free; ``discount_percent`` and then ``discount_amount`` come off the month's
    sum, never below zero. ``fee_at_zero`` says that the first slab's fee is due even where nothing
    (or nothing above the allowance) was used. ``cluster_id``, ``partition`` and ``qos`` limit what
    jobs it is for; None and the empty text are any. ``curve`` is its function, worked out once.
    Raises InvalidRate.
    """

    rate_id: int
    price_list_id: int
    currency: str
    resource: str
    model: Model
    slabs: tuple[Slab, ...]
    unit_size: int
    package_units: Decimal = Decimal(1)
    allowance: Decimal = Decimal(0)
    discount_percent: Decimal = Decimal(0)
    discount_amount: Decimal = Decimal(0)
    fee_at_zero: bool = False
    basis: Basis = Basis.ALLOCATED
    cluster_id: int | None = None
    partition: str = ""
    qos: str = ""
    curve: "Curve" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise InvalidRate(problem)
        object.__setattr__(self, "curve", _curve(self))

    @property
    def is_linear(self) -> bool:
        """Whether a charge depends on its own quantity only, so that no counter is needed."""
        return self.model is Model.FLAT and not (
            self.slabs[0].flat_fee
            or self.allowance
            or self.discount_percent
            or self.discount_amount
        )

    @property
    def unit_price(self) -> Decimal | None:
        """The price of a unit where there is only one, that of a linear rate."""
        return self.slabs[0].unit_price if self.is_linear else None


def cumulative(rate: Rate, quantity: int) -> Decimal:
    """Return the price of a month's whole quantity (base units), rounded once at six decimals.

    A charge by a counter is the difference of two of these, so that charges add up to it exactly.
    Raises ValueError for a negative quantity.
    """
    if quantity < 0:
        raise ValueError(quantity)
    return rate.curve.at(quantity)


def linear_amount(rate: Rate, quantity: int) -> Decimal:
    """Return quantity × price ÷ unit size at six decimals, half up. Raises InvalidRate."""
    if not rate.is_linear:
        raise InvalidRate(f"{rate.resource} is not priced by one unit price")
    return charge_amount(quantity, rate.slabs[0].unit_price, rate.unit_size)


class _Step(NamedTuple):
    """On one slab the sum is ``base + (units - origin) × price``, all integers (see Curve)."""

    origin: int
    base: int
    price: int


class Curve(NamedTuple):
    """A rate's function, its fractions multiplied out once.

    ``units = quantity × stretch - free`` counts in parts of a unit that make every bound and the
    allowance whole; for packages it is then counted in blocks of ``block``. A sum is counted in
    parts of a millionth of the currency: ``divisor`` of them make one. Discounts are linear too, so
    they are in the steps.
    """

    stretch: int
    free: int
    block: int
    bounds: tuple[int, ...]
    steps: tuple[_Step, ...]
    at_zero: int
    divisor: int

    def at(self, quantity: int) -> Decimal:
        units = quantity * self.stretch - self.free
        if units > 0:
            units = -(-units // self.block)
            origin, base, price = self.steps[bisect_left(self.bounds, units)]
            total = base + (units - origin) * price
        else:
            total = self.at_zero
        if total <= 0:
            return _NOTHING
        # From text, because arithmetic on Decimals would round to 28 digits.
        return Decimal(f"{(2 * total + self.divisor) // (2 * self.divisor)}e-{CHARGE_DECIMALS}")


_NOTHING = Decimal(f"0e-{CHARGE_DECIMALS}")


def _curve(rate: Rate) -> Curve:
    package = rate.model is Model.PACKAGE
    bounds = [slab.up_to for slab in rate.slabs if slab.up_to is not None]
    parts = _denominator([rate.allowance, *bounds, *([rate.package_units] if package else [])])
    part = rate.unit_size * parts  # base units × parts: what one unit counts
    block = int(rate.package_units * part) if package else 1
    prices = _exact_steps(rate, Fraction(1) if package else Fraction(1, part), part)
    first = _discounted(rate, Fraction(rate.slabs[0].flat_fee)) if rate.fee_at_zero else Fraction(0)
    divisor = lcm(first.denominator, *(v.denominator for _, *pair in prices for v in pair))
    return Curve(
        stretch=parts,
        free=int(rate.allowance * part),
        block=block,
        bounds=tuple(int(bound * part) for bound in bounds),
        steps=tuple(
            _Step(origin, int(base * divisor), int(price * divisor))
            for origin, base, price in prices
        ),
        at_zero=int(first * divisor),
        divisor=divisor,
    )


def _exact_steps(
    rate: Rate, share: Fraction, part: int
) -> Sequence[tuple[int, Fraction, Fraction]]:
    """Origin, sum there and price of each slab; ``share`` is the units in what is counted."""
    steps = []
    origin, base = 0, Fraction(0)
    for slab in rate.slabs:
        price = Fraction(slab.unit_price) * share
        fee = Fraction(slab.flat_fee)
        if rate.model is Model.VOLUME:
            origin, base = 0, fee
        else:
            base += fee
        sloped = price * (100 - Fraction(rate.discount_percent)) / 100 * _SCALE
        steps.append((origin, _discounted(rate, base), sloped))
        if slab.up_to is not None:
            bound = int(slab.up_to * part)
            base += (bound - origin) * price
            origin = bound
    return steps


def _discounted(rate: Rate, amount: Fraction) -> Fraction:
    share = 1 - Fraction(rate.discount_percent) / 100
    return (amount * share - Fraction(rate.discount_amount)) * _SCALE


def _denominator(values: Sequence[Decimal]) -> int:
    return lcm(*(value.as_integer_ratio()[1] for value in values))


def _problems(rate: Rate) -> Iterator[str]:
    bounds = [slab.up_to for slab in rate.slabs]
    closed = [bound for bound in bounds[:-1] if bound is not None]
    numbers = [
        rate.package_units, rate.allowance, rate.discount_percent, rate.discount_amount, *closed,
        *(value for slab in rate.slabs for value in (slab.unit_price, slab.flat_fee)),
    ]  # fmt: skip
    if not all(value.is_finite() and value >= 0 for value in numbers):
        yield "a price, fee, bound or discount is not a positive number"
    if not rate.slabs or bounds[-1] is not None or len(closed) + 1 != len(bounds):
        yield "the last slab, and no other, is open"
    elif any(low >= high for low, high in zip([Decimal(0), *closed], closed, strict=False)):
        yield "the slabs do not go up"
    if rate.model in {Model.FLAT, Model.PACKAGE} and len(rate.slabs) != 1:
        yield f"a {rate.model} rate has one slab"
    if rate.unit_size <= 0 or rate.package_units <= 0:
        yield "a unit or package is empty"
    if rate.discount_percent > 100:
        yield "a discount is over 100 percent"
    if rate.basis is Basis.USED and rate.resource not in {"cpu", "mem"}:
        yield "only CPU and memory have used figures"
