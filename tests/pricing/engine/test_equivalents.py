"""Units of account as Slurm and computing centres define them."""

from decimal import Decimal

import pytest

from pricing.engine import (
    Equivalent,
    Model,
    Part,
    Rate,
    Slab,
    Tariff,
    Terms,
    Usage,
    cumulative,
    measure,
)
from pricing.resources import resource_of

HOUR = 3600


def units(equivalent: Equivalent, tres: str, hours: Decimal = Decimal(1)) -> Decimal:
    """What a job comes to in the unit, priced at 1."""
    return price(equivalent, tres, hours, "1")


def price(equivalent: Equivalent, tres: str, hours: Decimal, unit_price: str) -> Decimal:
    resource = equivalent.resource
    size = resource_of(resource).unit_size
    rate = Rate(1, 1, "SU", resource, Model.FLAT, (Slab(None, Decimal(unit_price)),), size)
    terms = Terms(free=frozenset({"cpu", "mem", "gpu"}), equivalents=(equivalent,))
    tariff = Tariff([[rate]], terms, cluster_id=1, partition="", qos="")
    job = Usage(1, "", "", "COMPLETED", int(hours * HOUR), 0, tres)
    (only,) = measure(job, tariff)
    return cumulative(rate, only.quantity)


def equivalent(combine: str, **parts: tuple[str, str]) -> Equivalent:
    """Parts are (counts, per)."""
    return Equivalent(
        "su",
        combine,
        tuple(
            Part(name.replace("_", ":"), Decimal(counts), Decimal(per))
            for name, (counts, per) in parts.items()
        ),
    )


# slurm.schedmd.com/tres.html, TRESBillingWeights="CPU=1.0,Mem=0.25G,GRES/gpu=2.0": a job with 1 CPU
# and 8 GB is billed (1*1.0) + (8*0.25) + (0*2.0) = 3.0, with PriorityFlags=MAX_TRES 2.0.
WEIGHTS = {"cpu": ("1.0", "1"), "mem": ("0.25", "1"), "gpu": ("2.0", "1")}


@pytest.mark.parametrize(("combine", "billing"), [("sum", "3.0"), ("max", "2.0")])
def test_billing_weights_of_slurm(combine: str, billing: str) -> None:
    assert units(equivalent(combine, **WEIGHTS), "cpu=1,mem=8192M") == Decimal(billing)


def test_billing_weights_keep_fractions() -> None:
    # The same page: 1 CPU and 10 GB are 1 + 2.5; Slurm stores an integer, we keep the fraction.
    assert units(equivalent("sum", **WEIGHTS), "cpu=1,mem=10240M") == Decimal("3.5")


# opus.nci.org.au/spaces/Help/pages/236880942/Job+Costs...: queue charge rate × max(NCPUs, memory ÷
# 4 GB) × hours; the rate of the queue "normal" is 2, of "express" 6.
GADI = equivalent("max", cpu=("1", "1"), mem=("1", "4"))


@pytest.mark.parametrize(
    ("rate", "cpus", "gigabytes", "service_units"),
    [
        ("2", 4, 16, "40"),
        ("2", 8, 16, "80"),
        ("2", 8, 128, "320"),
        ("2", 8, 192, "480"),
        ("6", 8, 16, "240"),
    ],
)
def test_job_costs_of_gadi(rate: str, cpus: int, gigabytes: int, service_units: str) -> None:
    tres = f"cpu={cpus},mem={gigabytes * 1024}M"
    assert price(GADI, tres, Decimal(5), rate) == Decimal(service_units)


def test_job_cost_of_gadi_on_gpu_nodes_is_exact() -> None:
    # The same page, gpuvolta: 12 × max[1, (48/382) × (380/12)] × 5 × 3 = 716.23 (rounded).
    node = equivalent("max", cpu=("1", "1"), mem=("48", "382"))
    found = price(node, "cpu=12,mem=389120M,gres/gpu=1", Decimal(5), "3")
    assert found.quantize(Decimal("0.01")) == Decimal("716.23")


# crc.pitt.edu/resources/h2p-cluster/service-units: the maximum of cores and memory; default RAM is
# total RAM ÷ total cores. Here a machine of 12 cores and 48 GB.
def test_service_units_of_pittsburgh() -> None:
    h2p = equivalent("max", cpu=("1", "1"), mem=("12", "48"))
    assert units(h2p, "cpu=12,mem=49152M", Decimal(2)) == 24
    assert units(h2p, "cpu=1,mem=49152M", Decimal(4)) == 48


# docs.ncsa.illinois.edu/systems/tgirails: 1 SU per CPU core, 5.3 GB with it; 120 per H100; 48 per
# A100, .4 per AMD core. A whole CPU node for an hour is 96 SUs, an 8-way GPU node 960.
def test_service_units_of_rails() -> None:
    rails = equivalent("max", cpu=("1", "1"), mem=("1", "5.3"), gpu_h100=("120", "1"))
    assert units(rails, "cpu=96,mem=520000M,node=1") == 96
    assert units(rails, "cpu=96,mem=520000M,node=1,gres/gpu=8,gres/gpu:h100=8") == 960
    amd = equivalent("max", cpu=("0.4", "1"), gpu_a100=("48", "1"))
    assert units(amd, "cpu=96,gres/gpu=1,gres/gpu:a100=1") == 48


# docs.hpc.cyfronet.pl/environment/batch-system/billing: final cost = max(GPUs, CPUs ÷ CPUs per GPU,
# memory ÷ memory per GPU) × duration. (There each part is rounded up; ours keep the fraction.)
def test_gpu_hours_of_cyfronet() -> None:
    gpu_hour = equivalent("max", gpu=("1", "1"), cpu=("1", "16"), mem=("1", "128"))
    assert units(gpu_hour, "cpu=16,mem=131072M,gres/gpu=1", Decimal(2)) == 2
    assert units(gpu_hour, "cpu=64,mem=131072M,gres/gpu=1", Decimal(2)) == 8


def test_gpus_whose_type_is_no_part_count_as_gpus() -> None:
    mixed = equivalent("sum", gpu=("8", "1"), gpu_a100=("16", "1"))
    assert units(mixed, "gres/gpu=4,gres/gpu:a100=2,gres/gpu:v100=1") == 16 * 2 + 8 * 2


def test_the_most_specific_definition_counts_and_a_cluster_before_a_partition() -> None:
    made = [
        Equivalent("su", "max", (Part("cpu", Decimal(n)),), cluster, partition)
        for n, (cluster, partition) in enumerate([(None, ""), (None, "p"), (1, ""), (1, "p")], 1)
    ]
    size = resource_of("unit:su").unit_size
    rate = Rate(1, 1, "SU", "unit:su", Model.FLAT, (Slab(None, Decimal(1)),), size)
    for cluster, partition, factor in [(2, "q", 1), (2, "p", 2), (1, "q", 3), (1, "p", 4)]:
        for order in (made, made[::-1]):
            tariff = Tariff(
                [[rate]],
                Terms(equivalents=tuple(order)),
                cluster_id=cluster,
                partition=partition,
                qos="",
            )
            (only,) = tariff.equivalents
            assert only.parts[0].counts == factor
    both = Tariff(
        [[rate]], Terms(equivalents=tuple(made[1:3])), cluster_id=1, partition="p", qos=""
    )
    assert both.equivalents[0].cluster_id == 1
