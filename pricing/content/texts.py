"""The content of a list in words of the current language."""

from collections.abc import Iterator
from decimal import Decimal

from django.utils.translation import gettext as _

from core import formatting
from pricing.content.values import EquivalentContent, Place, RateContent
from pricing.engine import Basis, Model, Part, Slab, StatePolicy
from pricing.labels import resource_name, unit_name


def place_text(place: Place) -> str:
    """Return the jobs that something counts for; nothing for all."""
    named = (
        (place.cluster, _("cluster %(name)s")),
        (place.partition, _("partition %(name)s")),
        (place.qos, _("QOS %(name)s")),
    )
    return ", ".join(text % {"name": value} for value, text in named if value)


def rate_label(rate: RateContent) -> str:
    """Name a rate by its code and its criteria, as in ``gpu:a100 (partition gpu)``."""
    return _labelled(rate.resource, rate.place)


def rate_name(rate: RateContent) -> str:
    """Name a rate as people do, as in ``GPU a100 (partition gpu)``."""
    return _labelled(resource_name(rate.resource), rate.place)


def unit_label(one: EquivalentContent) -> str:
    """Name an equivalent by its code and its criteria."""
    return _labelled(one.code, one.place)


def _labelled(name: str, place: Place) -> str:
    criteria = place_text(place)
    return f"{name} ({criteria})" if criteria else name


def rate_text(rate: RateContent, currency: str = "") -> str:
    """Say what a rate asks for."""
    return "; ".join([_model_text(rate, currency), *_more(rate, currency)])


def _more(rate: RateContent, currency: str) -> Iterator[str]:
    if rate.flat_fee:
        yield _("fee %(amount)s a month") % {"amount": _money(rate.flat_fee, currency)}
    if rate.fee_at_zero:
        yield _("the fee also without usage")
    if rate.allowance:
        yield _("%(units)s free a month") % {"units": formatting.number(rate.allowance)}
    if rate.discount_percent:
        yield _("%(percent)s %% off") % {"percent": formatting.number(rate.discount_percent)}
    if rate.discount_amount:
        yield _("%(amount)s off a month") % {"amount": _money(rate.discount_amount, currency)}
    if rate.basis is Basis.REQUESTED:
        yield _("by what was requested")
    elif rate.basis is Basis.USED:
        yield _("by what was really used")


def _model_text(rate: RateContent, currency: str) -> str:
    unit = unit_name(rate.resource)
    price = "–" if rate.unit_price is None else _money(rate.unit_price, currency)
    if rate.model in {Model.GRADUATED, Model.VOLUME}:
        slabs = ", ".join(_slab(slab, currency) for slab in rate.slabs)
        values = {"slabs": slabs, "unit": unit}
        if rate.model is Model.GRADUATED:
            return _("per %(unit)s, each at its slab's price: %(slabs)s") % values
        return _("per %(unit)s, all at the reached slab's price: %(slabs)s") % values
    if rate.model is Model.PACKAGE:
        units = formatting.number(rate.package_units)
        values = {"price": price, "units": units, "unit": unit}
        return _("%(price)s for each started %(units)s × %(unit)s") % values
    return f"{price} / {unit}"


def _money(amount: Decimal, currency: str) -> str:
    return f"{formatting.price(amount)} {currency}".rstrip()


def _slab(slab: Slab, currency: str) -> str:
    price = _money(slab.unit_price, currency)
    if slab.flat_fee:
        fee = _money(slab.flat_fee, currency)
        price = _("%(price)s and a fee of %(fee)s") % {"price": price, "fee": fee}
    if slab.up_to is None:
        return _("rest: %(price)s") % {"price": price}
    return _("up to %(units)s: %(price)s") % {
        "units": formatting.number(slab.up_to),
        "price": price,
    }


def equivalent_text(one: EquivalentContent) -> str:
    """Say what an equivalent is made of."""
    parts = ", ".join(_part(part) for part in one.parts)
    text = _("the largest of %(parts)s") if one.combine == "max" else _("the sum of %(parts)s")
    return f"{one.name}: {text % {'parts': parts}}"


def _part(part: Part) -> str:
    name = resource_name(part.resource)
    if part.resource == "mem":
        name = _("%(name)s in GB") % {"name": name}
    if part.counts != 1:
        name = f"{formatting.number(part.counts)} × {name}"
    return f"{name} ÷ {formatting.number(part.per)}" if part.per != 1 else name


def policy_text(policy: StatePolicy) -> str:
    """Say how much of a job that ended in a state is billed."""
    percent = formatting.number(policy.percent)
    return _("%(percent)s %% is billed: %(reason)s") % {
        "percent": percent,
        "reason": policy.reason,
    }
