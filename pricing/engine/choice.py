"""Which rate of a list prices a job's resource: the most specific one."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from pricing.engine.rates import Rate
from pricing.resources import family_of

Criteria = dict[str, object]


def choose(
    rates: Iterable[Rate], *, resource: str, cluster_id: int, partition: str, qos: str
) -> Rate | None:
    """Return the rate that meets most of cluster, partition, QOS and, for GPUs, type.

    ``resource`` may be a GPU type, which rates for all GPUs are for too. Among rates that tie
    (``ties``; no published list has them) the one with the lowest key is taken, so that the answer
    never depends on their order.
    """
    job = {"cluster": cluster_id, "partition": partition, "qos": qos}
    found = [
        rate
        for rate in rates
        if rate.resource in {resource, _general(resource)} and _meets(rate, job)
    ]
    return min(found, key=lambda rate: (-specificity(rate), rate.rate_id), default=None)


def specificity(rate: Rate) -> int:
    """Return how many criteria a rate has."""
    return len(criteria(rate))


def criteria(rate: Rate) -> Criteria:
    """Return what a rate asks of a job, and of its GPUs."""
    asked: Criteria = {}
    if rate.cluster_id is not None:
        asked["cluster"] = rate.cluster_id
    if rate.partition:
        asked["partition"] = rate.partition
    if rate.qos:
        asked["qos"] = rate.qos
    if _general(rate.resource) != rate.resource:
        asked["type"] = rate.resource
    return asked


def ties(rates: Sequence[Rate]) -> list[tuple[Rate, Rate]]:
    """Return the pairs of a list's rates of which neither is more specific for some job.

    They are for the same resource, can meet the same job, have as many criteria, and no more
    specific rate has the criteria of both and so settles it.
    """
    asked = [(_general(rate.resource), criteria(rate), rate) for rate in rates]
    return [
        (one, other)
        for (family, mine, one), (kind, its, other) in combinations(asked, 2)
        if family == kind
        and len(mine) == len(its)
        and all(its[key] == value for key, value in mine.items() if key in its)
        and not any(
            family == third and settles == mine | its and len(settles) > len(mine)
            for third, settles, _ in asked
        )
    ]


def _meets(rate: Rate, job: Criteria) -> bool:
    return all(job[key] == value for key, value in criteria(rate).items() if key != "type")


def _general(resource: str) -> str:
    """``gpu`` for a GPU type; any other resource is its own."""
    return "gpu" if family_of(resource) == "gpu" else resource
