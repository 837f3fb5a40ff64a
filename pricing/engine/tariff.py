"""All that prices the jobs of one cluster, partition and QOS, found once."""

from collections.abc import Sequence

from pricing.engine.choice import choose
from pricing.engine.errors import InvalidRate
from pricing.engine.rates import Basis, Rate
from pricing.engine.shape import Item, shape
from pricing.engine.terms import Equivalent, Terms
from pricing.resources import family_of

MAX_SHAPES = 1024
"""So many shapes of jobs are remembered by a tariff, of which there may be hundreds."""

_PLAIN = frozenset({"cpu", "mem", "gpu"})


class Tariff:
    """The rates and terms for jobs of one cluster, partition and QOS.

    ``layers`` are the rates of lists, negotiated ones first: for each resource the first layer that
    has a rate for the job counts, and in it the most specific rate. ``rates`` are those by
    resource code. ``is_plain`` says that the figures that a job keeps, each times one price, are
    all there is to it. Raises InvalidRate if the lists are not in one currency.
    """

    def __init__(
        self,
        layers: Sequence[Sequence[Rate]],
        terms: Terms,
        *,
        cluster_id: int,
        partition: str,
        qos: str,
    ) -> None:
        self.terms = terms
        self.cluster_id = cluster_id
        self.partition = partition
        self.qos = qos
        self._layers = [[r for r in layer if family_of(r.resource) != "sku"] for layer in layers]
        self.currency = _currency(layers)
        codes = sorted({rate.resource for layer in self._layers for rate in layer})
        found = {code: self._choose(code) for code in codes}
        self.rates = {
            code: rate for code, rate in found.items() if rate is not None and rate.resource == code
        }
        self.equivalents = self._equivalents()
        self.covered = frozenset(code for one in self.equivalents for code in one.covered)
        self.is_plain = terms.is_plain and all(
            code in _PLAIN and rate.is_linear and rate.basis is Basis.ALLOCATED
            for code, rate in self.rates.items()
        )
        self._shapes: dict[tuple[str, str], tuple[Item, ...]] = {}

    @property
    def free(self) -> frozenset[str]:
        """The resources that need no rate."""
        return self.terms.free

    def rate_for(self, resource: str) -> Rate | None:
        """Return the rate for a resource; for a GPU type that may be the one for all GPUs."""
        return self.rates.get(resource) or self._choose(resource)

    def items(self, tres: str, req_tres: str) -> tuple[Item, ...]:
        """Return what is priced of jobs with these TRES texts, by resource. Raises Unreadable.

        CPU, memory and GPUs that need a rate and have none are there without one.
        """
        key = tres, req_tres
        found = self._shapes.get(key)
        if found is None:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            found = self._shapes[key] = shape(self, tres, req_tres)
        return found

    def _choose(self, resource: str) -> Rate | None:
        for layer in self._layers:
            rate = choose(
                layer,
                resource=resource,
                cluster_id=self.cluster_id,
                partition=self.partition,
                qos=self.qos,
            )
            if rate is not None:
                return rate
        return None

    def _equivalents(self) -> tuple[Equivalent, ...]:
        """Those that apply: of each code that has a rate the most specific one.

        A cluster is more than a partition.
        """
        ours = [one for one in self.terms.equivalents if one.meets(self.cluster_id, self.partition)]
        best = {one.code: one for one in sorted(ours, key=_precedence)}
        return tuple(one for one in best.values() if one.resource in self.rates)


def _precedence(one: Equivalent) -> tuple[int, bool]:
    return one.specificity, one.cluster_id is not None


def _currency(layers: Sequence[Sequence[Rate]]) -> str:
    found = sorted({rate.currency for layer in layers for rate in layer})
    if len(found) > 1:
        raise InvalidRate(f"lists in {' and '.join(found)} can't price one job")
    return found[0] if found else ""
