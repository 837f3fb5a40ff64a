"""What prices a list has, as one digest: a study says which content it is of."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from core.canonical import canonical_json, sha256_of
from pricing.engine import Rate, Terms
from pricing.models import PriceList
from pricing.tariffs import Listed, read_lists

_NOT_SAID = {"rate_id", "price_list_id", "curve", "unit_size"}


def content_digest(price_list: PriceList) -> str:
    """Return the SHA-256 of a list's holder, currency, rates and terms, as they are now.

    Its dates and note are not in it: they don't change what a study finds.
    """
    (row, listed) = read_lists(PriceList.objects.filter(pk=price_list.pk))[0]
    return digest_of(row, listed)


def digest_of(row: PriceList, listed: Listed) -> str:
    """Return the digest of a list that was read already."""
    rates = sorted((_said(rate) for rate in listed.rates), key=canonical_json)
    return sha256_of(
        {
            "holder": [row.tier_id, row.project_id, row.user_id],
            "currency": listed.currency,
            "rates": rates,
            "terms": _said(listed.terms),
        }
    )


def _said(value: Rate | Terms) -> dict[str, Any]:
    names = (item.name for item in fields(value))
    return {name: _plain(getattr(value, name)) for name in names if name not in _NOT_SAID}


def _plain(value: Any) -> Any:
    """Reduce what the engine's types hold to plain values; equal numbers to one text."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    return value
