"""Reading a file of prices."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from pricing.content import (
    EquivalentContent,
    ListContent,
    Place,
    RateContent,
    TermsContent,
    problems,
)
from pricing.content.data import RATE_KEYS
from pricing.engine import Basis, Model, Part, Slab, StatePolicy
from pricing.price_file.entries import HOLDERS, BadFile, Entry, Fault, Holder
from pricing.price_file.exemptions import CRITERIA, ExemptionEntry
from pricing.price_file.nodes import VERSION, Walker, line_of, root_of
from pricing.price_file.scalars import (
    Reads,
    currency,
    line_of_text,
    moment,
    named,
    number,
    one_of,
    seconds,
    text_of,
    truth,
)

_AMOUNT = number("an amount")
_PLACE: dict[str, Reads] = {name: named(name) for name in ("cluster", "partition")}
_RATE: dict[str, Reads] = {
    "resource": named("resource"),
    **_PLACE,
    "qos": named("qos"),
    "basis": one_of(*Basis),
    "model": one_of(*Model),
    "price": number("a unit price"),
    "fee": number("a fee"),
    "package": number("a package"),
    "allowance": number("an allowance"),
    "discount_percent": number("a percentage"),
    "discount_amount": number("a discount"),
    "fee_at_zero": truth,
}
_SLAB: dict[str, Reads] = {
    "up_to": number("the end of a slab"),
    "price": number("a unit price"),
    "fee": number("a fee"),
}
_TERMS: dict[str, Reads] = {
    "quantum_seconds": seconds,
    "minimum_seconds": seconds,
    "suspended_is_free": truth,
    "minimum_per_job": _AMOUNT,
    "cap": _AMOUNT,
    "commitment": _AMOUNT,
}
_STATE: dict[str, Reads] = {
    "state": named("state"),
    "percent": number("a percentage"),
    "reason": line_of_text("reason"),
}
_PART: dict[str, Reads] = {
    "resource": named("resource"),
    "counts": number("what a part counts"),
    "per": number("what a part counts per"),
}
_SECTIONS = ("rates", "terms", "states", "equivalents", "free")


def read(content: bytes, *, zone: ZoneInfo) -> list[Entry]:
    """Return the lists of a file; times without an offset are of ``zone``. Raises BadFile."""
    return read_file(content, zone=zone).lists


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What a file says. Without the section, nothing is said of exemptions (None)."""

    lists: list[Entry]
    exemptions: list[ExemptionEntry] | None


def read_file(content: bytes, *, zone: ZoneInfo) -> PriceFile:
    """Return the lists and exemptions of a file. Raises BadFile."""
    reader = _Reader(zone)
    entries = list(reader.entries(root_of(content)))
    seen: dict[object, int] = {}
    faults = list(reader.faults)
    for entry in entries:
        faults += [
            Fault(entry.line_of(problem), str(problem.message))
            for problem in problems(entry.content)
        ]
        if entry.key in seen:
            kind = entry.holder.kind
            first = seen[entry.key]
            message = f"line {first} has a list of this {kind} from this moment on already"
            faults.append(Fault(entry.line, message))
        seen[entry.key] = entry.line
    told: dict[object, int] = {}
    for exempt in reader.exemptions or ():
        if exempt.key in told:
            faults.append(Fault(exempt.line, f"line {told[exempt.key]} says this already"))
        told[exempt.key] = exempt.line
    if faults:
        raise BadFile(faults)
    return PriceFile(entries, reader.exemptions)


