"""Trackable resources (TRES) as Slurm prints them: ``cpu=4,mem=62.50G,gres/gpu:a100=2,node=1``.

Pure and exact: integers only, no floats. A value that is not a plain ASCII number is refused, never
guessed, because each of these numbers ends up on somebody's bill.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

MAX_TEXT = 4096
MAX_COUNT = 2**31
MAX_MEM_KIB = 2**45
"""32 PiB: more than any machine, and its MiB-seconds still fit 64 bits for a year."""

_MEMORY = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,6}))?([KMGTP]?)", re.ASCII)
_REQ_MEM = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,6})?[KMGTP]?)([nc]?)", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,19}", re.ASCII)
_BILLING = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,6})?", re.ASCII)
_AMOUNT = re.compile(r"-?([0-9]{1,20})(?:\.([0-9]{1,6}))?([KMGTPE]?)", re.ASCII)
_KIB = {"K": 1, "": 2**10, "M": 2**10, "G": 2**20, "T": 2**30, "P": 2**40}
_POWERS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50, "E": 2**60}
_GPU = "gres/gpu"
_PLAIN = frozenset({"energy", "vmem", "pages", "fs/disk"})


class InvalidTres(ValueError):
    """A TRES text that can't be billed; the argument says why."""


@dataclass(frozen=True, slots=True)
class Tres:
    """What a job was given. Memory in KiB, the rest are counts.

    ``gpus`` is every GPU once: Slurm lists the same devices as ``gres/gpu`` and again by type.
    ``gpu_types`` holds the typed ones, sorted, so ``gpus`` is never less than their sum.
    ``billing`` is Slurm's weighted sum of the others and may have a fraction, exact here.
    ``other`` keeps what we don't know as text, sorted by key.
    """

    cpus: int
    mem_kib: int
    gpus: int
    nodes: int
    gpu_types: tuple[tuple[str, int], ...]
    billing: Decimal | None
    other: tuple[tuple[str, str], ...]


class Reading(NamedTuple):
    """A parsed TRES text, its canonical spelling and what was odd about it.

    The canonical spelling is itself TRES text, such as ``cpu=4,mem=8192M,node=1,gres/gpu=2``: the
    same for all texts that mean the same. Jobs keep it, and fingerprints cover it.
    """

    tres: Tres
    canonical: str
    flags: tuple[str, ...]


def parse_tres(text: str) -> Tres:
    """Read a TRES text; the empty text is no resources. Raises InvalidTres."""
    return read_tres(text).tres


def read_tres(text: str) -> Reading:
    """As parse_tres, with canonical spelling and flags. Cached: real files repeat few shapes."""
    if len(text) > MAX_TEXT:
        raise InvalidTres(f"longer than {MAX_TEXT} characters")
    return _read(text)


def parse_req_mem(text: str, *, nodes: int, cpus: int) -> int:
    """The ReqMem column in KiB. Old versions end it in ``n`` (per node) or ``c`` (per CPU)."""
    match = _REQ_MEM.fullmatch(text)
    if match is None:
        raise InvalidTres(f"ReqMem is not an amount of memory: {text[:40]!r}")
    times = {"n": nodes, "c": cpus, "": 1}[match[2]]
    return _limited("ReqMem", _memory_kib("ReqMem", match[1]) * times, MAX_MEM_KIB)


@lru_cache(maxsize=16384)
def _read(text: str) -> Reading:
    values = _split(text)
    typed = tuple(
        (key[len(_GPU) + 1 :], count)
        for key in sorted(values)
        if key.startswith(f"{_GPU}:") and (count := _count(key, values[key]))
    )
    total_typed = sum(count for _, count in typed)
    untyped = _count(_GPU, values[_GPU]) if _GPU in values else None
    other = tuple((key, values[key]) for key in sorted(values) if not _known(key))
    amounts = [(key, _amount(key, value)) for key, value in other]
    tres = Tres(
        cpus=_count("cpu", values.get("cpu", "0")),
        mem_kib=_memory_kib("mem", values.get("mem", "0")),
        # Only types that the site tracks are listed by type, so the untyped count may be larger;
        # it is then the true number of devices, and what sreport counts.
        gpus=_limited(_GPU, max(total_typed, untyped or 0), MAX_COUNT),
        nodes=_count("node", values.get("node", "0")),
        gpu_types=typed,
        billing=_billing(values["billing"]) if "billing" in values else None,
        other=other,
    )
    return Reading(
        tres, _canonical(tres, amounts), tuple(_flags(typed, total_typed, untyped, other))
    )


