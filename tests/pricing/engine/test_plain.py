"""The plain path costs what the whole engine does."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.engine import NoRate, PricedRate, Prices, Slab, cumulative, measure
from pricing.resources import RESOURCES
from tests.pricing.engine.jobs import JOB, rate, tariff


def prices(**rates: str) -> Prices:
    found = {
        code: PricedRate(key, Decimal(unit_price), RESOURCES[code].unit_size)
        for key, (code, unit_price) in enumerate(rates.items(), 10)
    }
    return Prices("THB", found)


def figures_of(**used: int) -> tuple[int, ...]:
    return tuple(used.get(code, 0) for code in RESOURCES)


def test_each_resource_is_priced_in_its_unit() -> None:
    figures = figures_of(mem=8192 * 3600, cpu=4 * 3600, gpu=1800)
    found = prices(cpu="0.75", gpu="12", mem="0.05").of(figures)
    assert [(item.resource, item.rate.unit_size, item.amount) for item in found] == [
        ("cpu", 3600, Decimal("3.000000")),
        ("gpu", 3600, Decimal("6.000000")),
        ("mem", 3600 * 1024, Decimal("0.400000")),
    ]
    assert [item.rate.rate_id for item in found] == [10, 11, 12]


def test_a_resource_without_a_rate_is_refused_by_name() -> None:
    with pytest.raises(NoRate) as refusal:
        prices(cpu="1").of(figures_of(cpu=1, gpu=1))
    assert refusal.value.resource == "gpu"


def test_a_price_of_nothing_is_a_price() -> None:
    (item,) = prices(cpu="0").of(figures_of(cpu=3600))
    assert item.amount == 0


_PRICES = st.decimals(0, 10**6, places=6, allow_nan=False)


@given(
    st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 10**6),
    st.tuples(_PRICES, _PRICES, _PRICES),
)  # fmt: skip
def test_it_gives_what_the_whole_engine_gives(
    cpus: int, mib: int, gpus: int, seconds: int, costs: tuple[Decimal, Decimal, Decimal]
) -> None:
    cpu, mem, gpu = map(str, costs)
    rates = [rate(10, "cpu"), rate(11, "mem"), rate(12, "gpu")]
    priced = [
        replace(one, slabs=(Slab(None, cost),)) for one, cost in zip(rates, costs, strict=True)
    ]
    whole = tariff(priced, free=frozenset())
    assert whole.is_plain
    job = JOB._replace(
        tres=f"cpu={cpus},mem={mib}M,gres/gpu={gpus}", elapsed_seconds=seconds, suspended_seconds=0
    )
    figures = figures_of(cpu=cpus * seconds, mem=mib * seconds, gpu=gpus * seconds)
    found = prices(cpu=cpu, mem=mem, gpu=gpu).of(figures)
    assert [(item.resource, item.quantity, item.rate.rate_id, item.amount) for item in found] == [
        (one.resource, one.quantity, one.rate.rate_id, cumulative(one.rate, one.quantity))
        for one in measure(job, whole)
    ]
