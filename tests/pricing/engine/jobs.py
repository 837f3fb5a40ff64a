"""A job, rates at a price of one, and what is priced of it."""

from decimal import Decimal
from typing import Any

from pricing.engine import Model, Rate, Slab, Tariff, Terms, Usage, measure
from pricing.resources import resource_of

JOB = Usage(
    cluster_id=1,
    partition="short",
    qos="normal",
    state="COMPLETED",
    elapsed_seconds=90,
    suspended_seconds=30,
    tres="cpu=4,mem=2048M,node=2,billing=2.5,gres/gpu=4,gres/gpu:a100=2,gres/gpu:v100=1,"
    "license/matlab=3",
)
EVERYTHING = frozenset({"cpu", "mem", "gpu"})
ONE = Decimal(1)


def rate(rate_id: int, resource: str, **values: Any) -> Rate:
    settings: dict[str, Any] = {"price_list_id": 1, "currency": "THB", "model": Model.FLAT}
    settings |= values
    size = resource_of(resource).unit_size
    return Rate(rate_id, resource=resource, slabs=(Slab(None, ONE),), unit_size=size, **settings)


def tariff(*layers: list[Rate], **terms: Any) -> Tariff:
    made = Terms(**{"free": EVERYTHING} | terms)
    return Tariff(layers, made, cluster_id=1, partition="short", qos="normal")


def found(usage: Usage, prices: Tariff) -> dict[str, tuple[int, int, str]]:
    """Rate, quantity and basis by resource."""
    return {m.resource: (m.rate.rate_id, m.quantity, m.basis) for m in measure(usage, prices)}


def quantities(usage: Usage, *rates: Rate, **terms: Any) -> dict[str, int]:
    return {code: one[1] for code, one in found(usage, tariff([*rates], **terms)).items()}