def _split(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for item in text.split(",") if text else ():
        key, equals, value = item.partition("=")
        if not equals or not key or not value:
            raise InvalidTres(f"not a key=value pair: {item[:40]!r}")
        if len(key) > 128 or not key.isprintable() or " " in key:
            raise InvalidTres(f"not a resource name: {key[:40]!r}")
        if key in values:
            raise InvalidTres(f"{key} is given twice")
        values[key] = value
    return values


def _known(key: str) -> bool:
    return key in ("cpu", "mem", "node", "billing", _GPU) or key.startswith(f"{_GPU}:")


def _limited(key: str, value: int, limit: int) -> int:
    if value >= limit:
        raise InvalidTres(f"{key} is absurdly large")
    return value


def _count(key: str, text: str) -> int:
    if _COUNT.fullmatch(text) is None:
        raise InvalidTres(f"{key} is not a whole number: {text[:40]!r}")
    return _limited(key, int(text), MAX_COUNT)


def _billing(text: str) -> Decimal:
    if _BILLING.fullmatch(text) is None:
        raise InvalidTres(f"billing is not a number: {text[:40]!r}")
    if Decimal(text) >= 2**63:
        raise InvalidTres("billing is absurdly large")
    return Decimal(_amount("billing", text))


def _memory_kib(key: str, text: str) -> int:
    """KiB, half up. ``62.50G`` is exact; ``31.27G`` was already rounded by Slurm when it was
    printed.
    """
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise InvalidTres(f"{key} is not an amount of memory: {text[:40]!r}")
    decimals = match[2] or ""
    scale = 10 ** len(decimals)
    amount = int(match[1] + decimals) * _KIB[match[3]]
    return _limited(key, (2 * amount + scale) // (2 * scale), MAX_MEM_KIB)


def _amount(key: str, text: str) -> str:
    """A number of unknown unit with its suffix multiplied out, so that 1G and 1024M are spelled
    alike.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InvalidTres(f"{key} is not a number: {text[:40]!r}")
    decimals = match[2] or ""
    whole, rest = divmod(int(match[1] + decimals) * _POWERS[match[3]], 10 ** len(decimals))
    fraction = "." + str(rest).zfill(len(decimals)).rstrip("0") if rest else ""
    return f"{'-' if text[0] == '-' else ''}{whole}{fraction}"


def _canonical(tres: Tres, amounts: list[tuple[str, str]]) -> str:
    mib, odd = divmod(tres.mem_kib, 1024)
    memory = f"{tres.mem_kib}K" if odd else f"{mib}M"
    parts = [
        ("cpu", tres.cpus and str(tres.cpus)),
        ("mem", tres.mem_kib and memory),
        ("node", tres.nodes and str(tres.nodes)),
        ("billing", None if tres.billing is None else str(tres.billing)),
        (_GPU, tres.gpus and str(tres.gpus)),
        *((f"{_GPU}:{kind}", str(count)) for kind, count in tres.gpu_types),
        # Energy is a measurement that keeps changing and that REST leaves out; it isn't billable.
        *((key, amount) for key, amount in amounts if key != "energy"),
    ]
    return ",".join(f"{key}={amount}" for key, amount in parts if amount)


def amounts_of(canonical: str) -> dict[str, str]:
    """Return the amounts in a canonical TRES text, by resource."""
    return dict(item.split("=", 1) for item in canonical.split(",") if item)


def gpu_types_of(canonical: str) -> dict[str, int]:
    """Return how many GPUs of each type a canonical TRES text names."""
    begin = f"{_GPU}:"
    if begin not in canonical:
        return {}
    amounts = amounts_of(canonical)
    return {key[len(begin) :]: int(n) for key, n in amounts.items() if key.startswith(begin)}


def _flags(
    typed: tuple[tuple[str, int], ...],
    total_typed: int,
    untyped: int | None,
    other: tuple[tuple[str, str], ...],
) -> Iterator[str]:
    if typed and untyped is not None and untyped != total_typed:
        yield "gpu_untyped_mismatch"
    if any(key not in _PLAIN for key, _ in other):
        yield "unknown_tres"
