"""What is priced, and in which units (pure).

A resource code is ``cpu``, ``mem``, ``gpu``, ``node``, ``billing`` or ``energy``, or a family and a
name: ``gpu:a100``, ``license:matlab``, ``unit:core-hour`` (an equivalent that a list defines) and
``sku:setup`` (an add-on, top-up or service, never of a job). This is the one place that says which
base units each is counted in and how many of them its price is for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

HOUR = 3600
MIB_PER_GB = 1024
MICRO = 10**6
KWH = 3_600_000


@dataclass(frozen=True, slots=True)
class Resource:
    """A priced resource: its quantity's name on a job and how many base units a price is for."""

    code: str
    quantity: str
    unit_size: int
    unit: str


class UnknownResource(LookupError):
    """A code that names no resource; the argument is the code."""


RESOURCES: Mapping[str, Resource] = {
    resource.code: resource
    for resource in (
        Resource("cpu", "cpu_seconds", HOUR, "CPU-core-hour"),
        Resource("gpu", "gpu_seconds", HOUR, "GPU-hour"),
        Resource("mem", "mem_mib_seconds", HOUR * MIB_PER_GB, "GB-hour"),
    )
}
"""Those whose quantities a job keeps, by code. A GB is 1024 MiB, as Slurm counts memory."""

OTHERS: Mapping[str, Resource] = {
    resource.code: resource
    for resource in (
        Resource("node", "node_seconds", HOUR, "node-hour"),
        Resource("billing", "micro_billing_seconds", HOUR * MICRO, "billing-hour"),
        Resource("energy", "energy_joules", KWH, "kWh"),
    )
}
"""Those that are priced where a list has a rate for them. Slurm's billing is a weighted sum that
may have fractions, so it is counted in millionths."""

FAMILIES: Mapping[str, Resource] = {
    resource.code: resource
    for resource in (
        Resource("gpu", "gpu_seconds", HOUR, "GPU-hour"),
        Resource("license", "license_seconds", HOUR, "licence-hour"),
        Resource("unit", "micro_unit_seconds", HOUR * MICRO, "unit-hour"),
        Resource("sku", "micro_units", MICRO, "unit"),
    )
}
"""By what stands before the colon. Equivalents and SKUs may have fractions: millionths."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,55}", re.ASCII)

FIGURES = tuple(resource.quantity for resource in RESOURCES.values())
"""The names of a job's priced quantities, in the order of ``RESOURCES``."""


@lru_cache(maxsize=1024)
def resource_of(code: str) -> Resource:
    """Return the resource of a code. Raises UnknownResource."""
    found = RESOURCES.get(code) or OTHERS.get(code)
    if found is not None:
        return found
    family, colon, name = code.partition(":")
    kind = FAMILIES.get(family)
    if kind is None or not colon or _NAME.fullmatch(name) is None:
        raise UnknownResource(code)
    return Resource(code, kind.quantity, kind.unit_size, kind.unit)


def family_of(code: str) -> str:
    """Return what stands before the colon: ``gpu`` for ``gpu`` and for ``gpu:a100``."""
    return code.partition(":")[0]


def name_of(code: str) -> str:
    """Return what stands after the colon: ``a100`` for ``gpu:a100``, nothing for ``gpu``."""
    return code.partition(":")[2]


def quantities(job: object) -> dict[str, int]:
    """Return what a job used by resource code, in base units; what it did not use is absent."""
    found = {code: int(getattr(job, one.quantity)) for code, one in RESOURCES.items()}
    return {code: quantity for code, quantity in found.items() if quantity}
