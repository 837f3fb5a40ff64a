"""The values of options: counts, times, memory, GPUs and arrays as Slurm writes them."""

import re
from collections.abc import Iterator

MAX_COUNT = 10**7
MAX_ARRAY = 4_000_001
MAX_MEM_KIB = 2**45
MAX_MINUTES = 10 * 366 * 24 * 60
UNLIMITED = -1

_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_NODES = re.compile(r"([0-9]{1,9})([kKmM]?)(?:-[0-9]{1,9}[kKmM]?)?(?::[0-9]{1,9})?", re.ASCII)
_MEMORY = re.compile(r"([0-9]{1,15})([kKmMgGtT]?)[bB]?", re.ASCII)
_TIME = re.compile(r"(?:(\d{1,6})-)?(\d{1,9})(?::(\d{1,9}))?(?::(\d{1,9}))?", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,7})(?:-([0-9]{1,7})(?::([0-9]{1,7}))?)?", re.ASCII)
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,54}", re.ASCII)
_AMOUNT = re.compile(r"([0-9]{1,9})([kKmMgG]?)", re.ASCII)
_LICENSE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,54})(?:@[\w.-]+)?(?:[:=]([0-9]{1,9}))?")
_UNITS = {"": 1024, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}
_POWERS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_FOREVER = frozenset({"unlimited", "infinite", "-1", "0"})


class Unreadable(ValueError):
    """A value that is not what its option takes."""


def count(text: str) -> int:
    """Read a count of at least one."""
    match = _COUNT.fullmatch(text)
    return _limited(int(match[0]) if match else 0)


def nodes(text: str) -> tuple[int, bool]:
    """Return the least number of nodes, and whether more are allowed."""
    match = _NODES.fullmatch(text.partition(",")[0])
    if match is None:
        raise Unreadable(text)
    least = int(match[1]) * _POWERS[match[2].upper()]
    return _limited(least), text != match[1] + match[2]


def minutes(text: str) -> int:
    """Return a time limit in minutes, seconds rounded up; UNLIMITED for none."""
    if text.lower() in _FOREVER:
        return UNLIMITED
    match = _TIME.fullmatch(text)
    if match is None:
        raise Unreadable(text)
    days, first, second, third = (None if part is None else int(part) for part in match.groups())
    if days is not None:
        total = ((days * 24 + (first or 0)) * 60 + (second or 0)) * 60 + (third or 0)
    elif third is not None:
        total = ((first or 0) * 60 + (second or 0)) * 60 + third
    else:
        total = (first or 0) * 60 + (second or 0)
    found = -(-total // 60)
    if not 0 < found <= MAX_MINUTES:
        raise Unreadable(text)
    return found


def memory_kib(text: str) -> int:
    """Return memory in KiB; megabytes if no unit is given, as Slurm counts them. Zero is all."""
    match = _MEMORY.fullmatch(text)
    if match is None or (text[-1:] in "bB" and not match[2]):
        raise Unreadable(text)
    kib = int(match[1]) * _UNITS[match[2].upper()]
    if match[2].upper() == "K":
        kib = -(-kib // 1024) * 1024  # Slurm rounds up to a megabyte
    if kib >= MAX_MEM_KIB:
        raise Unreadable(text)
    return kib


def gpus(text: str) -> list[tuple[str, int]]:
    """Return GPUs by type of ``--gpus`` and the like: ``2``, ``a100:2``, ``a100:2,v100:1``."""
    found = []
    for item in text.split(","):
        kind, colon, number = item.rpartition(":")
        if not colon and _TYPE.fullmatch(item):
            kind, number = item, "1"
        if kind and _TYPE.fullmatch(kind) is None:
            raise Unreadable(item)
        found.append((kind, count(number)))
    return found


def gres(text: str) -> tuple[list[tuple[str, int]], list[str]]:
    """Return the GPUs of ``--gres`` by type, and the other resources that it names."""
    gpus_found: list[tuple[str, int]] = []
    others = []
    for item in text.split(","):
        name, *rest = item.removeprefix("gres/").removeprefix("gres:").replace("=", ":").split(":")
        if name != "gpu":
            if name and name != "none":
                others.append(name)
            continue
        number = rest.pop() if rest and _AMOUNT.fullmatch(rest[-1]) else "1"
        kind = rest[0] if rest else ""
        if len(rest) > 1 or (kind and _TYPE.fullmatch(kind) is None):
            raise Unreadable(item)
        if amount := _amount(number):
            gpus_found.append((kind, amount))
    return gpus_found, others


def licenses(text: str) -> list[tuple[str, int]]:
    """Return licences by name: ``matlab:2,ansys@server:1``."""
    found = []
    for item in filter(None, re.split("[,;|]", text)):
        match = _LICENSE.fullmatch(item)
        if match is None:
            raise Unreadable(item)
        found.append((match[1], count(match[2] or "1")))
    return found


def array(text: str) -> tuple[int, bool]:
    """Return how many tasks an array has, each index once, and whether few run at a time."""
    indexes, percent, limit = text.partition("%")
    if percent:
        count(limit)
    spans = list(_spans(indexes))
    if sum(map(len, spans)) > MAX_ARRAY:
        raise Unreadable(text)
    marks = bytearray(max(span.stop for span in spans))
    for span in spans:
        marks[span.start : span.stop : span.step] = b"\1" * len(span)
    return marks.count(1), bool(percent)


def _spans(text: str) -> Iterator[range]:
    for item in text.split(","):
        match = _RANGE.fullmatch(item)
        if match is None:
            raise Unreadable(item)
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if last < first or not step or last >= MAX_ARRAY:
            raise Unreadable(item)
        yield range(first, last + 1, step)


def _amount(text: str) -> int:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise Unreadable(text)
    value = int(match[1]) * _POWERS[match[2].upper()]
    return _limited(value) if value else 0


def _limited(value: int) -> int:
    if not 0 < value <= MAX_COUNT:
        raise Unreadable(str(value))
    return value
