"""What of a job is priced by which rate, and how much of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pricing.engine import (
    Basis,
    Equivalent,
    InvalidRate,
    Model,
    NoRate,
    Part,
    Rate,
    Slab,
    StatePolicy,
    Terms,
    job_minimum,
    measure,
    true_up,
)
from pricing.resources import UnknownResource, family_of, name_of, resource_of
from tests.pricing.engine.jobs import EVERYTHING, JOB, ONE, found, quantities, rate, tariff


@pytest.mark.parametrize(
    ("resource", "quantity"),
    [
        ("cpu", 4 * 90),
        ("mem", 2048 * 120),
        ("gpu", 4 * 120),
        ("gpu:a100", 2 * 120),
        ("node", 2 * 120),
        ("billing", 2_500_000 * 90),
        ("energy", 1234),
        ("license:matlab", 3 * 120),
    ],
)
def test_cpus_and_billing_stop_while_suspended_and_the_rest_stays_held(
    resource: str, quantity: int
) -> None:
    job = JOB._replace(energy_joules=1234)
    assert quantities(job, rate(1, resource)) == {resource: quantity}


def test_what_a_job_does_not_have_is_not_priced() -> None:
    others = [rate(n, code) for n, code in enumerate(("license:ansys", "gpu:h100", "energy"))]
    assert quantities(JOB, *others) == {}
    assert quantities(JOB._replace(tres=""), rate(1, "cpu"), rate(2, "billing")) == {}


def test_add_ons_have_nothing_to_do_with_jobs() -> None:
    assert quantities(JOB, rate(1, "sku:setup")) == {}
    assert tariff([rate(1, "sku:setup"), rate(2, "cpu")], free=frozenset()).is_plain


@pytest.mark.parametrize(
    ("terms", "cpu", "node"),
    [
        ({}, 90, 120),
        ({"quantum_seconds": 60}, 120, 120),
        ({"quantum_seconds": 3600}, 3600, 3600),
        ({"minimum_seconds": 100}, 100, 120),
        ({"minimum_seconds": 100, "quantum_seconds": 60}, 120, 120),
        ({"minimum_seconds": 3601, "quantum_seconds": 3600}, 7200, 7200),
        ({"suspended_is_free": True}, 90, 90),
    ],
)
def test_time_is_the_minimum_and_then_whole_quanta(
    terms: dict[str, Any], cpu: int, node: int
) -> None:
    assert quantities(JOB, rate(1, "cpu"), rate(2, "node"), **terms) == {
        "cpu": 4 * cpu,
        "node": 2 * node,
    }


def test_a_job_that_held_nothing_used_nothing_whatever_the_minimum() -> None:
    nothing = JOB._replace(elapsed_seconds=0, suspended_seconds=0)
    assert quantities(nothing, rate(1, "cpu"), minimum_seconds=3600, free=frozenset()) == {}


def test_gpus_of_a_type_with_a_rate_of_its_own_are_priced_by_it_and_the_rest_together() -> None:
    prices = tariff([rate(1, "gpu"), rate(2, "gpu:a100")])
    assert found(JOB, prices) == {"gpu": (1, 2 * 120, ""), "gpu:a100": (2, 2 * 120, "")}


def test_a_rate_of_all_gpus_that_is_more_specific_wins_over_a_type() -> None:
    here = rate(1, "gpu", partition="short", qos="normal")
    assert found(JOB, tariff([here, rate(2, "gpu:a100")])) == {"gpu": (1, 4 * 120, "")}


@pytest.mark.parametrize("missing", ["cpu", "mem", "gpu", "gpu:a100"])
def test_what_needs_a_rate_and_has_none_is_named(missing: str) -> None:
    codes = {"cpu", "mem", "gpu", "gpu:a100", "gpu:v100"} - {missing}
    if missing.startswith("gpu:"):
        codes -= {"gpu"}
    prices = tariff([rate(n, code) for n, code in enumerate(sorted(codes))], free=frozenset())
    with pytest.raises(NoRate) as refusal:
        measure(JOB, prices)
    # Without a rate for all GPUs, the first that is missing is the one whose type is not known.
    assert refusal.value.resource == ("gpu" if missing.startswith("gpu") else missing)


def test_free_resources_are_priced_where_there_is_a_rate() -> None:
    assert set(quantities(JOB, rate(1, "cpu"), free=EVERYTHING)) == {"cpu"}
    types = frozenset({"cpu", "mem", "gpu:a100"})
    with pytest.raises(NoRate) as refusal:
        quantities(JOB, rate(1, "cpu"), free=types)
    assert refusal.value.resource == "gpu"


def test_a_negotiated_list_comes_first_for_the_resources_that_it_has() -> None:
    ours = [rate(1, "cpu"), rate(2, "gpu:a100"), rate(3, "mem", partition="long")]
    tiers = [rate(11, "cpu", partition="short"), rate(12, "mem"), rate(13, "gpu")]
    prices = tariff(ours, tiers, free=frozenset())
    assert {code: one[0] for code, one in found(JOB, prices).items()} == {
        "cpu": 1,
        "gpu": 13,
        "gpu:a100": 2,
        "mem": 12,
    }
    # A negotiated rate for all GPUs is one for A100s too.
    prices = tariff([rate(1, "gpu")], [rate(2, "gpu:a100")])
    assert found(JOB, prices) == {"gpu": (1, 4 * 120, "")}


ASKED = JOB._replace(
    req_tres="cpu=1,mem=1024M,node=1,billing=1,gres/gpu=3,gres/gpu:a100=2,gres/gpu:v100=1"
)


def requested(rate_id: int, resource: str) -> Rate:
    return rate(rate_id, resource, basis=Basis.REQUESTED)


@pytest.mark.parametrize(
    ("resource", "asked", "given"),
    [
        ("cpu", 90, 4 * 90),
        ("mem", 1024 * 120, 2048 * 120),
        ("node", 120, 2 * 120),
        ("billing", 10**6 * 90, 2_500_000 * 90),
        ("gpu", 3 * 120, 4 * 120),
        ("gpu:a100", 2 * 120, 2 * 120),
    ],
)
def test_what_was_requested_or_else_allocated_which_is_said(
    resource: str, asked: int, given: int
) -> None:
    prices = tariff([requested(1, resource)])
    assert found(ASKED, prices) == {resource: (1, asked, "requested")}
    assert found(JOB, prices) == {resource: (1, given, "fallback")}


def test_a_request_without_types_says_nothing_of_the_gpus_of_one_type() -> None:
    untyped = JOB._replace(req_tres="cpu=1,gres/gpu=1")
    prices = tariff([requested(1, "gpu:a100"), requested(2, "gpu")])
    assert found(untyped, prices) == {
        "gpu": (2, 2 * 120, "fallback"),
        "gpu:a100": (1, 2 * 120, "fallback"),
    }
    one_rate = tariff([requested(2, "gpu")])
    assert found(untyped, one_rate) == {"gpu": (2, 120, "requested")}
    mixed = tariff([rate(1, "gpu:a100"), requested(2, "gpu")])
    assert found(ASKED, mixed) == {"gpu": (2, 120, "requested"), "gpu:a100": (1, 240, "")}


def test_what_was_used_is_taken_as_it_is_or_else_allocated_which_is_said() -> None:
    prices = tariff(
        [rate(1, "cpu", basis=Basis.USED), rate(2, "mem", basis=Basis.USED)], quantum_seconds=3600
    )
    measured = JOB._replace(used_cpu_seconds=77, used_mem_mib_seconds=0)
    assert found(measured, prices) == {"cpu": (1, 77, "used")}
    assert found(JOB, prices) == {
        "cpu": (1, 4 * 3600, "fallback"),
        "mem": (2, 2048 * 3600, "fallback"),
    }


SU = Equivalent(
    "su", "max", (Part("cpu", ONE), Part("mem", ONE, Decimal(1)), Part("gpu:a100", ONE))
)


def test_an_equivalent_is_priced_instead_of_its_parts() -> None:
    rates = [rate(1, "unit:su"), rate(2, "cpu"), rate(3, "gpu"), rate(4, "gpu:a100")]
    assert quantities(JOB, *rates, equivalents=(SU,), free=frozenset()) == {
        "gpu": 2 * 120,
        "unit:su": 4 * 120 * 10**6,
    }
    whole = replace(SU, parts=(*SU.parts, Part("gpu", ONE)))
    assert set(quantities(JOB, *rates, equivalents=(whole,))) == {"unit:su"}


def test_an_equivalent_without_a_rate_and_a_rate_without_an_equivalent_count_for_nothing() -> None:
    assert set(quantities(JOB, rate(2, "cpu"), equivalents=(SU,))) == {"cpu"}
    assert set(quantities(JOB, rate(1, "unit:su"), rate(2, "cpu"))) == {"cpu"}
    elsewhere = replace(SU, cluster_id=7)
    rates = [rate(1, "unit:su"), rate(2, "cpu")]
    assert set(quantities(JOB, *rates, equivalents=(elsewhere,))) == {"cpu"}


def test_a_request_without_types_says_nothing_of_an_equivalent_with_types() -> None:
    prices = tariff([requested(1, "unit:su")], equivalents=(SU,))
    assert found(ASKED, prices)["unit:su"] == (1, 2 * 120 * 10**6, "requested")
    untyped = JOB._replace(req_tres="cpu=1,gres/gpu=1")
    assert found(untyped, prices)["unit:su"] == (1, 4 * 120 * 10**6, "fallback")


def test_the_percentage_of_a_state_comes_last() -> None:
    half = {"TIMEOUT": StatePolicy("TIMEOUT", Decimal("33.3333"), "our fault")}
    late = JOB._replace(state="TIMEOUT", tres="cpu=1")
    assert quantities(late, rate(1, "cpu"), states=half, quantum_seconds=60) == {"cpu": 40}
    assert quantities(JOB._replace(tres="cpu=1"), rate(1, "cpu"), states=half) == {"cpu": 90}


@pytest.mark.parametrize(
    ("minimum", "total", "percent", "added"),
    [
        ("5", "3.5", "100", "1.5"),
        ("5", "5", "100", "0"),
        ("5", "7", "100", "0"),
        ("5", "-2", "100", "7"),
        ("5", "1", "33.3333", "0.666665"),
        ("0.000001", "0", "50", "0.000001"),
    ],
)
def test_a_job_pays_its_share_of_the_minimum(
    minimum: str, total: str, percent: str, added: str
) -> None:
    found = job_minimum(Decimal(total), minimum=Decimal(minimum), percent=Decimal(percent))
    assert found == Decimal(added)


def test_shapes_of_jobs_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricing.engine.tariff.MAX_SHAPES", 2)
    prices = tariff([rate(1, "cpu")])
    for cpus in (1, 2, 3, 1, 2, 3):
        assert found(JOB._replace(tres=f"cpu={cpus}"), prices) == {"cpu": (1, cpus * 90, "")}
    assert prices.items("cpu=3", "") is prices.items("cpu=3", "")


# What is refused when it is made


@pytest.mark.parametrize(
    "values",
    [
        {"slabs": ()},
        {"slabs": (Slab(Decimal(5), ONE),)},
        {"slabs": (Slab(None, ONE), Slab(None, ONE))},
        {"slabs": (Slab(Decimal(5), ONE), Slab(Decimal(5), ONE), Slab(None, ONE))},
        {"slabs": (Slab(Decimal(0), ONE), Slab(None, ONE))},
        {"slabs": (Slab(None, -ONE),)},
        {"slabs": (Slab(None, Decimal("NaN")),)},
        {"slabs": (Slab(None, Decimal("Infinity")),)},
        {"slabs": (Slab(None, ONE, -ONE),)},
        {"model": Model.FLAT, "slabs": (Slab(Decimal(5), ONE), Slab(None, ONE))},
        {"package_units": Decimal(0)},
        {"unit_size": 0},
        {"allowance": -ONE},
        {"discount_percent": Decimal("100.0001")},
        {"discount_amount": -ONE},
        {"resource": "gpu", "basis": Basis.USED},
    ],
)
def test_rates_that_price_nothing_are_refused(values: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "rate_id": 1,
        "price_list_id": 1,
        "currency": "THB",
        "resource": "cpu",
        "model": Model.GRADUATED,
        "slabs": (Slab(None, ONE),),
        "unit_size": 3600,
    }
    assert Rate(**good).is_linear is False
    with pytest.raises(InvalidRate):
        Rate(**good | values)


@pytest.mark.parametrize(
    "values",
    [
        {"quantum_seconds": 0},
        {"minimum_seconds": -1},
        {"minimum_per_job": -ONE},
        {"cap": Decimal("NaN")},
        {"cap": Decimal(1), "commitment": Decimal(2)},
        {"states": {"FAILED": StatePolicy("FAILED", Decimal(101))}},
        {"states": {"FAILED": StatePolicy("TIMEOUT", Decimal(1))}},
    ],
)
def test_terms_that_mean_nothing_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidRate):
        Terms(**values)


@pytest.mark.parametrize(
    ("combine", "parts"),
    [
        ("mean", [Part("cpu", ONE)]),
        ("max", []),
        ("max", [Part("cpu", ONE), Part("cpu", ONE)]),
        ("max", [Part("energy", ONE)]),
        ("max", [Part("gpu:", ONE)]),
        ("max", [Part("cpu", -ONE)]),
        ("max", [Part("cpu", ONE, Decimal(0))]),
    ],
)
def test_equivalents_that_mean_nothing_are_refused(combine: str, parts: list[Part]) -> None:
    with pytest.raises(InvalidRate):
        Equivalent("su", combine, tuple(parts))


def test_one_job_is_priced_in_one_currency() -> None:
    with pytest.raises(InvalidRate, match="THB and USD"):
        tariff([rate(1, "cpu", currency="USD")], [rate(2, "mem")])


def test_a_cap_below_the_commitment_is_refused() -> None:
    with pytest.raises(InvalidRate):
        true_up(ONE, cap=Decimal(1), commitment=Decimal(2))


@pytest.mark.parametrize(
    ("code", "family", "name", "size"),
    [
        ("gpu:a100", "gpu", "a100", 3600),
        ("license:matlab@server", "license", "matlab@server", 3600),
        ("unit:su", "unit", "su", 3600 * 10**6),
        ("sku:setup", "sku", "setup", 10**6),
        ("billing", "billing", "", 3600 * 10**6),
        ("energy", "energy", "", 3_600_000),
        ("mem", "mem", "", 3600 * 1024),
    ],
)
def test_resources_by_code(code: str, family: str, name: str, size: int) -> None:
    assert (family_of(code), name_of(code)) == (family, name)
    assert resource_of(code).unit_size == size
    assert resource_of(code).code == code


@pytest.mark.parametrize(
    "code", ["", "steam", "cpu:fast", "gpu:", "gpu:a 100", "unit", "sku:" + "x" * 57, "gpu:a100\n"]
)
def test_other_codes_are_no_resources(code: str) -> None:
    with pytest.raises(UnknownResource):
        resource_of(code)
