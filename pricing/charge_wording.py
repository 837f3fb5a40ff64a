"""One charge in words and figures, in the current language."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from pricing.explain import ChargeStep, CounterStep, RateStep, RateVerdict
from pricing.explain.made import Quantity, number
from pricing.labels import base_unit_name, resource_name, unit_name
from pricing.models import ChargeKind, RateModel
from pricing.walk import Walk, cut_off, plain


@dataclass(frozen=True, slots=True)
class Row:
    """A step by its name; ``exact`` is for figures, shown as they stand."""

    name: str
    text: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Steps under a heading."""

    title: str
    rows: tuple[Row, ...]


def charge_part(step: ChargeStep) -> Part:
    """Return the arithmetic of one charge."""
    label = resource_name(step.resource)
    title = _("%(resource)s: charge #%(number)s") % {"resource": label, "number": step.charge}
    return Part(title, tuple(_arithmetic(step)))


def _arithmetic(step: ChargeStep) -> Iterator[Row]:
    if step.share_percent is not None:
        yield Row(
            _("Share"),
            _("%(percent)s percent of the job, paid by %(project)s")
            % {"percent": plain(step.share_percent), "project": step.project},
        )
    yield from _rates(step.rates)
    yield from _quantity(step)
    if step.unit_price is not None:
        yield from _linear(step)
    elif step.counter is not None and step.reverses is None:
        yield from _by_counter(step, step.counter)
    elif step.least is not None:
        yield from _least(step, step.least)
    yield Row(_("Amount"), f"{step.amount:f} {step.currency}", exact=True)


def _rates(rates: Iterable[RateStep]) -> Iterator[Row]:
    """Say which rate won and why, where there was a choice."""
    found = list(rates)
    if len(found) == 1 and not found[0].criteria:
        return
    for rate in found:
        limits = ", ".join(f"{_criterion(name)} {text}" for name, text in rate.criteria)
        name = f"{resource_name(rate.resource)} ({limits or _('any job')}), {rate.price_list_name}"
        yield Row(_("Rate"), f"{name}: {_rate_verdict(rate.verdict)}")


def _criterion(name: str) -> str:
    return {
        "cluster": _("cluster"),
        "partition": _("partition"),
        "qos": _("QOS"),
        "type": _("type"),
    }[name]


def _rate_verdict(verdict: RateVerdict) -> str:
    return {
        RateVerdict.WINS: _("wins"),
        RateVerdict.OTHER_CLUSTER: _("is for another cluster"),
        RateVerdict.OTHER_PARTITION: _("is for another partition"),
        RateVerdict.OTHER_QOS: _("is for another QOS"),
        RateVerdict.OTHER_TYPE: _("is for another type"),
        RateVerdict.LESS_SPECIFIC: _("fits, but one with more limits fits too"),
        RateVerdict.LATER_LAYER: _("fits, but negotiated prices come first"),
    }[verdict]


def _quantity(step: ChargeStep) -> Iterator[Row]:
    unit, made = base_unit_name(step.resource), step.made_of
    if step.kind != ChargeKind.USAGE:
        return
    if made is None:
        why = _("as an earlier revision of the row said")
        yield Row(_("Quantity"), f"{step.quantity} {unit} ({why})", exact=True)
        return
    yield from _basis(step)
    yield from _time(made)
    yield from _equivalent(made)
    text = made.expression.replace(" * ", " × ").replace(" / ", " ÷ ")
    if not made.figure and made.scale == 1 and made.state_percent is None:
        text = f"{number(made.count).replace(' / ', ' ÷ ')} × {made.seconds} s"
    sign = "−" if step.quantity < 0 else ""
    if made.state_percent is not None:
        told = {"percent": plain(made.state_percent), "reason": made.state_reason}
        yield Row(_("End state"), _("billed at %(percent)s percent: %(reason)s") % told)
    if made.share_percent is None:
        yield Row(_("Quantity"), f"{sign}{text} = {step.quantity} {unit}", exact=True)
        return
    yield Row(_("Whole job"), f"{text} = {made.whole} {unit}", exact=True)
    yield Row(
        _("Quantity"),
        _("%(percent)s percent of %(whole)s, by largest remainder: %(quantity)s %(unit)s")
        % {
            "percent": plain(made.share_percent),
            "whole": made.whole,
            "quantity": step.quantity,
            "unit": unit,
        },
    )


