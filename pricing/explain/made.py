"""How the quantity of a charge is made of what a job held and for how long.

The same rules as ``engine.measure``, told step by step. What does not come out as the stored
quantity is not told: then an earlier revision of the row, or another list, said it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from pricing import engine
from pricing.engine import Item, Tariff, Usage
from pricing.resources import MICRO, family_of
from pricing.walk import plain
from usage.tres import parse_tres


@dataclass(frozen=True, slots=True)
class EquivalentStep:
    """What one resource adds to an equivalent: amount ÷ per × counts."""

    resource: str
    amount: Fraction
    counts: Decimal
    per: Decimal

    @property
    def expression(self) -> str:
        return f"{number(self.amount)} / {plain(self.per)} * {plain(self.counts)}"


@dataclass(frozen=True, slots=True)
class Quantity:
    """Count × seconds, and what a list makes of it.

    ``count`` is of CPUs, GPUs, MiB, nodes, licences, billing or equivalent units; ``scale`` how
    many base units one of them has a second. ``seconds`` are billed, ``measured_seconds`` what the
    job really took: the list's ``minimum_seconds`` and ``quantum_seconds`` lie between. With a
    ``figure`` what was measured is taken as it is. ``state_percent`` is what the list bills of the
    end state; ``whole`` the job's quantity after that, and ``quantity`` the part of it that this
    project pays, by ``share_percent``.
    """

    count: Fraction
    scale: int
    seconds: int
    measured_seconds: int
    minimum_seconds: int
    quantum_seconds: int
    figure: str
    combine: str
    parts: tuple[EquivalentStep, ...]
    state_percent: Decimal | None
    state_reason: str
    share_percent: Decimal | None
    whole: int
    quantity: int
    half_up: bool

    @property
    def expression(self) -> str:
        """The whole job's quantity as one types it; rounded to a whole number."""
        if self.figure:
            text = f"{number(self.count)}"
        else:
            text = f"{number(self.count)} * {self.seconds}"
            text = f"{text} * {self.scale}" if self.scale != 1 else text
        if self.state_percent is None:
            return text
        return f"{text} * {plain(self.state_percent)} / 100"


def made_of(
    usage: Usage,
    tariff: Tariff,
    resource: str,
    *,
    percents: Sequence[Decimal] = (Decimal(100),),
    place: int = 0,
) -> Quantity | None:
    """Return how a resource's quantity comes about; None if the tariff makes none of it.

    ``percents`` are the shares of the project's split, of which this one is at ``place``.
    """
    terms = tariff.terms
    try:
        items = tariff.items(usage.tres, usage.req_tres)
        measured = {item.resource: item for item in engine.measure(usage, tariff)}
    except engine.Unpriceable:
        return None
    item = next((one for one in items if one.resource == resource), None)
    if item is None or resource not in measured:
        return None
    whole = measured[resource].quantity
    ran = not item.held or terms.suspended_is_free
    real = usage.elapsed_seconds + (0 if ran else usage.suspended_seconds)
    figure: int | None = getattr(usage, item.figure) if item.figure else None
    scale = MICRO if family_of(resource) in {"billing", "unit"} else 1
    policy = terms.states.get(usage.state)
    reduced = policy is not None and policy.percent != 100
    split = len(percents) > 1
    return Quantity(
        count=Fraction(item.times, item.parts * scale) if figure is None else Fraction(figure),
        scale=1 if figure is not None else scale,
        seconds=terms.time(real),
        measured_seconds=real,
        minimum_seconds=terms.minimum_seconds,
        quantum_seconds=terms.quantum_seconds,
        figure="" if figure is None else item.figure,
        combine=_equivalent(tariff, resource).combine if family_of(resource) == "unit" else "",
        parts=_parts(usage, tariff, item) if family_of(resource) == "unit" else (),
        state_percent=policy.percent if policy and reduced else None,
        state_reason=policy.reason if policy and reduced else "",
        share_percent=percents[place] if split else None,
        whole=whole,
        quantity=engine.shares(whole, percents)[place],
        half_up=bool(item.half),
    )


def _equivalent(tariff: Tariff, resource: str) -> engine.Equivalent:
    return next(one for one in tariff.equivalents if one.resource == resource)


def _parts(usage: Usage, tariff: Tariff, item: Item) -> tuple[EquivalentStep, ...]:
    equivalent = _equivalent(tariff, item.resource)
    requested = item.basis == engine.Basis.REQUESTED
    tres = parse_tres(usage.req_tres if requested else usage.tres)
    alone = {
        part: engine.Equivalent(equivalent.code, "sum", (part,)).of(tres)
        for part in equivalent.parts
    }
    own = sum(count for kind, count in tres.gpu_types if f"gpu:{kind}" in equivalent.covered)
    return tuple(
        EquivalentStep(
            part.resource,
            Fraction(tres.gpus - own)
            if part.resource == "gpu"
            else value * Fraction(part.per) / Fraction(part.counts or 1),
            part.counts,
            part.per,
        )
        for part, value in alone.items()
    )


def number(value: Fraction) -> str:
    """Return a number as one types it: a decimal where that is exact, else a division."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1 or value.denominator > 10**18:
        return f"{value.numerator} / {value.denominator}"
    digits = len(str(value.denominator)) * 4
    scaled = value * 10**digits
    return plain(Decimal(f"{scaled.numerator}e-{digits}"))
