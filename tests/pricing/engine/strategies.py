"""Random rates, terms and jobs, as the database would take them."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from pricing.engine import (
    Basis,
    Equivalent,
    Model,
    Part,
    Rate,
    Slab,
    StatePolicy,
    Terms,
    Usage,
)
from pricing.resources import resource_of

CLUSTERS = (1, 2)
PARTITIONS = ("short", "long")
QOSES = ("normal", "high")
STATES = ("COMPLETED", "FAILED", "NODE_FAIL")
TYPES = ("a100", "h100")
RESOURCES = (
    "cpu", "mem", "gpu", "gpu:a100", "gpu:h100", "node", "billing", "energy", "license:matlab",
    "unit:su", "unit:core",
)  # fmt: skip

Draw = Any


def decimals(high: int, places: int = 6, low: int = 0) -> st.SearchStrategy[Decimal]:
    """Exact decimals in [low, high], often round ones."""
    scale = 10**places
    exact = st.integers(low * scale, high * scale).map(lambda n: Decimal(n).scaleb(-places))
    return st.one_of(st.integers(low, min(high, low + 20)).map(Decimal), exact)


def rarely(values: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Decimal]:
    """Often nothing at all."""
    return st.one_of(st.just(Decimal(0)), values)


PRICES = decimals(1000)
PERCENTS = decimals(100, places=4)


@st.composite
def slabs(draw: Draw, model: Model) -> tuple[Slab, ...]:
    if model in {Model.FLAT, Model.PACKAGE}:
        return (Slab(None, draw(PRICES), draw(rarely(PRICES))),)
    bounds: set[Decimal] = draw(st.sets(decimals(500).filter(bool), max_size=4))
    return tuple(
        Slab(bound, draw(PRICES), draw(rarely(PRICES))) for bound in (*sorted(bounds), None)
    )


@st.composite
def rates(
    draw: Draw,
    *,
    resource: str | None = None,
    rate_id: int = 1,
    price_list_id: int = 1,
    models: Any = tuple(Model),
) -> Rate:
    """A rate without criteria, plain in a third of what it may have."""
    model = draw(st.sampled_from(models))
    code = resource or draw(st.sampled_from(RESOURCES))
    return Rate(
        rate_id,
        price_list_id,
        "THB",
        code,
        model,
        draw(slabs(model)),
        resource_of(code).unit_size,
        package_units=draw(decimals(100).filter(bool)),
        allowance=draw(rarely(decimals(100))),
        discount_percent=draw(rarely(PERCENTS)),
        discount_amount=draw(rarely(decimals(500))),
        fee_at_zero=draw(st.booleans()),
    )


@st.composite
def quantities(draw: Draw, rate: Rate) -> int:
    """Base units: anything, or at a bound of the rate, or one beside it."""
    bounds = [slab.up_to for slab in rate.slabs if slab.up_to is not None]
    near = [int((bound + rate.allowance) * rate.unit_size) for bound in (Decimal(0), *bounds)]
    near.append(int((rate.package_units + rate.allowance) * rate.unit_size))
    exact = st.builds(lambda n, d: max(n + d, 0), st.sampled_from(near), st.integers(-1, 2))
    return int(draw(st.one_of(exact, st.integers(0, 600 * rate.unit_size))))


@st.composite
def tres(draw: Draw) -> str:
    """Canonical TRES text."""
    gpus = {kind: draw(st.integers(0, 3)) for kind in TYPES}
    total = sum(gpus.values()) + draw(st.sampled_from((0, 0, 1, 2)))
    memory = st.one_of(st.integers(0, 10**6).map("{}M".format), st.just("1025K"), st.just("3K"))
    parts = [
        ("cpu", draw(st.integers(0, 128))),
        ("mem", draw(memory)),
        ("node", draw(st.integers(0, 4))),
        ("billing", draw(st.sampled_from(("", "0", "17", "2.5", "0.000001")))),
        ("gres/gpu", total),
        *((f"gres/gpu:{kind}", count) for kind, count in gpus.items()),
        ("license/matlab", draw(st.sampled_from(("", "1", "3", "1.5", "-1")))),
    ]
    return ",".join(f"{key}={value}" for key, value in parts if value not in {0, "", "0M"})


@st.composite
def usages(draw: Draw) -> Usage:
    maybe = st.one_of(st.none(), st.integers(0, 10**9))
    return Usage(
        draw(st.sampled_from(CLUSTERS)),
        draw(st.sampled_from(PARTITIONS)),
        draw(st.sampled_from(QOSES)),
        draw(st.sampled_from(STATES)),
        draw(st.integers(0, 200_000)),
        draw(st.one_of(st.just(0), st.integers(0, 9000))),
        draw(tres()),
        draw(st.one_of(st.just(""), tres())),
        draw(maybe),
        draw(maybe),
        draw(maybe),
    )


@st.composite
def equivalents(draw: Draw, code: str = "su") -> Equivalent:
    named = draw(
        st.lists(
            st.sampled_from(("cpu", "mem", "gpu", "gpu:a100", "node")),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    factors = decimals(64)
    return Equivalent(
        code,
        draw(st.sampled_from(("max", "sum"))),
        tuple(Part(one, draw(factors), draw(factors.filter(bool))) for one in named),
        draw(st.sampled_from((None, *CLUSTERS))),
        draw(st.sampled_from(("", *PARTITIONS))),
    )


@st.composite
def terms(draw: Draw) -> Terms:
    policies = [
        StatePolicy(state, draw(PERCENTS), "a reason")
        for state in draw(st.sets(st.sampled_from(STATES), max_size=2))
    ]
    made = draw(st.lists(equivalents(), max_size=2)) + draw(
        st.lists(equivalents("core"), max_size=1)
    )
    unique = {(one.code, one.cluster_id, one.partition): one for one in made}
    return Terms(
        quantum_seconds=draw(st.sampled_from((1, 1, 60, 3600))),
        minimum_seconds=draw(st.sampled_from((0, 0, 60, 5000))),
        suspended_is_free=draw(st.booleans()),
        free=frozenset({"cpu", "mem", "gpu"}),
        states={policy.state: policy for policy in policies},
        equivalents=tuple(unique.values()),
    )


@st.composite
def limited(draw: Draw, rate_id: int, price_list_id: int) -> Rate:
    """A flat rate with criteria and a basis."""
    code = draw(st.sampled_from(RESOURCES))
    bases = [Basis.ALLOCATED, Basis.REQUESTED] + [Basis.USED] * (code in {"cpu", "mem"})
    return Rate(
        rate_id,
        price_list_id,
        "THB",
        code,
        Model.FLAT,
        (Slab(None, Decimal(1)),),
        resource_of(code).unit_size,
        basis=draw(st.sampled_from(bases)),
        cluster_id=draw(st.sampled_from((None, None, *CLUSTERS))),
        partition=draw(st.sampled_from(("", "", *PARTITIONS))),
        qos=draw(st.sampled_from(("", "", *QOSES))),
    )


@st.composite
def lists(draw: Draw, price_list_id: int, first: int) -> tuple[Rate, ...]:
    """The rates of one list, no two with the same criteria, keys from ``first`` on."""
    made = [draw(limited(first + place, price_list_id)) for place in range(draw(st.integers(1, 7)))]
    unique = {(r.resource, r.cluster_id, r.partition, r.qos): r for r in made}
    return tuple(unique.values())