def _basis(step: ChargeStep) -> Iterator[Row]:
    text = {
        "requested": _("what was requested"),
        "used": _("what was really used"),
        "fallback": _("what was allocated, because the other figure is not known"),
    }.get(step.basis)
    if text:
        yield Row(_("Basis"), text)


def _time(made: Quantity) -> Iterator[Row]:
    if made.seconds == made.measured_seconds or made.figure:
        return
    yield Row(
        _("Time"),
        _("%(real)s s, in started units of %(quantum)s s and at least %(least)s s: %(billed)s s")
        % {
            "real": made.measured_seconds,
            "quantum": made.quantum_seconds,
            "least": made.minimum_seconds,
            "billed": made.seconds,
        },
    )


def _equivalent(made: Quantity) -> Iterator[Row]:
    if not made.parts:
        return
    parts = ", ".join(
        f"{resource_name(part.resource)} {part.expression.replace('/', '÷').replace('*', '×')}"
        for part in made.parts
    )
    how = _("the largest of") if made.combine == "max" else _("the sum of")
    yield Row(_("Equivalents"), f"{how} {parts}: {number(made.count)}", exact=True)


def _linear(step: ChargeStep) -> Iterator[Row]:
    unit = base_unit_name(step.resource)
    yield Row(
        _("Unit price"),
        _("%(price)s per %(unit)s, which is %(size)s %(base)s, by the price list %(name)s")
        % {
            "price": f"{_price(step)} {step.currency}",
            "unit": unit_name(step.resource),
            "size": step.unit_size,
            "base": unit,
            "name": step.price_list_name,
        },
    )
    result = step.unrounded if step.is_exact else f"{step.unrounded}…"
    yield Row(
        _("Arithmetic"),
        f"{step.quantity} ÷ {step.unit_size} × {_price(step)} = {result}",
        exact=True,
    )
    yield _rounding(is_exact=step.is_exact)


def _rounding(*, is_exact: bool) -> Row:
    return Row(
        _("Rounding"),
        _("none needed: it has at most six decimals")
        if is_exact
        else _("half up, at six decimals"),
    )


def _by_counter(step: ChargeStep, counter: CounterStep) -> Iterator[Row]:
    """Tell a price by the month: that of all so far, less what was charged before."""
    yield Row(
        _("Prices"),
        _("%(model)s, by the price list %(name)s, for all that the project uses in the month")
        % {"model": RateModel(step.model).label, "name": step.price_list_name},
    )
    unit = base_unit_name(step.resource)
    yield Row(_("Counter"), f"{counter.before} → {counter.after} {unit}", exact=True)
    yield from _walk(_("With this charge"), counter.with_it)
    if counter.until_now is not None:
        yield from _walk(_("Before it"), counter.until_now)
    else:
        yield Row(_("Charged before"), f"{counter.so_far:f}", exact=True)
    yield Row(
        _("Arithmetic"),
        f"{counter.total:f} − {counter.so_far:f} = {step.amount:f}".replace("− -", "+ "),
        exact=True,
    )


def _walk(name: str, found: Walk) -> Iterator[Row]:
    for slab in found.slabs if len(found.slabs) > 1 else ():
        bounds = (
            _("slab %(number)s, up to %(bound)s")
            if slab.up_to is not None
            else _("slab %(number)s, open")
        ) % {"number": slab.number, "bound": plain(slab.up_to or slab.above)}
        result = cut_off(slab.exact)[0]
        yield Row(name, f"{bounds}: {slab.expression} = {result}", exact=True)
    if found.packages is not None:
        yield Row(
            name, _("%(number)s packages were begun") % {"number": found.packages}, exact=True
        )
    if found.held_at_zero:
        yield Row(name, _("discounts make it nothing; never less"))
    shown, is_exact = cut_off(found.exact)
    result = shown if is_exact else f"{shown}… ≈ {found.amount:f}"
    yield Row(name, f"{found.expression} = {result}", exact=True)


def _least(step: ChargeStep, least: Decimal) -> Iterator[Row]:
    yield Row(
        _("Arithmetic"),
        _("%(least)s at least for a job, less %(charged)s for what it used: %(amount)s")
        % {
            "least": f"{least:f}",
            "charged": f"{least - abs(step.amount):f}",
            "amount": f"{step.amount:f}",
        },
    )


def _price(step: ChargeStep) -> str:
    return "–" if step.unit_price is None else plain(step.unit_price)