class _Reader(Walker):
    """Turns nodes into lists."""

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._head: dict[str, Reads] = {
            "effective_at": moment(zone),
            "ends_at": moment(zone),
            "currency": currency,
            "note": line_of_text("note"),
        }
        self._lines: dict[tuple[str, object], int] = {}
        self.exemptions: list[ExemptionEntry] | None = None

    def entries(self, root: yaml.Node | None) -> Iterator[Entry]:
        if root is None:
            self.fault(None, "the file is empty: it needs `version` and `lists`")
            return
        known = {"version", "lists", "exemptions"}
        top = self.mapping(root, "the file", known, {"version", "lists"})
        if "version" in top and text_of(top["version"]) != VERSION:
            self.fault(top["version"], f"the version must be {VERSION}")
        if "lists" in top:
            yield from self.each(top["lists"], "`lists`", self._entry)
        if "exemptions" in top:
            self.exemptions = self.each(top["exemptions"], "`exemptions`", self._exemption)

    def _entry(self, node: yaml.Node) -> Entry | None:
        known = len(self.faults)
        self._lines = {}
        needed = {"effective_at", "currency", "rates"}
        names = {*HOLDERS, *self._head, *_SECTIONS}
        parts = self.mapping(node, "a price list", names, needed)
        head = {
            name: self.value(parts[name], reads)
            for name, reads in self._head.items()
            if name in parts
        }
        holder = self._holder(node, parts)
        for name in _SECTIONS:
            if name in parts:
                self._lines[name, None] = line_of(parts[name])
        content = self._content(parts)
        self._check_end(parts, head, holder)
        if len(self.faults) > known or holder is None:
            return None
        return Entry(holder=holder, content=content, line=line_of(node), lines=self._lines, **head)

    def _exemption(self, node: yaml.Node) -> ExemptionEntry | None:
        reads = {
            "cluster": named("cluster"),
            **{name: named(name) for name in CRITERIA},
            "starts_at": self._head["effective_at"],
            "ends_at": self._head["ends_at"],
            "reason": line_of_text("reason"),
        }
        said = self.fields(node, "an exemption", reads, {"cluster", "starts_at", "reason"})
        if said is None:
            return None
        criteria = tuple(said.get(name, "") for name in CRITERIA)
        end = said.get("ends_at")
        if not said["reason"].strip():
            self.fault(node, "an exemption needs a reason")
        if end is not None and end <= said["starts_at"]:
            self.fault(node, "it must end after it begins")
        if end is None and not any(criteria):
            self.fault(node, "every job of the cluster is exempt: give an `ends_at`")
        return ExemptionEntry(
            said["cluster"], criteria, said["starts_at"], end, said["reason"], line_of(node)
        )

    def _holder(self, node: yaml.Node, parts: dict[str, yaml.Node]) -> Holder | None:
        given = [kind for kind in HOLDERS if kind in parts]
        if len(given) != 1:
            if isinstance(node, yaml.MappingNode):
                self.fault(node, "a price list has one of the keys 'tier', 'project', 'user'")
            return None
        code = self.value(parts[given[0]], named(given[0]))
        return None if code is None else Holder(given[0], code)

    def _check_end(
        self, parts: dict[str, yaml.Node], head: dict[str, Any], holder: Holder | None
    ) -> None:
        start, end = head.get("effective_at"), head.get("ends_at")
        if end is None:
            return
        if holder is not None and holder.kind == "tier":
            self.fault(parts["ends_at"], "a tier's prices hold until its next list: no `ends_at`")
        if start is not None and end <= start:
            self.fault(parts["ends_at"], "it must end after it begins")

    def _content(self, parts: dict[str, yaml.Node]) -> ListContent:
        terms = self.fields(parts["terms"], "`terms`", _TERMS, set()) if "terms" in parts else {}
        return ListContent(
            rates=tuple(self._rates(parts["rates"])) if "rates" in parts else (),
            terms=TermsContent(**(terms or {})),
            states=tuple(self._each(parts, "states", self._state)),
            equivalents=tuple(self._each(parts, "equivalents", self._equivalent)),
            free=tuple(self._each(parts, "free", lambda node: self.value(node, _RATE["resource"]))),
        )

    def _each(self, parts: dict[str, yaml.Node], name: str, read: Any) -> list[Any]:
        return self.each(parts[name], f"`{name}`", read) if name in parts else []

    def _rates(self, node: yaml.Node) -> list[RateContent]:
        """Read prices by resource, or a list of rates."""
        if not isinstance(node, yaml.MappingNode):
            found = self.each(node, "`rates`, if it has no prices by resource,", self._rate)
        else:
            prices = {
                name: (key, self.value(value, _RATE["price"]))
                for name, key, value in self.pairs(node)
            }
            found = [RateContent(name, price) for name, (_key, price) in prices.items()]
            for name, (key, _price) in prices.items():
                self._lines["rates", RateContent(name).key] = line_of(key)
        if not found and isinstance(node, yaml.MappingNode | yaml.SequenceNode) and not node.value:
            self.fault(node, "a price list needs at least one rate")
        return found

    def _rate(self, node: yaml.Node) -> RateContent | None:
        slabs: list[Slab] = []

        def read_slabs(inner: yaml.Node) -> None:
            slabs.extend(self.each(inner, "`slabs`", self._slab))

        values = self.fields(node, "a rate", {**_RATE, "slabs": read_slabs}, {"resource"})
        if values is None:
            return None
        rate = RateContent(
            resource=values["resource"],
            place=_place(values),
            slabs=tuple(slabs),
            model=Model(values.get("model", Model.FLAT)),
            basis=Basis(values.get("basis", Basis.ALLOCATED)),
            **{name: values[key] for key, name in RATE_KEYS.items() if key in values},
        )
        self._lines["rates", rate.key] = line_of(node)
        return rate

    def _slab(self, node: yaml.Node) -> Slab | None:
        values = self.fields(node, "a slab", _SLAB, {"price"})
        if values is None:
            return None
        fee = {"flat_fee": values["fee"]} if "fee" in values else {}
        return Slab(values.get("up_to"), values["price"], **fee)

    def _state(self, node: yaml.Node) -> StatePolicy | None:
        values = self.fields(node, "a rule for a state", _STATE, set(_STATE))
        if values is None:
            return None
        self._lines["states", values["state"]] = line_of(node)
        return StatePolicy(**values)

    def _equivalent(self, node: yaml.Node) -> EquivalentContent | None:
        parts: list[Part] = []

        def read_parts(inner: yaml.Node) -> None:
            parts.extend(self.each(inner, "`parts`", self._part))

        reads = {
            "code": named("code"),
            "name": line_of_text("name"),
            **_PLACE,
            "combine": one_of("max", "sum"),
            "parts": read_parts,
        }
        values = self.fields(node, "an equivalent", reads, {"code", "name", "parts"})
        if values is None:
            return None
        one = EquivalentContent(
            code=values["code"],
            name=values["name"],
            combine=values.get("combine", "max"),
            parts=tuple(parts),
            place=_place(values),
        )
        self._lines["equivalents", one.key] = line_of(node)
        return one

    def _part(self, node: yaml.Node) -> Part | None:
        values = self.fields(node, "a part", _PART, {"resource"})
        if values is None:
            return None
        return Part(**{"counts": Decimal(1), **values})


def _place(values: dict[str, Any]) -> Place:
    return Place(**{name: values[name] for name in Place._fields if name in values})
