"""Price lists as a text file: a strict reading of YAML, and its writing (pure).

The schema is documented in `docs/prices-as-code.md`. Values are read from the text that stands in
the file: a price never becomes a float, a date never depends on what YAML takes it for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from core.intervals import local_midnight
from pricing.resources import RESOURCES

VERSION = "1"
MAX_BYTES = 1024 * 1024
MAX_NOTE = 200
_PRICE = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?",
    re.ASCII,
)
_TEXT = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "str")}
_TIMES = {_TEXT, "tag:yaml.org,2002:timestamp"}

HEAD = """\
# Price lists of this site: what `manage.py pricing plan` and `pricing apply` read.
# Unit prices are per CPU-core-hour, GPU-hour and GB-hour. See docs/prices-as-code.md.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A price list as a file says it: unit prices of a tier from a moment (UTC) on."""

    tier: str
    effective_at: datetime
    currency: str
    rates: Mapping[str, Decimal]
    note: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and on which line, counted from 1."""

    line: int
    message: str


class BadFile(ValueError):
    """The file can't be used; ``faults`` are in the order of lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.line)
        super().__init__("; ".join(f"{fault.line}: {fault.message}" for fault in self.faults))


def read(content: bytes, *, zone: ZoneInfo) -> list[Entry]:
    """Return the lists of a file; times without an offset are of ``zone``. Raises BadFile."""
    faults: list[Fault] = []
    entries = list(_Reader(zone, faults).entries(_root(content)))
    seen: dict[tuple[str, datetime], int] = {}
    for entry in entries:
        key = (entry.tier, entry.effective_at)
        if key in seen:
            message = f"line {seen[key]} has a list of this tier from this moment on already"
            faults.append(Fault(entry.line, message))
        seen[key] = entry.line
    if faults:
        raise BadFile(faults)
    return entries


def write(entries: Iterable[Entry], *, zone: ZoneInfo) -> str:
    """Return the text of a file with these lists; ``read`` gives the same lists again."""
    lists = []
    for entry in entries:
        item: dict[str, Any] = {
            "tier": entry.tier,
            "effective_at": _moment_text(entry.effective_at, zone),
            "currency": entry.currency,
        }
        if entry.note:
            item["note"] = entry.note
        item["rates"] = {code: price_text(entry.rates[code]) for code in sorted(entry.rates)}
        lists.append(item)
    document = {"version": int(VERSION), "lists": lists}
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return HEAD + str(text)


class _Dumper(yaml.SafeDumper):
    """Indents lists, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def price_text(price: Decimal) -> str:
    """Write a price exactly, without needless zeros."""
    return format(price.normalize(), "f")


def _moment_text(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    if local_midnight(local.date(), zone) == moment:
        return local.date().isoformat()
    return local.isoformat()


def _root(content: bytes) -> yaml.Node | None:
    if len(content) > MAX_BYTES:
        raise BadFile([Fault(1, f"the file is larger than {MAX_BYTES} bytes")])
    try:
        return yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadFile([Fault(line, "the file is not UTF-8")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = " ".join(part for part in (error.problem, error.context) if part)
        raise BadFile([Fault(mark.line + 1 if mark else 1, f"no valid YAML: {told}")]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise BadFile([Fault(1, f"no valid YAML: {error}")]) from error
    except RecursionError as error:
        raise BadFile([Fault(1, "the file is nested too deeply")]) from error


class _Wrong(Exception):
    """One value can't be used; reading goes on with the next one."""


