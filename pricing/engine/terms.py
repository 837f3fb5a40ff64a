"""What a list says beside its rates: time, end states, equivalents, and the sums of a month."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from pricing.engine.errors import InvalidRate
from pricing.resources import family_of, name_of
from usage.tres import Tres

KIB_PER_GB = 2**20


class Part(NamedTuple):
    """What one resource adds to an equivalent: ``counts`` for each ``per`` of it.

    One per 4 GB of memory is ``Part("mem", counts=1, per=4)``. The resource is ``cpu``, ``mem``
    (in GB), ``node``, ``gpu:<type>``, or ``gpu``: all GPUs whose type is no part by itself.
    """

    resource: str
    counts: Decimal
    per: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A unit that a list defines, such as the core-hour equivalent: the max or sum of its parts.

    Where it applies, the resources of its parts are priced by it and by nothing else. Among those
    of one code the most specific for a job's cluster and partition counts; one for the cluster
    before one for the partition. Raises InvalidRate.
    """

    code: str
    combine: str
    parts: tuple[Part, ...]
    cluster_id: int | None = None
    partition: str = ""

    def __post_init__(self) -> None:
        named = [part.resource for part in self.parts]
        if self.combine not in {"max", "sum"} or not named or len(set(named)) != len(named):
            raise InvalidRate(f"{self.code} is the max or the sum of parts, each named once")
        for part in self.parts:
            if part.resource not in {"cpu", "mem", "gpu", "node"} and not (
                family_of(part.resource) == "gpu" and name_of(part.resource)
            ):
                raise InvalidRate(f"{part.resource} can't be a part of an equivalent")
            if not (part.counts.is_finite() and part.counts >= 0 and part.per > 0):
                raise InvalidRate(f"{part.resource} counts {part.counts} per {part.per}")

    @property
    def resource(self) -> str:
        """The resource code that its rates have."""
        return f"unit:{self.code}"

    @property
    def covered(self) -> frozenset[str]:
        """The resources that it stands for."""
        return frozenset(part.resource for part in self.parts)

    @property
    def names_types(self) -> bool:
        """Whether a GPU's type makes a difference."""
        return any(family_of(code) == "gpu" and name_of(code) for code in self.covered)

    @property
    def specificity(self) -> int:
        return (self.cluster_id is not None) + bool(self.partition)

    def meets(self, cluster_id: int, partition: str) -> bool:
        return self.cluster_id in {None, cluster_id} and self.partition in {"", partition}

    def of(self, tres: Tres) -> Fraction:
        """Return how many units a job holds at a time, exactly."""
        values = [
            self._amount(part.resource, tres) * Fraction(part.counts) / Fraction(part.per)
            for part in self.parts
        ]
        return max(values) if self.combine == "max" else sum(values, Fraction(0))

    def _amount(self, resource: str, tres: Tres) -> Fraction:
        if resource == "mem":
            return Fraction(tres.mem_kib, KIB_PER_GB)
        types = dict(tres.gpu_types)
        if resource == "gpu":
            own = (n for kind, n in types.items() if f"gpu:{kind}" in self.covered)
            return Fraction(tres.gpus - sum(own))
        if resource in {"cpu", "node"}:
            return Fraction(tres.cpus if resource == "cpu" else tres.nodes)
        return Fraction(types.get(name_of(resource), 0))


class StatePolicy(NamedTuple):
    """How much of a job that ended in ``state`` is billed, 0 to 100 percent, and why not all."""

    state: str
    percent: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a list says beside its rates. Raises InvalidRate.

    Time is at least ``minimum_seconds`` and counts in started quanta; ``suspended_is_free`` takes
    suspended time out for all resources, not only for CPUs. ``free`` are resources that need no
    rate. ``minimum_per_job``, ``cap`` and ``commitment`` (both by month) are money.
    """

    quantum_seconds: int = 1
    minimum_seconds: int = 0
    suspended_is_free: bool = False
    minimum_per_job: Decimal = Decimal(0)
    cap: Decimal | None = None
    commitment: Decimal | None = None
    free: frozenset[str] = frozenset()
    states: Mapping[str, StatePolicy] = field(default_factory=dict)
    equivalents: tuple[Equivalent, ...] = ()

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise InvalidRate(problem)

    @property
    def is_plain(self) -> bool:
        """Whether a job's stored figures are what is priced, as they are."""
        return (
            self.quantum_seconds == 1
            and not self.minimum_seconds
            and not self.suspended_is_free
            and not self.minimum_per_job
            and not (self.free or self.states or self.equivalents)
        )

    def time(self, seconds: int) -> int:
        """Return the seconds that are billed for so many: the minimum, then whole quanta."""
        quantum = self.quantum_seconds
        return -(-max(seconds, self.minimum_seconds) // quantum) * quantum

    def _problems(self) -> Iterator[str]:
        if self.quantum_seconds < 1 or self.minimum_seconds < 0:
            yield "time is billed by the second or longer"
        for money in (self.minimum_per_job, self.cap, self.commitment):
            if money is not None and not (money.is_finite() and money >= 0):
                yield "a minimum, cap or commitment is not a positive amount"
        if self.cap is not None and self.commitment is not None and self.cap < self.commitment:
            yield "the cap is below the commitment"
        for state, policy in self.states.items():
            if state != policy.state or not 0 <= policy.percent <= 100:
                yield f"{policy.state} is billed at {policy.percent} percent"
