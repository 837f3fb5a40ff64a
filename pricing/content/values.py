"""The content of a price list as values that compare as they count (pure).

Clusters are named, not keyed, so that a content means the same in a file, in the log and on
another site. Two contents are equal if, and only if, they price every job the same way: the order
of rates, slabs' positions and trailing zeros do not count.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from pricing.engine import Basis, Model, Part, Slab, StatePolicy


class Place(NamedTuple):
    """The jobs that something counts for; an empty name is any."""

    cluster: str = ""
    partition: str = ""
    qos: str = ""


ANYWHERE = Place()


@dataclass(frozen=True, slots=True)
class RateContent:
    """A rate of a list; see ``pricing.engine.rates`` for what its numbers mean.

    Flat and package rates have a unit price and maybe a fee, graduated and volume ones slabs.
    """

    resource: str
    unit_price: Decimal | None = None
    model: Model = Model.FLAT
    slabs: tuple[Slab, ...] = ()
    flat_fee: Decimal = Decimal(0)
    package_units: Decimal = Decimal(1)
    allowance: Decimal = Decimal(0)
    discount_percent: Decimal = Decimal(0)
    discount_amount: Decimal = Decimal(0)
    fee_at_zero: bool = False
    basis: Basis = Basis.ALLOCATED
    place: Place = ANYWHERE

    @property
    def key(self) -> tuple[str, Place]:
        """What no two rates of a list have in common."""
        return self.resource, self.place

    @property
    def is_simple(self) -> bool:
        """Whether the resource and the unit price say all of it."""
        return self == RateContent(self.resource, self.unit_price)


@dataclass(frozen=True, slots=True)
class EquivalentContent:
    """A unit that a list defines, priced as ``unit:<code>``."""

    code: str
    name: str
    parts: tuple[Part, ...]
    combine: str = "max"
    place: Place = ANYWHERE

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(sorted(self.parts)))

    @property
    def key(self) -> tuple[str, Place]:
        return self.code, self.place


@dataclass(frozen=True, slots=True)
class TermsContent:
    """What a list says of time, and of the sums of a job and a month."""

    quantum_seconds: int = 1
    minimum_seconds: int = 0
    suspended_is_free: bool = False
    minimum_per_job: Decimal = Decimal(0)
    cap: Decimal | None = None
    commitment: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ListContent:
    """All that a price list says, besides whose it is, from when on, and in which currency."""

    rates: tuple[RateContent, ...] = ()
    terms: TermsContent = TermsContent()
    states: tuple[StatePolicy, ...] = ()
    equivalents: tuple[EquivalentContent, ...] = ()
    free: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._sort("rates", lambda rate: (_position(rate.resource), rate.key))
        self._sort("states", lambda policy: policy.state)
        self._sort("equivalents", lambda one: one.key)
        self._sort("free", _position)

    def _sort(self, name: str, key: Any) -> None:
        object.__setattr__(self, name, tuple(sorted(getattr(self, name), key=key)))

    @property
    def is_flat(self) -> bool:
        """Whether one price for a unit of each resource says all of it."""
        return self == flat(self.prices)

    @property
    def prices(self) -> dict[str, Decimal]:
        """The unit prices of the rates that are nothing but one, by resource."""
        simple = (rate for rate in self.rates if rate.is_simple)
        return {rate.resource: rate.unit_price for rate in simple if rate.unit_price is not None}

    @property
    def clusters(self) -> frozenset[str]:
        """The names of clusters that it speaks of."""
        both: Iterable[RateContent | EquivalentContent] = (*self.rates, *self.equivalents)
        return frozenset(one.place.cluster for one in both) - {""}


_FIRST = {"cpu": 0, "mem": 1, "gpu": 2}


def _position(resource: str) -> tuple[int, str]:
    """CPUs, memory and GPUs come first, as people look for them."""
    return _FIRST.get(resource.partition(":")[0], len(_FIRST)), resource


def flat(prices: Mapping[str, Decimal]) -> ListContent:
    """Return a list that has a price for a unit of each resource, and nothing else."""
    return ListContent(tuple(RateContent(code, price) for code, price in prices.items()))
