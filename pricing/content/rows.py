"""The content of price lists as rows of the database."""

from collections.abc import Mapping
from typing import Any

from pricing.content.values import (
    EquivalentContent,
    ListContent,
    Place,
    RateContent,
    TermsContent,
)
from pricing.engine import Basis, Model, Part
from pricing.engine import Slab as EngineSlab
from pricing.engine import StatePolicy as EnginePolicy
from pricing.models import Equivalent, EquivalentPart, PriceList, Rate, Slab, StatePolicy
from usage.models import Cluster

CHILDREN = (
    "rates__slabs", "rates__cluster", "states", "equivalents__parts", "equivalents__cluster",
)  # fmt: skip
"""What to prefetch of lists whose content is read."""

TERMS = (
    "quantum_seconds", "minimum_seconds", "suspended_is_free", "minimum_per_job", "cap",
    "commitment",
)  # fmt: skip
_OF_RATE = (
    "resource", "unit_price", "flat_fee", "package_units", "allowance", "discount_percent",
    "discount_amount", "fee_at_zero",
)  # fmt: skip


def content_of(price_list: PriceList) -> ListContent:
    """Return what a list says; prefetch CHILDREN to read many."""
    return ListContent(
        rates=tuple(_rate(row) for row in price_list.rates.all()),
        terms=TermsContent(**{name: getattr(price_list, name) for name in TERMS}),
        states=tuple(
            EnginePolicy(row.state, row.percent, row.reason) for row in price_list.states.all()
        ),
        equivalents=tuple(_equivalent(row) for row in price_list.equivalents.all()),
        free=tuple(price_list.free_resources),
    )


def _rate(row: Rate) -> RateContent:
    slabs = sorted(row.slabs.all(), key=lambda slab: slab.position)
    return RateContent(
        **{name: getattr(row, name) for name in _OF_RATE},
        model=Model(row.model),
        slabs=tuple(EngineSlab(slab.up_to, slab.unit_price, slab.flat_fee) for slab in slabs),
        basis=Basis(row.basis),
        place=Place(row.cluster.name if row.cluster else "", row.partition, row.qos),
    )


def _equivalent(row: Equivalent) -> EquivalentContent:
    return EquivalentContent(
        code=row.code,
        name=row.name,
        parts=tuple(Part(part.resource, part.counts, part.per) for part in row.parts.all()),
        combine=row.combine,
        place=Place(row.cluster.name if row.cluster else "", row.partition),
    )


def set_columns(price_list: PriceList, content: ListContent) -> None:
    """Set what a list says in columns of its own; the caller saves it."""
    for name in TERMS:
        setattr(price_list, name, getattr(content.terms, name))
    price_list.free_resources = list(content.free)


def write_children(price_list: PriceList, content: ListContent) -> None:
    """Replace the rates, states and equivalents of a draft by those of a content."""
    price_list.rates.all().delete()
    price_list.states.all().delete()
    price_list.equivalents.all().delete()
    clusters = dict(Cluster.objects.values_list("name", "pk"))
    _write_rates(price_list, content, clusters)
    StatePolicy.objects.bulk_create(
        StatePolicy(price_list=price_list, **policy._asdict()) for policy in content.states
    )
    for one in content.equivalents:
        row = Equivalent.objects.create(
            price_list=price_list,
            code=one.code,
            name=one.name,
            combine=one.combine,
            cluster_id=clusters.get(one.place.cluster),
            partition=one.place.partition,
        )
        EquivalentPart.objects.bulk_create(
            EquivalentPart(equivalent=row, **part._asdict()) for part in one.parts
        )


def _write_rates(price_list: PriceList, content: ListContent, clusters: Mapping[str, int]) -> None:
    rows = [Rate(price_list=price_list, **_columns(rate, clusters)) for rate in content.rates]
    slabs = [
        Slab(rate=row, position=position, **slab._asdict())
        for row, rate in zip(Rate.objects.bulk_create(rows), content.rates, strict=True)
        for position, slab in enumerate(rate.slabs, start=1)
    ]
    Slab.objects.bulk_create(slabs)


def _columns(rate: RateContent, clusters: Mapping[str, int]) -> dict[str, Any]:
    return {
        **{name: getattr(rate, name) for name in _OF_RATE},
        "model": rate.model.value,
        "basis": rate.basis.value,
        "cluster_id": clusters.get(rate.place.cluster),
        "partition": rate.place.partition,
        "qos": rate.place.qos,
    }
