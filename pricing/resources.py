"""What is priced, and in which units (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HOUR = 3600
MIB_PER_GB = 1024


@dataclass(frozen=True, slots=True)
class Resource:
    """A priced resource: its quantity's name on a job and how many base units a price is for."""

    code: str
    quantity: str
    unit_size: int
    unit: str


RESOURCES: Mapping[str, Resource] = {
    resource.code: resource
    for resource in (
        Resource("cpu", "cpu_seconds", HOUR, "CPU-core-hour"),
        Resource("gpu", "gpu_seconds", HOUR, "GPU-hour"),
        Resource("mem", "mem_mib_seconds", HOUR * MIB_PER_GB, "GB-hour"),
    )
}
"""By code. A GB is 1024 MiB, as Slurm counts memory."""


FIGURES = tuple(resource.quantity for resource in RESOURCES.values())
"""The names of a job's priced quantities, in the order of ``RESOURCES``."""


def used(figures: Iterable[int]) -> dict[str, int]:
    """Return what a job used by resource code, from its FIGURES; what it did not use is absent."""
    return {code: figure for code, figure in zip(RESOURCES, figures, strict=True) if figure}


def quantities(job: object) -> dict[str, int]:
    """Return what a job used by resource code, in base units; what it did not use is absent."""
    return used(int(getattr(job, figure)) for figure in FIGURES)
