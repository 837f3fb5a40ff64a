"""What a job is billed for: quantities in base units, each with the rate that prices it."""

from fractions import Fraction
from typing import NamedTuple

from pricing.engine.errors import ExemptByState, NoRate, TooLarge
from pricing.engine.rates import Basis, Rate
from pricing.engine.shape import Item
from pricing.engine.tariff import Tariff
from pricing.engine.terms import Terms

MAX_QUANTITY = 2**63 - 1


class Usage(NamedTuple):
    """What of a job its quantities depend on. TRES texts are canonical; what is unknown is None.

    ``req_tres`` is empty where it is not known what was requested.
    """

    cluster_id: int
    partition: str
    qos: str
    state: str
    elapsed_seconds: int
    suspended_seconds: int
    tres: str
    req_tres: str = ""
    used_cpu_seconds: int | None = None
    used_mem_mib_seconds: int | None = None
    energy_joules: int | None = None


class Measured(NamedTuple):
    """A resource of the whole job, in base units, and the rate that prices it.

    ``basis`` is empty for what was allocated, or ``requested``, ``used``, or ``fallback``: what was
    allocated, because the requested or used figure was wanted but is not known.
    """

    resource: str
    rate: Rate
    quantity: int
    basis: str


def measure(usage: Usage, tariff: Tariff) -> list[Measured]:
    """Return what a job is billed for, by resource; what it did not use is absent.

    The time that a job ran (CPUs, billing) or held its resources (all else) is at least the list's
    minimum, in started quanta; used figures are taken as they are. The percentage of the end state
    comes last, rounded half up. A job that held nothing used nothing, whatever the minimum. Raises
    ExemptByState, NoRate, TooLarge and Unreadable.
    """
    if not usage.elapsed_seconds + usage.suspended_seconds:
        return []
    percent = _percent(usage.state, tariff.terms)
    ran, held = _times(usage, tariff.terms)
    found = []
    for item in tariff.items(usage.tres, usage.req_tres):
        quantity, basis = _quantity(item, usage, held if item.held else ran)
        if not quantity:
            continue
        if item.rate is None:
            raise NoRate(item.resource)
        if percent is not None:
            quantity = _round_half_up(quantity * percent)
        if quantity > MAX_QUANTITY:
            raise TooLarge(item.resource, quantity)
        if quantity:
            found.append(Measured(item.resource, item.rate, quantity, basis))
    return found


def _percent(state: str, terms: Terms) -> Fraction | None:
    """The part of the quantity that is billed, or None for all of it. Raises ExemptByState."""
    policy = terms.states.get(state)
    if policy is None or policy.percent == 100:
        return None
    if not policy.percent:
        raise ExemptByState(policy.state, policy.reason)
    return Fraction(policy.percent) / 100


def _times(usage: Usage, terms: Terms) -> tuple[int, int]:
    ran = terms.time(usage.elapsed_seconds)
    if terms.suspended_is_free:
        return ran, ran
    return ran, terms.time(usage.elapsed_seconds + usage.suspended_seconds)


def _quantity(item: Item, usage: Usage, seconds: int) -> tuple[int, str]:
    figure: int | None = getattr(usage, item.figure) if item.figure else None
    if figure is not None:
        used = item.rate is not None and item.rate.basis is Basis.USED
        return max(figure, 0), Basis.USED.value if used else item.basis
    return (item.times * seconds + item.half) // item.parts, item.basis


def _round_half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
