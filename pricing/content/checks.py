"""What is wrong with the content of a list (pure; clusters and items are looked up elsewhere)."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import combinations, pairwise

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.errors import Text
from pricing import engine
from pricing.content.problem import Problem
from pricing.content.texts import rate_label, unit_label
from pricing.content.values import EquivalentContent, ListContent, Place, RateContent
from pricing.engine import Basis, Model, Slab
from pricing.resources import UnknownResource, family_of, name_of, resource_of

MAX_MONEY = Decimal(10) ** 12
MAX_FACTOR = Decimal(10) ** 6
MAX_QUANTUM = 86400
MAX_MINIMUM = 31 * 86400
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,55}", re.ASCII)
_STATE = re.compile(r"[A-Z][A-Z_]{1,31}", re.ASCII)
_PARTS = {"cpu", "mem", "node", "gpu"}
_LENGTHS = {"cluster": 64, "partition": 255, "qos": 128}
_WITH_SLABS = {Model.GRADUATED, Model.VOLUME}


def is_resource(code: str) -> bool:
    """Whether a list can have a price for it."""
    try:
        resource_of(code)
    except UnknownResource:
        return False
    return True


def problems(content: ListContent) -> list[Problem]:
    """Return all that is wrong with a content, besides that it has no rate at all."""
    found = [
        Problem("rates", index, code, format_lazy("{}: {}", rate_label(rate), message))
        for index, rate in enumerate(content.rates)
        for code, message in _of_rate(rate)
    ]
    found += _of_states(content)
    found += [
        Problem("equivalents", index, code, format_lazy("{}: {}", unit_label(one), message))
        for index, one in enumerate(content.equivalents)
        for code, message in _of_equivalent(one)
    ]
    found += _of_terms(content)
    found += [
        Problem("free", index, "resource", _not_a_resource(code))
        for index, code in enumerate(content.free)
        if not is_resource(code)
    ]
    return found or list(_between(content))


def _not_a_resource(code: str) -> Text:
    return _("“%(code)s” is not a resource.") % {"code": code}


def _of_rate(rate: RateContent) -> Iterator[tuple[str, Text]]:
    if not is_resource(rate.resource):
        yield "resource", _not_a_resource(rate.resource)
        return
    if rate.model in _WITH_SLABS:
        if rate.unit_price is not None or rate.flat_fee:
            yield "unit_price", _("A rate with slabs has its prices and fees in the slabs.")
        yield from _of_slabs(rate.slabs)
    elif rate.slabs:
        yield "slabs", _("Only graduated and volume rates have slabs.")
    elif rate.unit_price is None:
        yield "unit_price", _("It needs a unit price.")
    elif not _is_money(rate.unit_price):
        yield "unit_price", _PRICE
    yield from _of_numbers(rate)
    yield from _of_use(rate)


_PRICE = _("A unit price must be zero or more, with at most six decimals.")
_AMOUNT = _("%(name)s must be zero or more, with at most six decimals.")


def _of_numbers(rate: RateContent) -> Iterator[tuple[str, Text]]:
    numbers = (
        ("flat_fee", rate.flat_fee, _("A flat fee")),
        ("allowance", rate.allowance, _("What is free")),
        ("discount_amount", rate.discount_amount, _("A discount")),
    )
    for code, value, name in numbers:
        if not _is_money(value):
            yield code, _AMOUNT % {"name": name}
    if not (_is_money(rate.package_units) and rate.package_units):
        yield "package_units", _("A package has more than zero units, with at most six decimals.")
    elif rate.model is not Model.PACKAGE and rate.package_units != 1:
        yield "package_units", _("Only a package rate has units in a package.")
    if not _is_percent(rate.discount_percent):
        yield (
            "discount_percent",
            _("A discount is 0 to 100 percent, with at most four decimals."),
        )


def _of_use(rate: RateContent) -> Iterator[tuple[str, Text]]:
    if rate.basis is Basis.USED and rate.resource not in {"cpu", "mem"}:
        yield "basis", _("Only CPU and memory have figures of what was really used.")
    yield from _of_place(rate.place)
    if family_of(rate.resource) == "sku" and (
        rate.place != Place() or rate.basis is not Basis.ALLOCATED
    ):
        yield "item", _("The price of an item depends on no job.")


def _of_place(place: Place) -> Iterator[tuple[str, Text]]:
    for name, value in place._asdict().items():
        if value != value.strip() or len(value) > _LENGTHS[name] or not value.isprintable():
            yield name, _("“%(name)s” is no name.") % {"name": value}


def _of_slabs(slabs: tuple[Slab, ...]) -> Iterator[tuple[str, Text]]:
    bounds = [slab.up_to for slab in slabs]
    closed = [bound for bound in bounds if bound is not None]
    if not slabs:
        yield "no_slabs", _("It needs at least one slab.")
    elif bounds[-1] is not None or len(closed) + 1 != len(bounds):
        yield "slabs_open", _("The last slab, and no other, is open.")
    elif not all(_is_money(bound) and bound for bound in closed):
        yield "slab_bound", _("A slab ends above zero, with at most six decimals.")
    elif any(low >= high for low, high in pairwise(closed)):
        yield "slabs_rise", _("Slabs must rise.")
    if not all(_is_money(slab.unit_price) for slab in slabs):
        yield "unit_price", _PRICE
    if not all(_is_money(slab.flat_fee) for slab in slabs):
        yield "flat_fee", _AMOUNT % {"name": _("A flat fee")}


def _of_states(content: ListContent) -> Iterator[Problem]:
    for index, (state, percent, reason) in enumerate(content.states):
        if not _STATE.fullmatch(state):
            yield Problem(
                "states",
                index,
                "state",
                _("“%(name)s” is no state of Slurm, such as NODE_FAIL.") % {"name": state},
            )
        if not _is_percent(percent):
            message = _("A state is billed at 0 to 100 percent, with at most four decimals.")
            yield Problem("states", index, "percent", format_lazy("{}: {}", state, message))
        if not reason.strip() or len(reason) > 200:
            message = _("It needs a reason of at most 200 characters.")
            yield Problem("states", index, "reason", format_lazy("{}: {}", state, message))


def _of_equivalent(one: EquivalentContent) -> Iterator[tuple[str, Text]]:
    if not _NAME.fullmatch(one.code):
        yield "code", _("Use letters, digits and . _ @ - only, beginning with a letter or digit.")
    if not one.name.strip() or len(one.name) > 100:
        yield "name", _("It needs a name of at most 100 characters.")
    if one.combine not in {"max", "sum"}:
        yield "combine", _("It is the largest of its parts (max) or their sum (sum).")
    yield from _of_place(one.place)
    named = [part.resource for part in one.parts]
    if not named:
        yield "no_parts", _("It needs at least one part.")
    for resource in sorted({code for code in named if named.count(code) > 1}):
        yield "part_twice", _("%(code)s is a part twice.") % {"code": resource}
    for part in one.parts:
        if not (
            is_resource(part.resource)
            and (part.resource in _PARTS or family_of(part.resource) == "gpu")
        ):
            yield (
                "part",
                _("“%(code)s” can't be a part: only cpu, mem, node and GPUs can.")
                % {"code": part.resource},
            )
        if not (_is_factor(part.counts) and _is_factor(part.per) and part.per):
            yield (
                "factor",
                _("A part counts zero or more per more than zero, with at most six decimals."),
            )


def _of_terms(content: ListContent) -> Iterator[Problem]:
    terms = content.terms
    if not 1 <= terms.quantum_seconds <= MAX_QUANTUM:
        message = _("Time is billed by 1 to 86,400 started seconds.")
        yield Problem("terms", 0, "quantum_seconds", message)
    if not 0 <= terms.minimum_seconds <= MAX_MINIMUM:
        message = _("The minimum time is at most 31 days.")
        yield Problem("terms", 0, "minimum_seconds", message)
    amounts = (
        ("minimum_per_job", terms.minimum_per_job, _("The minimum per job")),
        ("cap", terms.cap, _("The most in a month")),
        ("commitment", terms.commitment, _("The least in a month")),
    )
    for code, value, name in amounts:
        if value is not None and not _is_money(value):
            yield Problem("terms", 0, code, _AMOUNT % {"name": name})
    if terms.cap is not None and terms.commitment is not None and terms.cap < terms.commitment:
        message = _("The most in a month can't be less than the least.")
        yield Problem("terms", 0, "cap", message)


def _between(content: ListContent) -> Iterator[Problem]:
    """What is wrong between parts that are each right."""
    rates, units = content.rates, content.equivalents
    for index in _repeated(rate.key for rate in rates):
        message = _("%(rate)s has two rates.") % {"rate": rate_label(rates[index])}
        yield Problem("rates", index, "rate_twice", message)
    for index in _repeated(policy.state for policy in content.states):
        message = _("%(state)s has two rules.") % {"state": content.states[index].state}
        yield Problem("states", index, "state_twice", message)
    for index in _repeated(one.key for one in units):
        message = _("%(unit)s is defined twice.") % {"unit": unit_label(units[index])}
        yield Problem("equivalents", index, "unit_twice", message)
    yield from _ties(content)
    yield from _units(content)


def _repeated(keys: Iterable[object]) -> Iterator[int]:
    seen = set()
    for index, key in enumerate(keys):
        if key in seen:
            yield index
        seen.add(key)


def _ties(content: ListContent) -> Iterator[Problem]:
    numbers = {name: number for number, name in enumerate(sorted(content.clusters), start=1)}
    if len({rate.key for rate in content.rates}) < len(content.rates):
        return
    rates = [
        engine.Rate(
            rate_id=index,
            price_list_id=0,
            currency="",
            resource=rate.resource,
            model=Model.FLAT,
            slabs=(Slab(None, Decimal(0)),),
            unit_size=1,
            cluster_id=numbers.get(rate.place.cluster),
            partition=rate.place.partition,
            qos=rate.place.qos,
        )
        for index, rate in enumerate(content.rates)
    ]
    for one, other in engine.ties(rates):
        names = {
            "one": rate_label(content.rates[one.rate_id]),
            "other": rate_label(content.rates[other.rate_id]),
        }
        message = _(
            "For some jobs “%(one)s” and “%(other)s” are as specific as each other. Add a rate "
            "with the criteria of both, or take one away."
        )
        yield Problem("rates", other.rate_id, "tie", message % names)


def _units(content: ListContent) -> Iterator[Problem]:
    """Units with rates, and apart from each other."""
    defined = {f"unit:{one.code}" for one in content.equivalents}
    priced = {rate.resource for rate in content.rates}
    for index, rate in enumerate(content.rates):
        if family_of(rate.resource) == "unit" and rate.resource not in defined:
            message = _("The list does not define the equivalent “%(code)s”.")
            yield Problem(
                "rates", index, "no_equivalent", message % {"code": name_of(rate.resource)}
            )
    for index, one in enumerate(content.equivalents):
        if f"unit:{one.code}" not in priced:
            message = _("The equivalent “%(code)s” needs a rate: unit:%(code)s.")
            yield Problem("equivalents", index, "no_unit_rate", message % {"code": one.code})
    pairs = combinations(enumerate(content.equivalents), 2)
    for (_first, one), (index, other) in pairs:
        if _overlap(content, one, other):
            names = {"one": unit_label(one), "other": unit_label(other)}
            message = _("For some jobs both “%(one)s” and “%(other)s” would price the same.")
            yield Problem("equivalents", index, "units_overlap", message % names)


def _overlap(content: ListContent, one: EquivalentContent, other: EquivalentContent) -> bool:
    """Whether two equivalents would both count for some job, and for a resource of it."""
    pairs = list(zip(one.place, other.place, strict=True))
    if any(mine and its and mine != its for mine, its in pairs):
        return False
    if one.code != other.code:
        return any(_same(part.resource, its.resource) for part in one.parts for its in other.parts)
    both = Place(*(mine or its for mine, its in pairs))
    settled = any(third.code == one.code and third.place == both for third in content.equivalents)
    return _given(one.place) == _given(other.place) and one.key != other.key and not settled


def _same(one: str, other: str) -> bool:
    """Whether some job's resource is meant by both: ``gpu`` stands for every type."""
    return one == other or (family_of(one) == family_of(other) == "gpu" and "gpu" in {one, other})


def _given(place: Place) -> int:
    return sum(bool(name) for name in place)


def _is_money(value: Decimal) -> bool:
    return _is_exact(value, 6) and 0 <= value < MAX_MONEY


def _is_factor(value: Decimal) -> bool:
    return _is_exact(value, 6) and 0 <= value < MAX_FACTOR


def _is_percent(value: Decimal) -> bool:
    return _is_exact(value, 4) and 0 <= value <= 100


def _is_exact(value: Decimal, decimals: int) -> bool:
    """Whether a number is finite and has no more decimals than so many."""
    if not value.is_finite():
        return False
    return bool(10**decimals % value.as_integer_ratio()[1] == 0)