class _Reader:
    """Walks over the nodes of a document and gathers every fault."""

    def __init__(self, zone: ZoneInfo, faults: list[Fault]) -> None:
        self._zone = zone
        self._faults = faults

    def entries(self, root: yaml.Node | None) -> Iterator[Entry]:
        if root is None:
            self._fault(None, "the file is empty: it needs `version` and `lists`")
            return
        top = self._mapping(root, "the file", {"version", "lists"}, {"version", "lists"})
        if "version" in top and _text_of(top["version"]) != VERSION:
            self._fault(top["version"], f"the version must be {VERSION}")
        lists = top.get("lists")
        if lists is None:
            return
        if not isinstance(lists, yaml.SequenceNode):
            self._fault(lists, "`lists` must be a list of price lists, each with a dash")
            return
        for item in lists.value:
            entry = self._entry(item)
            if entry is not None:
                yield entry

    def _entry(self, node: yaml.Node) -> Entry | None:
        needed = {"tier", "effective_at", "currency", "rates"}
        known = len(self._faults)
        parts = self._mapping(node, "a price list", needed | {"note"}, needed)
        values: dict[str, Any] = {"note": ""}
        for name, read_value in (
            ("tier", self._tier),
            ("effective_at", self._moment),
            ("currency", self._currency),
            ("note", self._note),
            ("rates", self._rates),
        ):
            if name in parts:
                try:
                    values[name] = read_value(parts[name])
                except _Wrong as error:
                    self._fault(parts[name], str(error))
        if len(self._faults) > known:
            return None
        return Entry(**values, line=node.start_mark.line + 1)

    def _mapping(
        self, node: yaml.Node, what: str, known: set[str], needed: set[str]
    ) -> dict[str, yaml.Node]:
        """Return the values of a mapping by key, each key once; faults name keys that are not."""
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, f"{what} must have the keys {', '.join(sorted(needed))}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name not in known:
                self._fault(key, f"{what} has no key {name!r} (known: {', '.join(sorted(known))})")
            elif name in found:
                self._fault(key, f"the key {name!r} is there twice")
            else:
                found[name] = value
        for name in sorted(needed - set(found)):
            self._fault(node, f"{what} lacks the key {name!r}")
        return found

    def _tier(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT or not node.value:
            raise _Wrong("the tier must be its code; put it in quotes")
        return str(node.value)

    def _currency(self, node: yaml.Node) -> str:
        text = _text_of(node)
        if not _CURRENCY.fullmatch(text):
            raise _Wrong("the currency must be three capital letters such as THB")
        return text

    def _note(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag == _NULL:
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TEXT:
            raise _Wrong("the note must be text; put it in quotes")
        text = str(node.value)
        if len(text) > MAX_NOTE or not text.isprintable():
            raise _Wrong(f"the note must be one line of at most {MAX_NOTE} characters")
        return text

    def _rates(self, node: yaml.Node) -> dict[str, Decimal]:
        parts = self._mapping(node, "`rates`", set(RESOURCES), set())
        if not parts and isinstance(node, yaml.MappingNode):
            raise _Wrong("a price list needs at least one rate")
        prices = {}
        for code, value in parts.items():
            try:
                prices[code] = _price(value)
            except _Wrong as error:
                self._fault(value, str(error))
        return prices

    def _moment(self, node: yaml.Node) -> datetime:
        text = _text_of(node) if node.tag in _TIMES else ""
        try:
            if _DAY.fullmatch(text):
                return local_midnight(date.fromisoformat(text), self._zone)
            if _MOMENT.fullmatch(text):
                return self._with_zone(datetime.fromisoformat(text))
        except (ValueError, OverflowError) as error:
            raise _Wrong(f"{text!r} is no day or time that there is") from error
        raise _Wrong("write the moment as 2026-01-31 or 2026-01-31 08:00, or with an offset")

    def _with_zone(self, moment: datetime) -> datetime:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        both = {moment.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
        if len(both) > 1:
            raise _Wrong("clocks are set then: write the time with its offset from UTC")
        return both.pop()

    def _fault(self, node: yaml.Node | None, message: str) -> None:
        self._faults.append(Fault(node.start_mark.line + 1 if node else 1, message))


def _text_of(node: yaml.Node) -> str:
    """Return what stands in the file for a plain value; nothing for what is none."""
    known = node.tag.startswith("tag:yaml.org,2002:")
    return str(node.value) if isinstance(node, yaml.ScalarNode) and known else ""


def _price(node: yaml.Node) -> Decimal:
    text = _text_of(node) if node.tag in _NUMBERS else ""
    if not _PRICE.fullmatch(text):
        raise _Wrong(
            "a unit price must be a plain number of zero or more with at most six decimals, "
            "such as 0.75"
        )
    return Decimal(text)
