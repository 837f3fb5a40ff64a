"""The engine's parts, each once."""

from decimal import Decimal

from pricing.engine import (
    Basis,
    Equivalent,
    Model,
    Part,
    Rate,
    Slab,
    StatePolicy,
    Tariff,
    Terms,
    Usage,
    choose,
    cumulative,
    measure,
    shares,
    ties,
    true_up,
)
from pricing.resources import resource_of

GRADUATED = (
    Slab(Decimal(10), Decimal(5), Decimal(1)),
    Slab(Decimal(20), Decimal(4)),
    Slab(None, Decimal(3), Decimal(2)),
)


def rate(rate_id: int = 1, resource: str = "cpu", price: str = "1", **values: object) -> Rate:
    settings = {
        "price_list_id": 1,
        "currency": "THB",
        "model": Model.FLAT,
        "slabs": (Slab(None, Decimal(price)),),
        "unit_size": resource_of(resource).unit_size,
    } | values
    return Rate(rate_id, resource=resource, **settings)  # type: ignore[arg-type]


def test_cumulative() -> None:
    graduated = rate(model=Model.GRADUATED, slabs=GRADUATED)
    assert cumulative(graduated, 0) == 0
    assert cumulative(graduated, 10 * 3600) == 51
    assert cumulative(graduated, 25 * 3600) == 51 + 40 + 2 + 15
    volume = rate(model=Model.VOLUME, slabs=GRADUATED)
    assert cumulative(volume, 10 * 3600) == 51
    assert cumulative(volume, 20 * 3600) == 80
    assert cumulative(volume, 25 * 3600) == 77
    package = rate(model=Model.PACKAGE, package_units=Decimal(8), price="7")
    assert [cumulative(package, units * 3600) for units in (0, 1, 8, 9)] == [0, 7, 7, 14]


def test_measure() -> None:
    rates = [
        rate(1),
        rate(2, "mem", basis=Basis.USED),
        rate(3, "gpu"),
        rate(4, "gpu:a100"),
        rate(5, "unit:su", partition="long"),
    ]
    terms = Terms(
        quantum_seconds=60,
        states={"NODE_FAIL": StatePolicy("NODE_FAIL", Decimal(50), "our fault")},
        equivalents=(
            Equivalent("su", "max", (Part("cpu", Decimal(1)), Part("mem", Decimal(1), Decimal(4)))),
        ),
    )
    usage = Usage(
        1, "short", "", "NODE_FAIL", 90, 30,
        "cpu=4,mem=8192M,node=1,billing=4,gres/gpu=3,gres/gpu:a100=2,gres/gpu:v100=1",
    )  # fmt: skip
    short = Tariff([rates], terms, cluster_id=1, partition="short", qos="")
    assert [(m.resource, m.rate.rate_id, m.quantity, m.basis) for m in measure(usage, short)] == [
        ("cpu", 1, 4 * 120 // 2, ""),
        ("gpu", 3, 120 // 2, ""),
        ("gpu:a100", 4, 2 * 120 // 2, ""),
        ("mem", 2, 8192 * 120 // 2, "fallback"),
    ]
    long = Tariff([rates], terms, cluster_id=1, partition="long", qos="")
    assert [(m.resource, m.quantity) for m in measure(usage, long)] == [
        ("gpu", 60),
        ("gpu:a100", 120),
        ("unit:su", 4 * 60 * 10**6),
    ]


def test_choice_and_ties() -> None:
    here, there = rate(1, cluster_id=1), rate(2, partition="p")
    assert ties([here, there]) == [(here, there)]
    both = rate(3, cluster_id=1, partition="p")
    assert ties([here, there, both]) == []
    found = choose([here, there, both], resource="cpu", cluster_id=1, partition="p", qos="")
    assert found is both


def test_shares_and_true_up() -> None:
    assert shares(100, [Decimal("33.3"), Decimal("33.3"), Decimal("33.4")]) == [33, 33, 34]
    assert true_up(Decimal(120), cap=Decimal(100), commitment=None) == -20
