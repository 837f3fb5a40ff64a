"""Values of a file, each read from its text or refused."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from core.intervals import local_midnight

MAX_NOTE = 200
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", re.ASCII)
_SECONDS = re.compile(r"0|[1-9][0-9]{0,6}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?",
    re.ASCII,
)
_YAML = "tag:yaml.org,2002:"
_TEXT = f"{_YAML}str"
_NUMBERS = {f"{_YAML}{kind}" for kind in ("int", "float", "str")}
_TIMES = {_TEXT, f"{_YAML}timestamp"}
_TRUTHS = {"true": True, "false": False}

Reads = Callable[[yaml.Node], Any]


class Wrong(Exception):
    """One value can't be used; reading goes on with the next one."""


def text_of(node: yaml.Node) -> str:
    """Return what stands in the file for a plain value; nothing for what is none."""
    known = node.tag.startswith(_YAML)
    return str(node.value) if isinstance(node, yaml.ScalarNode) and known else ""


def named(what: str) -> Reads:
    """Read a code or name of something, which YAML must not take for anything else."""

    def read(node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT or not node.value:
            raise Wrong(f"the {what} must be its code; put it in quotes")
        return str(node.value)

    return read


def line_of_text(what: str) -> Reads:
    """Read one line of text, which may be empty."""

    def read(node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_YAML}null":
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
            raise Wrong(f"the {what} must be text; put it in quotes")
        text = str(node.value)
        if len(text) > MAX_NOTE or not text.isprintable():
            raise Wrong(f"the {what} must be one line of at most {MAX_NOTE} characters")
        return text

    return read


def number(what: str) -> Reads:
    """Read an exact number of zero or more."""

    def read(node: yaml.Node) -> Decimal:
        text = text_of(node) if node.tag in _NUMBERS else ""
        if not _NUMBER.fullmatch(text):
            raise Wrong(
                f"{what} must be a plain number of zero or more with at most six decimals, such as"
                " 0.75"
            )
        return Decimal(text)

    return read


def seconds(node: yaml.Node) -> int:
    """Read a number of whole seconds."""
    text = text_of(node) if node.tag in _NUMBERS else ""
    if not _SECONDS.fullmatch(text):
        raise Wrong("write whole seconds, such as 60")
    return int(text)


def truth(node: yaml.Node) -> bool:
    """Read true or false."""
    found = _TRUTHS.get(text_of(node).lower())
    if found is None:
        raise Wrong("write true or false")
    return found


def one_of(*values: str) -> Reads:
    """Read one of some words."""

    def read(node: yaml.Node) -> str:
        text = text_of(node)
        if text not in values:
            raise Wrong(f"must be one of {', '.join(values)}")
        return text

    return read


def currency(node: yaml.Node) -> str:
    """Read a currency."""
    text = text_of(node)
    if not _CURRENCY.fullmatch(text):
        raise Wrong("the currency must be three capital letters such as THB")
    return text


def moment(zone: ZoneInfo) -> Reads:
    """Read a day (its midnight) or a time, of a time zone where it has no offset."""

    def read(node: yaml.Node) -> datetime:
        text = text_of(node) if node.tag in _TIMES else ""
        try:
            if _DAY.fullmatch(text):
                return local_midnight(date.fromisoformat(text), zone)
            if _MOMENT.fullmatch(text):
                return _with_zone(datetime.fromisoformat(text), zone)
        except (ValueError, OverflowError) as error:
            raise Wrong(f"{text!r} is no day or time that there is") from error
        raise Wrong("write the moment as 2026-01-31 or 2026-01-31 08:00, or with an offset")

    return read


def _with_zone(value: datetime, zone: ZoneInfo) -> datetime:
    if value.tzinfo is not None:
        return value.astimezone(UTC)
    both = {value.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    if len(both) > 1:
        raise Wrong("clocks are set then: write the time with its offset from UTC")
    return both.pop()
