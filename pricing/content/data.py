"""The content of a list as plain data, as the log has it and files say it (pure).

Only what differs from the default is said, so that a simple list reads simply.
"""

from typing import Any

from pricing.content.values import EquivalentContent, ListContent, Place, RateContent, TermsContent
from pricing.engine import Slab


def as_data(content: ListContent) -> dict[str, Any]:
    """Return mappings, lists, texts, numbers and Decimals that say all of a content.

    ``rates`` is a mapping of prices where these say all, else a list.
    """
    simple = content.prices
    rates: Any = [_rate(rate) for rate in content.rates]
    data: dict[str, Any] = {
        "rates": simple if len(simple) == len(content.rates) else rates,
        "terms": _unlike(content.terms, TermsContent()),
        "states": [policy._asdict() for policy in content.states],
        "equivalents": [_equivalent(one) for one in content.equivalents],
        "free": list(content.free),
    }
    return {name: value for name, value in data.items() if value or name == "rates"}


def _unlike(terms: TermsContent, usual: TermsContent) -> dict[str, Any]:
    names = TermsContent.__dataclass_fields__
    found = {name: getattr(terms, name) for name in names}
    return {name: value for name, value in found.items() if value != getattr(usual, name)}


def _place(place: Place) -> dict[str, str]:
    return {name: value for name, value in place._asdict().items() if value}


def _rate(rate: RateContent) -> dict[str, Any]:
    usual = RateContent(rate.resource)
    data: dict[str, Any] = {"resource": rate.resource, **_place(rate.place)}
    if rate.basis is not usual.basis:
        data["basis"] = rate.basis.value
    if rate.model is not usual.model:
        data["model"] = rate.model.value
    for key, name in RATE_KEYS.items():
        if getattr(rate, name) != getattr(usual, name):
            data[key] = getattr(rate, name)
    if rate.slabs:
        data["slabs"] = [_slab(slab) for slab in rate.slabs]
    return data


RATE_KEYS = {
    "price": "unit_price",
    "fee": "flat_fee",
    "package": "package_units",
    "allowance": "allowance",
    "discount_percent": "discount_percent",
    "discount_amount": "discount_amount",
    "fee_at_zero": "fee_at_zero",
}
"""How plain data call what a rate says, in the order of reading."""


def _slab(slab: Slab) -> dict[str, Any]:
    data: dict[str, Any] = {} if slab.up_to is None else {"up_to": slab.up_to}
    data["price"] = slab.unit_price
    return {**data, "fee": slab.flat_fee} if slab.flat_fee else data


def _equivalent(one: EquivalentContent) -> dict[str, Any]:
    return {
        "code": one.code,
        "name": one.name,
        **_place(one.place),
        "combine": one.combine,
        "parts": [part._asdict() for part in one.parts],
    }
