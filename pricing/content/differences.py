"""What one content says otherwise than another one, line by line, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.utils.translation import gettext as _

from core import formatting
from pricing.content.texts import (
    equivalent_text,
    policy_text,
    rate_label,
    rate_name,
    rate_text,
    unit_label,
)
from pricing.content.values import ListContent, RateContent, TermsContent
from pricing.labels import resource_name, unit_name
from pricing.models import PriceList

TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a list before and after; None where a list says nothing of it.

    ``label`` is its code, as files have it, ``name`` what people call it.

    ``old_price`` and ``new_price`` are there where the line is a unit price and nothing else, which
    ``unit`` is for.
    """

    section: str
    label: str
    name: str
    old: str | None
    new: str | None
    is_change: bool
    old_price: Decimal | None = None
    new_price: Decimal | None = None
    unit: str = ""

    @property
    def percent(self) -> Decimal | None:
        """The change in percent at one decimal, where both are one price."""
        return percent_change(self.old_price, self.new_price)


def percent_change(old: Decimal | None, new: Decimal | None) -> Decimal | None:
    """Return the change in percent at one decimal, half up; None from nothing or to nothing."""
    if new is None or not old:
        return None
    return ((new - old) * 100 / old).quantize(TENTH, ROUND_HALF_UP)


def differences(
    old: ListContent, new: ListContent, currencies: tuple[str, str] = ("", "")
) -> list[Difference]:
    """Compare two contents: a line for each rate of either, and for all else that differs.

    Rates that stay as they are have a line too, so that a reader sees the whole list. The
    currencies are of the old and the new one.
    """
    return [
        *_rates(old, new, currencies),
        *_lines("equivalents", _equivalents(old), _equivalents(new)),
        *_lines("states", _states(old), _states(new)),
        *_lines("terms", _terms(old.terms), _terms(new.terms)),
        *_lines("free", _free(old), _free(new)),
    ]


def _rates(old: ListContent, new: ListContent, currencies: tuple[str, str]) -> Iterator[Difference]:
    before = {rate.key: rate for rate in old.rates}
    after = {rate.key: rate for rate in new.rates}
    both = ListContent(tuple((before | after).values()))
    for rate in both.rates:
        was, now = before.get(rate.key), after.get(rate.key)
        yield Difference(
            section="rates",
            label=rate_label(rate),
            name=rate_name(rate),
            old=rate_text(was, currencies[0]) if was else None,
            new=rate_text(now, currencies[1]) if now else None,
            is_change=was != now,
            old_price=_price_of(was),
            new_price=_price_of(now),
            unit=unit_name(rate.resource),
        )


def _price_of(rate: RateContent | None) -> Decimal | None:
    """The unit price of a rate that says nothing else, besides which jobs it is for."""
    if rate is None or RateContent(rate.resource, rate.unit_price, place=rate.place) != rate:
        return None
    return rate.unit_price


Line = tuple[str, Any, str]
"""A name, a value to be compared, and its text."""


def _lines(section: str, old: Mapping[str, Line], new: Mapping[str, Line]) -> Iterator[Difference]:
    for code in sorted(old.keys() | new.keys()):
        was, now = old.get(code), new.get(code)
        if was is None or now is None or was[1] != now[1]:
            name = (now or was or ("",))[0]
            yield Difference(section, code, name, was and was[2], now and now[2], is_change=True)


def _equivalents(content: ListContent) -> dict[str, Line]:
    return {
        unit_label(one): (
            _("Equivalent %(name)s") % {"name": unit_label(one)},
            one,
            equivalent_text(one),
        )
        for one in content.equivalents
    }


def _states(content: ListContent) -> dict[str, Line]:
    return {
        policy.state: (
            _("Jobs that end as %(state)s") % {"state": policy.state},
            policy,
            policy_text(policy),
        )
        for policy in content.states
    }


def _terms(terms: TermsContent) -> dict[str, Line]:
    usual = TermsContent()
    found = {}
    for code in TermsContent.__dataclass_fields__:
        value = getattr(terms, code)
        if value != getattr(usual, code):
            found[code] = (_name_of(code), value, _value(value))
    return found


def _name_of(column: str) -> str:
    """Return what people call a column of a list."""
    text = str(getattr(PriceList._meta.get_field(column), "verbose_name", column))
    return text[:1].upper() + text[1:]


def _value(value: Any) -> str:
    if value is True:
        return _("yes")
    return formatting.price(value) if isinstance(value, Decimal) else formatting.number(value)


def _free(content: ListContent) -> dict[str, Line]:
    if not content.free:
        return {}
    text = ", ".join(resource_name(code) for code in content.free)
    return {"free": (_("Free resources"), content.free, text)}
