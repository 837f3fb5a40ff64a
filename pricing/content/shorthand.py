"""Slabs and parts of equivalents as people type them: one a line, such as ``100: 15.00 + 20``."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core.errors import Invalid
from pricing.engine import Part, Slab

REST = gettext_noop("rest")
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,6})?"
_SLAB = re.compile(rf"(?P<up_to>[^:]+):\s*(?P<price>{_NUMBER})(?:\s*\+\s*(?P<fee>{_NUMBER}))?")
_PART = re.compile(
    rf"(?P<resource>[^\s=]+?)\s*[:=]\s*(?P<counts>{_NUMBER})"
    rf"(?:\s*(?:per|/|ต่อ)\s*(?P<per>{_NUMBER}))?"
)


def slabs_text(slabs: Iterable[Slab]) -> str:
    """Write slabs, a line for each; ``read_slabs`` gives the same slabs again."""
    return "\n".join(_slab_text(slab) for slab in slabs)


def _slab_text(slab: Slab) -> str:
    end = REST if slab.up_to is None else plain(slab.up_to)
    fee = f" + {plain(slab.flat_fee)}" if slab.flat_fee else ""
    return f"{end}: {plain(slab.unit_price)}{fee}"


def read_slabs(text: str) -> tuple[Slab, ...]:
    """Read slabs, separated by lines or semicolons. Raises Invalid with what is wrong where."""
    return tuple(_slab(number, line) for number, line in _lines(text))


def _slab(number: int, line: str) -> Slab:
    found = _SLAB.fullmatch(line)
    end = found["up_to"].strip() if found else ""
    is_rest = end.lower() in {REST, _(REST), "*"}
    if found is None or not (is_rest or re.fullmatch(_NUMBER, end)):
        raise Invalid(
            "slabs",
            _(
                "Line %(number)s, “%(line)s”: write a slab as “100: 15.00”, with a fee as “100: "
                "15.00 + 20”, and the last one as “rest: 12.00”."
            )
            % {"number": number, "line": line},
        )
    fee = Decimal(found["fee"] or 0)
    return Slab(None if is_rest else Decimal(end), Decimal(found["price"]), fee)


def parts_text(parts: Iterable[Part]) -> str:
    """Write parts of an equivalent, a line for each; ``read_parts`` gives them again."""
    return "\n".join(_part_text(part) for part in parts)


def _part_text(part: Part) -> str:
    per = f" per {plain(part.per)}" if part.per != 1 else ""
    return f"{part.resource}: {plain(part.counts)}{per}"


def read_parts(text: str) -> tuple[Part, ...]:
    """Read parts, separated by lines or semicolons. Raises Invalid with what is wrong where."""
    return tuple(_part(number, line) for number, line in _lines(text))


def _part(number: int, line: str) -> Part:
    found = _PART.fullmatch(line)
    if found is None:
        raise Invalid(
            "parts",
            _("Line %(number)s, “%(line)s”: write a part as “gpu: 16” or “mem: 1 per 4”.")
            % {"number": number, "line": line},
        )
    return Part(found["resource"], Decimal(found["counts"]), Decimal(found["per"] or 1))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is written on each line, counted from 1; nothing of empty ones."""
    for number, line in enumerate(re.split(r"[;\n]", text), start=1):
        if line.strip():
            yield number, line.strip()


def plain(value: Decimal) -> str:
    """Write a number without needless zeros."""
    return format(value.normalize(), "f")
