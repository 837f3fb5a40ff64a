"""What is true of every rate, job and split, whatever its numbers."""

import ast
import random
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pricing.engine
from core.money import charge_amount
from pricing.engine import (
    Equivalent,
    ExemptByState,
    InvalidRate,
    Model,
    NoRate,
    Rate,
    Slab,
    StatePolicy,
    Tariff,
    Terms,
    TooLarge,
    Unreadable,
    Usage,
    choose,
    cumulative,
    linear_amount,
    measure,
    shares,
    ties,
)
from pricing.engine.choice import criteria
from pricing.resources import RESOURCES
from tests.pricing.engine import strategies as some
from usage.tres import parse_tres

SMALLEST = Decimal("0.000001")


@st.composite
def priced(draw: some.Draw) -> tuple[Rate, list[int]]:
    """A rate, and quantities in rising order."""
    rate = draw(some.rates())
    return rate, sorted(draw(st.lists(some.quantities(rate), min_size=1, max_size=8)))


def exactly(rate: Rate, quantity: int) -> Fraction:
    """The month's price as the definition has it, in fractions and before rounding."""
    units = max(Fraction(quantity, rate.unit_size) - Fraction(rate.allowance), Fraction(0))
    if not units:
        total = Fraction(rate.slabs[0].flat_fee) if rate.fee_at_zero else Fraction(0)
    elif rate.model is Model.PACKAGE:
        blocks = -(-units // Fraction(rate.package_units))
        total = blocks * Fraction(rate.slabs[0].unit_price) + Fraction(rate.slabs[0].flat_fee)
    elif rate.model is Model.VOLUME:
        slab = next(s for s in rate.slabs if s.up_to is None or units <= s.up_to)
        total = units * Fraction(slab.unit_price) + Fraction(slab.flat_fee)
    else:
        total, low = Fraction(0), Fraction(0)
        for slab in rate.slabs:
            if units > low:
                top = units if slab.up_to is None else min(units, Fraction(slab.up_to))
                total += (top - low) * Fraction(slab.unit_price) + Fraction(slab.flat_fee)
                low = top
    total *= 1 - Fraction(rate.discount_percent) / 100
    return max(total - Fraction(rate.discount_amount), Fraction(0))


@given(priced())
def test_a_sum_is_what_the_definition_says_rounded_once_and_half_up(
    case: tuple[Rate, list[int]],
) -> None:
    rate, quantities = case
    for quantity in [0, *quantities]:
        exact = exactly(rate, quantity)
        with localcontext() as context:
            context.prec = 200
            reference = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(
                SMALLEST, rounding=ROUND_HALF_UP
            )
        assert cumulative(rate, quantity) == reference


@given(priced())
def test_more_never_costs_less_but_where_volume_steps_down(case: tuple[Rate, list[int]]) -> None:
    rate, quantities = case
    prices = [cumulative(rate, quantity) for quantity in [0, *quantities]]
    assert all(price >= 0 and price.as_tuple().exponent == -6 for price in prices)
    if rate.model is not Model.VOLUME:
        # A fee that is due without use is the first slab's, so no use never costs more than some.
        assert all(low <= high for low, high in pairwise(prices))


def test_a_volume_step_down_is_a_negative_charge() -> None:
    slabs = (Slab(Decimal(10), Decimal(5)), Slab(None, Decimal(4)))
    rate = Rate(1, 1, "THB", "cpu", Model.VOLUME, slabs, 3600)
    assert cumulative(rate, 11 * 3600) - cumulative(rate, 10 * 3600) == -6


@given(priced(), st.lists(st.integers(0, 10**7), max_size=12))
def test_charges_add_up_to_the_price_of_the_whole_however_it_is_split(
    case: tuple[Rate, list[int]], parts: list[int]
) -> None:
    rate, _ = case
    counter, charged = 0, Decimal(0)
    for place, part in enumerate(parts):
        before = cumulative(rate, counter) if place else Decimal(0)
        counter += part
        charged += cumulative(rate, counter) - before
    if parts:
        assert charged == cumulative(rate, sum(parts))


class Counter:
    """The bookkeeping of a month: charges, reversals that negate them, and adjustments."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.quantity = 0
        self.amount = Decimal(0)
        self.charges: list[tuple[int, Decimal]] = []
        self.booked = Decimal(0)

    def charge(self, quantity: int) -> None:
        self.quantity += quantity
        difference = cumulative(self.rate, self.quantity) - self.amount
        self.charges.append((quantity, difference))
        self._book(difference)

    def reverse(self, place: int) -> None:
        quantity, amount = self.charges.pop(place)
        self.quantity -= quantity
        self._book(-amount)
        self._book(cumulative(self.rate, self.quantity) - self.amount)  # the adjustment

    def _book(self, amount: Decimal) -> None:
        self.amount += amount
        self.booked += amount


@given(
    priced(),
    st.lists(st.integers(1, 10**7), min_size=1, max_size=10),
    st.randoms(use_true_random=False),
)
def test_what_is_booked_is_the_price_of_the_whole_for_any_order_with_reversals(
    case: tuple[Rate, list[int]], quantities: list[int], chance: random.Random
) -> None:
    rate, _ = case
    waiting, counter, kept = list(quantities), Counter(rate), []
    while waiting:
        quantity = waiting.pop(chance.randrange(len(waiting)))
        counter.charge(quantity)
        if chance.random() < 0.4:
            place = chance.randrange(len(counter.charges))
            gone = counter.charges[place][0]
            counter.reverse(place)
            if chance.random() < 0.5:
                waiting.append(gone)  # its replacement
        kept = [quantity for quantity, _ in counter.charges]
        assert counter.quantity == sum(kept)
        assert counter.booked == cumulative(rate, counter.quantity)
    assert counter.booked == cumulative(rate, sum(kept))


@pytest.mark.parametrize("model", [Model.GRADUATED, Model.VOLUME])
@pytest.mark.parametrize("bound", ["10", "0.5", "7.25", "0.000001"])
def test_the_bound_of_a_slab_belongs_to_it_and_the_next_base_unit_does_not(
    model: Model, bound: str
) -> None:
    size, top = 3600 * 10**6, Decimal(bound)
    slabs = (Slab(top, Decimal(5), Decimal(1)), Slab(None, Decimal(3), Decimal(100)))
    rate = Rate(1, 1, "THB", "unit:su", model, slabs, size)
    edge = int(top * size)
    assert edge == top * size
    below, at, above = (cumulative(rate, quantity) for quantity in (edge - 1, edge, edge + 1))
    assert below <= at == (5 * top + 1).quantize(SMALLEST)
    next_fee = 101 if model is Model.GRADUATED else 100
    rest = 5 * top if model is Model.GRADUATED else 3 * top
    assert abs(above - (rest + next_fee)) <= SMALLEST


@given(priced(), st.integers(0, 10**12))
def test_linear_rates_cost_the_same_by_themselves_as_by_a_counter(
    case: tuple[Rate, list[int]], quantity: int
) -> None:
    rate, _ = case
    price = rate.slabs[0].unit_price
    plain = replace(
        rate,
        model=Model.FLAT,
        slabs=(Slab(None, price),),
        allowance=Decimal(0),
        discount_percent=Decimal(0),
        discount_amount=Decimal(0),
    )
    assert plain.is_linear
    assert plain.unit_price == price
    amount = linear_amount(plain, quantity)
    assert amount == cumulative(plain, quantity) == charge_amount(quantity, price, rate.unit_size)


@given(some.rates())
def test_only_linear_rates_have_a_unit_price(rate: Rate) -> None:
    by_itself = all(
        abs(cumulative(rate, 2 * n) - 2 * cumulative(rate, n)) <= 3 * SMALLEST
        for n in (rate.unit_size, 150 * rate.unit_size, 10**4 * rate.unit_size)
    )
    assert (rate.unit_price is not None) == rate.is_linear
    assert by_itself or not rate.is_linear


def test_what_is_not_one_price_or_not_a_quantity_is_refused() -> None:
    package = Rate(1, 1, "THB", "cpu", Model.PACKAGE, (Slab(None, Decimal(1)),), 3600)
    with pytest.raises(InvalidRate):
        linear_amount(package, 1)
    with pytest.raises(ValueError, match="-1"):
        cumulative(package, -1)


# Shares


@given(
    st.integers(0, 10**15),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=7).filter(any),
)
def test_shares_sum_exactly_and_are_within_one_of_the_ideal(
    quantity: int, weights: list[int]
) -> None:
    percents = [Decimal(weight * 10**6 // sum(weights)).scaleb(-4) for weight in weights]
    percents[0] += 100 - sum(percents)
    parts = shares(quantity, percents)
    assert sum(parts) == quantity
    for part, percent in zip(parts, percents, strict=True):
        assert part >= 0
        assert abs(part - quantity * Fraction(percent) / 100) < 1


def test_equal_remainders_go_to_the_first() -> None:
    assert shares(1, [Decimal(50), Decimal(50)]) == [1, 0]
    assert shares(5, [Decimal(25)] * 4) == [2, 1, 1, 1]


@pytest.mark.parametrize("percents", [[], ["99.9999"], ["60", "50"], ["110", "-10"]])
def test_percentages_that_are_not_a_hundred_are_refused(percents: list[str]) -> None:
    with pytest.raises(ValueError, match="can't be divided"):
        shares(1, [Decimal(percent) for percent in percents])


# Choice

JOBS = list(product((1, 2, 3), (*some.PARTITIONS, "other"), (*some.QOSES, "other")))


@given(some.lists(1, 1), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_rates(
    rates: tuple[Rate, ...], chance: random.Random
) -> None:
    mixed = chance.sample(rates, len(rates))
    for (cluster, partition, qos), resource in product(JOBS, ("cpu", "gpu", "gpu:a100")):
        asked = {"cluster_id": cluster, "partition": partition, "qos": qos}
        assert choose(rates, resource=resource, **asked) == choose(  # type: ignore[arg-type]
            mixed,
            resource=resource,
            **asked,  # type: ignore[arg-type]
        )


@given(some.lists(1, 1))
def test_without_ties_one_rate_is_the_most_specific_for_every_job(rates: tuple[Rate, ...]) -> None:
    tied = bool(ties(rates))
    ambiguous = False
    for cluster, partition, qos in JOBS:
        for resource in some.RESOURCES:
            job = {"cluster": cluster, "partition": partition, "qos": qos, "type": resource}
            general = "gpu" if resource.startswith("gpu") else resource
            fits = [
                rate
                for rate in rates
                if rate.resource in {resource, general}
                and all(job[key] == value for key, value in criteria(rate).items())
            ]
            best = max((len(criteria(rate)) for rate in fits), default=0)
            ambiguous |= sum(len(criteria(rate)) == best for rate in fits) > 1
    # The clusters, partitions and names of QOS above are all that the lists name, so what is
    # ambiguous for some job is seen here, and a tie is ambiguous for some job.
    assert tied == ambiguous


# Quantities


@given(some.usages())
def test_plain_lists_price_the_figures_that_jobs_keep(usage: Usage) -> None:
    rates = [
        Rate(n, 1, "THB", code, Model.FLAT, (Slab(None, Decimal(1)),), 3600)
        for n, code in enumerate(("cpu", "gpu", "mem"))
    ]
    tariff = Tariff([rates], Terms(), cluster_id=1, partition="", qos="")
    held = usage.elapsed_seconds + usage.suspended_seconds
    tres = parse_tres(usage.tres)
    figures = (tres.cpus * usage.elapsed_seconds, tres.gpus * held, tres.mem_kib * held // 1024)
    assert tariff.is_plain
    found = {one.resource: one.quantity for one in measure(usage, tariff)}
    used = dict(zip(RESOURCES, figures, strict=True))
    assert found == {code: figure for code, figure in used.items() if figure}


@given(st.integers(1, 10**6), st.sampled_from((1, 60, 3600)), st.integers(0, 10**5))
def test_time_is_whole_quanta_not_less_than_the_minimum_and_not_a_quantum_too_much(
    seconds: int, quantum: int, minimum: int
) -> None:
    billed = Terms(quantum_seconds=quantum, minimum_seconds=minimum).time(seconds)
    assert billed % quantum == 0
    assert 0 <= billed - max(seconds, minimum) < quantum


@given(some.equivalents(), some.tres())
def test_the_largest_part_is_never_more_than_all_parts(equivalent: Equivalent, text: str) -> None:
    tres = parse_tres(text)
    largest = replace(equivalent, combine="max").of(tres)
    total = replace(equivalent, combine="sum").of(tres)
    assert 0 <= largest <= total <= len(equivalent.parts) * largest


@given(some.lists(1, 1), some.usages(), some.PERCENTS)
def test_a_percentage_of_the_state_is_of_each_quantity_half_up(
    rates: tuple[Rate, ...], usage: Usage, percent: Decimal
) -> None:
    terms = Terms(free=frozenset({"cpu", "mem", "gpu"}))
    where = {"cluster_id": usage.cluster_id, "partition": usage.partition, "qos": usage.qos}
    partly = replace(terms, states={usage.state: StatePolicy(usage.state, percent, "ours")})
    whole = measure(usage, Tariff([rates], terms, **where))  # type: ignore[arg-type]
    tariff = Tariff([rates], partly, **where)  # type: ignore[arg-type]
    if not percent and usage.elapsed_seconds + usage.suspended_seconds:
        with pytest.raises(ExemptByState) as refusal:
            measure(usage, tariff)
        assert (refusal.value.state, refusal.value.reason) == (usage.state, "ours")
        return
    found = {one.resource: one.quantity for one in measure(usage, tariff)}
    for one in whole:
        exact = one.quantity * Fraction(percent) / 100
        assert abs(found.get(one.resource, 0) - exact) <= Fraction(1, 2)


def test_what_cannot_be_priced_has_a_code() -> None:
    rates = [Rate(1, 1, "THB", "cpu", Model.FLAT, (Slab(None, Decimal(1)),), 3600)]
    tariff = Tariff([rates], Terms(), cluster_id=1, partition="", qos="")
    job = Usage(1, "", "", "COMPLETED", 1, 0, "cpu=1")
    with pytest.raises(NoRate) as missing:
        measure(job._replace(tres="cpu=1,mem=1M"), tariff)
    assert (missing.value.code, missing.value.resource) == ("no_rate", "mem")
    with pytest.raises(TooLarge) as large:
        measure(job._replace(elapsed_seconds=2**63), tariff)
    assert (large.value.code, large.value.quantity) == ("too_large", 2**63)
    with pytest.raises(Unreadable) as odd:
        measure(job._replace(tres="cpu=many"), tariff)
    assert odd.value.code == "unreadable"
    assert measure(job._replace(elapsed_seconds=0, tres="cpu=many"), tariff) == []


def test_the_engine_has_no_floats() -> None:
    folder = Path(pricing.engine.__file__).parent
    for file in [*folder.glob("*.py"), folder.parent / "resources.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            constant = isinstance(node, ast.Constant) and isinstance(node.value, float)
            named = isinstance(node, ast.Name) and node.id in {"float", "round"}
            divided = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            assert not constant, file
            assert not named, file
            # A true division of integers would be a float: one side is visibly a Fraction.
            assert not divided or "Fraction" in ast.dump(node) or "Decimal" in ast.dump(node), (
                file,
                ast.unparse(node),
            )
