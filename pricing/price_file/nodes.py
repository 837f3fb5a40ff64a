"""Walking over a file's nodes, with every fault gathered and its line known."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from pricing.price_file.entries import BadFile, Fault
from pricing.price_file.scalars import Reads, Wrong

MAX_BYTES = 1024 * 1024
MAX_PARTS = 200_000
"""So many keys and items are walked over; aliases let a small file have any number of them."""
VERSION = "1"


def root_of(content: bytes) -> yaml.Node | None:
    """Return the document of a file, not yet read. Raises BadFile."""
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


def line_of(node: yaml.Node | None) -> int:
    return node.start_mark.line + 1 if node else 1


class Walker:
    """Reads mappings and lists; what is wrong is noted, and reading goes on."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._parts = 0

    def fault(self, node: yaml.Node | None, message: str) -> None:
        self.faults.append(Fault(line_of(node), message))

    def mapping(
        self, node: yaml.Node, what: str, known: set[str], needed: set[str]
    ) -> dict[str, yaml.Node]:
        """Return the values of a mapping by key, each key once; faults name keys that are not."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"{what} must have the keys {', '.join(sorted(needed or known))}")
            return {}
        found = {}
        for name, key, value in self.pairs(node):
            if name in known:
                found[name] = value
            else:
                self.fault(key, f"{what} has no key {name!r} (known: {', '.join(sorted(known))})")
        for name in sorted(needed - set(found)):
            self.fault(node, f"{what} lacks the key {name!r}")
        return found

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Yield the names, keys and values of a mapping; a name that is there twice is a fault."""
        seen = set()
        self._count(node)
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in seen:
                self.fault(key, f"the key {name!r} is there twice")
            else:
                seen.add(name)
                yield name, key, value

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """Return the items of a list."""
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, f"{what} must be a list, each with a dash")
            return []
        self._count(node)
        return list(node.value)

    def _count(self, node: yaml.CollectionNode) -> None:
        self._parts += len(node.value)
        if self._parts > MAX_PARTS:
            raise BadFile([Fault(line_of(node), f"the file has more than {MAX_PARTS} parts")])

    def value(self, node: yaml.Node, reads: Reads) -> Any:
        """Return what a node says; None, and a fault, if it can't be used."""
        try:
            return reads(node)
        except Wrong as error:
            self.fault(node, str(error))
            return None

    def fields(
        self, node: yaml.Node, what: str, reads: Mapping[str, Reads], needed: set[str]
    ) -> dict[str, Any] | None:
        """Return what a mapping says by key, or None if anything in it is wrong."""
        known = len(self.faults)
        parts = self.mapping(node, what, set(reads), needed)
        values = {name: self.value(parts[name], reads[name]) for name in reads if name in parts}
        return values if len(self.faults) == known else None

    def each(self, node: yaml.Node, what: str, read: Callable[[yaml.Node], Any]) -> list[Any]:
        """Return what the items of a list say, without those that can't be used."""
        found = (read(item) for item in self.items(node, what))
        return [value for value in found if value is not None]
