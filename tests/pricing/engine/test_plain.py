"""The plain path costs what the whole engine does."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.engine import NoRate, PricedRate, Prices, cumulative, measure, price
from pricing.resources import quantities
from tests.pricing.engine.jobs import JOB, rate, tariff


def prices(**rates: str) -> Prices:
    found = {
        code: PricedRate(key, Decimal(unit_price))
        for key, (code, unit_price) in enumerate(rates.items(), 10)
    }
    return Prices("THB", found)


def test_each_resource_is_priced_in_its_unit() -> None:
    used = {"mem": 8192 * 3600, "cpu": 4 * 3600, "gpu": 1800}
    found = price(used, prices(cpu="0.75", gpu="12", mem="0.05"))
    assert [(item.resource, item.unit_size, item.amount) for item in found] == [
        ("cpu", 3600, Decimal("3.000000")),
        ("gpu", 3600, Decimal("6.000000")),
        ("mem", 3600 * 1024, Decimal("0.400000")),
    ]
    assert [item.rate.rate_id for item in found] == [10, 11, 12]


def test_a_resource_without_a_rate_is_refused_by_name() -> None:
    with pytest.raises(NoRate) as refusal:
        price({"cpu": 1, "gpu": 1}, prices(cpu="1"))
    assert refusal.value.resource == "gpu"


def test_a_price_of_nothing_is_a_price() -> None:
    (item,) = price({"cpu": 3600}, prices(cpu="0"))
    assert item.amount == 0


class Stored:
    """The figures that a job keeps."""

    def __init__(self, cpus: int, mib: int, gpus: int, seconds: int) -> None:
        self.cpu_seconds = cpus * seconds
        self.mem_mib_seconds = mib * seconds
        self.gpu_seconds = gpus * seconds


@given(*[st.integers(0, 1000)] * 3, st.integers(0, 10**6))
def test_it_gives_what_the_whole_engine_gives(cpus: int, mib: int, gpus: int, seconds: int) -> None:
    whole = tariff([rate(10, "cpu"), rate(11, "mem"), rate(12, "gpu")], free=frozenset())
    assert whole.is_plain
    job = JOB._replace(
        tres=f"cpu={cpus},mem={mib}M,gres/gpu={gpus}", elapsed_seconds=seconds, suspended_seconds=0
    )
    found = price(quantities(Stored(cpus, mib, gpus, seconds)), prices(cpu="1", mem="1", gpu="1"))
    assert [(item.resource, item.quantity, item.rate.rate_id, item.amount) for item in found] == [
        (one.resource, one.quantity, one.rate.rate_id, cumulative(one.rate, one.quantity))
        for one in measure(job, whole)
    ]
