"""What of a job is priced, and by which rate, as far as its TRES texts say: all but time."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple, Protocol

from pricing.engine.errors import Unreadable
from pricing.engine.rates import Basis, Rate
from pricing.engine.terms import Equivalent
from pricing.resources import MICRO, family_of, name_of
from usage.tres import InvalidTres, Tres, parse_tres

FALLBACK = "fallback"
"""The basis of a quantity whose requested or used figure was wanted but is not known."""

_KIB_PER_MIB = 1024
_FIGURES = {"cpu": "used_cpu_seconds", "mem": "used_mem_mib_seconds"}


class Item(NamedTuple):
    """One resource of all jobs of a shape: its quantity follows from time alone.

    Quantity = (times × seconds + half) ÷ parts, rounded down. The seconds are those that the
    resource was held, or those that the job ran. ``figure`` names the job's own figure that counts
    instead where it is known. Without a rate (None), a job that used it can't be priced.
    """

    resource: str
    rate: Rate | None
    times: int
    parts: int = 1
    half: int = 0
    held: bool = True
    basis: str = ""
    figure: str = ""


class Prices(Protocol):
    """What a tariff says of resources."""

    @property
    def free(self) -> frozenset[str]:
        """Resources that need no rate."""

    @property
    def covered(self) -> frozenset[str]:
        """Resources that an equivalent stands for."""

    @property
    def rates(self) -> dict[str, Rate]: ...

    @property
    def equivalents(self) -> tuple[Equivalent, ...]: ...

    def rate_for(self, resource: str) -> Rate | None: ...


def shape(prices: Prices, tres: str, req_tres: str) -> tuple[Item, ...]:
    """Return the items of jobs with these TRES texts, by resource. Raises Unreadable.

    ``req_tres`` is empty where it is not known what was requested.
    """
    try:
        given = parse_tres(tres)
        asked = parse_tres(req_tres) if req_tres else None
    except InvalidTres as refusal:
        raise Unreadable(str(refusal)) from refusal
    items = _Shape(prices, given, asked).items()
    return tuple(sorted(items, key=lambda item: item.resource))


class _Group(NamedTuple):
    """The GPUs of a job that one rate prices, or that have none."""

    rate: Rate | None
    types: list[str]
    gpus: int


class _Shape:
    def __init__(self, prices: Prices, given: Tres, asked: Tres | None) -> None:
        self.prices = prices
        self.given = given
        self.asked = asked

    def items(self) -> Iterator[Item]:
        yield from self._cpu_and_memory()
        yield from self._gpus()
        for resource, rate in self.prices.rates.items():
            if resource not in self.prices.covered:
                yield from self._extra(resource, rate)
        for equivalent in self.prices.equivalents:
            yield self._equivalent(equivalent)

    def _cpu_and_memory(self) -> Iterator[Item]:
        for resource in ("cpu", "mem"):
            rate = self.prices.rates.get(resource)
            if resource in self.prices.covered or (rate is None and resource in self.prices.free):
                continue
            tres, basis = self._view(rate)
            used = rate is not None and rate.basis is Basis.USED
            yield Item(
                resource,
                rate,
                times=tres.cpus if resource == "cpu" else tres.mem_kib,
                parts=1 if resource == "cpu" else _KIB_PER_MIB,
                held=resource == "mem",
                basis=basis,
                figure=_FIGURES[resource] if used else "",
            )

    def _gpus(self) -> Iterator[Item]:
        if "gpu" in self.prices.covered:
            return
        for resource, group in self._groups().items():
            count, basis = self._count(group)
            yield Item(resource, group.rate, count, basis=basis)

    def _groups(self) -> dict[str, _Group]:
        """The job's GPUs by the resource of the rate that wins them."""
        given = self.given
        untyped = given.gpus - sum(count for _, count in given.gpu_types)
        groups: dict[str, _Group] = {}
        for kind, count in (*given.gpu_types, ("", untyped)):
            code = f"gpu:{kind}" if kind else "gpu"
            rate = self.prices.rate_for(code)
            free = rate is None and not self.prices.free.isdisjoint({"gpu", code})
            if not count or code in self.prices.covered or free:
                continue
            resource = code if rate is None else rate.resource
            before = groups.get(resource, _Group(rate, [], 0))
            groups[resource] = _Group(rate, [*before.types, kind], before.gpus + count)
        return groups

    def _count(self, group: _Group) -> tuple[int, str]:
        """How many GPUs of a group are priced. Requests often don't say which type was meant.

        The allocation decides which rate prices which GPUs, so that none is counted twice.
        """
        _, basis = self._view(group.rate)
        if self.asked is None or basis != Basis.REQUESTED:
            return group.gpus, basis
        if group.gpus == self.given.gpus:
            return self.asked.gpus, basis
        if _untyped(self.asked):
            return group.gpus, FALLBACK
        types = dict(self.asked.gpu_types)
        return sum(types.get(kind, 0) for kind in group.types), basis

    def _extra(self, resource: str, rate: Rate) -> Iterator[Item]:
        """What is priced only where a list has a rate for it."""
        tres, basis = self._view(rate)
        if resource == "node":
            yield Item(resource, rate, tres.nodes, basis=basis)
        elif resource == "billing":
            yield _rounded(rate, Fraction(tres.billing or 0) * MICRO, basis, held=False)
        elif resource == "energy":
            yield Item(resource, rate, 0, figure="energy_joules")
        elif family_of(resource) == "license":
            count = dict(tres.other).get(f"license/{name_of(resource)}", "0")
            yield _rounded(rate, max(Fraction(count), Fraction(0)), basis)

    def _equivalent(self, equivalent: Equivalent) -> Item:
        rate = self.prices.rates[equivalent.resource]
        tres, basis = self._view(rate)
        if basis == Basis.REQUESTED and equivalent.names_types and _untyped(tres):
            tres, basis = self.given, FALLBACK
        return _rounded(rate, equivalent.of(tres) * MICRO, basis)

    def _view(self, rate: Rate | None) -> tuple[Tres, str]:
        """What a rate prices, allocated or requested, and what a charge says of that."""
        if rate is None or rate.basis is Basis.ALLOCATED:
            return self.given, ""
        if rate.basis is Basis.REQUESTED and self.asked is not None:
            return self.asked, Basis.REQUESTED.value
        return self.given, FALLBACK


def _untyped(tres: Tres) -> bool:
    """Whether it has GPUs of a type that it does not say."""
    return tres.gpus > sum(count for _, count in tres.gpu_types)


def _rounded(rate: Rate, amount: Fraction, basis: str, *, held: bool = True) -> Item:
    """An item whose quantity is amount × seconds, half up."""
    return Item(
        rate.resource,
        rate,
        times=2 * amount.numerator,
        parts=2 * amount.denominator,
        half=amount.denominator,
        held=held,
        basis=basis,
    )
