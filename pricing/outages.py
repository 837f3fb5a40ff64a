"""What an outage gives back of what jobs cost: computed the same for a look, a step and the proof.

A job gets back so many percent of what its charges in force come to for the time that it ran within
the outage: a job of four hours, of which one lay in it, gets a quarter of that percentage back. All
outages together give back no more than the whole of a charge.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import BooleanField, F, Func, QuerySet

from core.canonical import sha256_of
from core.money import CHARGE_DECIMALS, total
from pricing.models import Charge, ChargeKind, OutageCredit, OutageItem
from pricing.selectors import live_charges

Key = tuple[int | None, int, int | None, str]
"""A job, who pays for a share of it, and the resource: what stands in for a charge has the same."""


@dataclass(frozen=True, slots=True)
class Credit:
    """What is given back of one charge; ``amount`` is less than nothing, at six decimals."""

    job_id: int
    charge_id: int
    project_id: int
    project: str
    currency: str
    seconds: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Sum:
    """What a project gets back in one currency."""

    project: str
    currency: str
    jobs: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """What an outage gives back in all; ``digest`` is of every single amount."""

    jobs: int
    sums: tuple[Sum, ...]
    digest: str

    def as_json(self) -> dict[str, Any]:
        sums = [[one.project, one.currency, one.jobs, f"{one.amount:f}"] for one in self.sums]
        return {"jobs": self.jobs, "sums": sums, "digest": self.digest}


def charges_within(outage: OutageCredit) -> QuerySet[Charge]:
    """Return the charges in force of jobs that ran on the cluster within the outage."""
    return live_charges().filter(
        kind__in=(ChargeKind.USAGE, ChargeKind.MINIMUM),
        amount__gt=0,
        job__cluster=outage.cluster_id,
        job__start__lt=outage.ends_at,
        job__end__gt=outage.starts_at,
    )


def credits_of(outage: OutageCredit) -> list[Credit]:
    """Return what an outage gives back, charge by charge, as charges are now."""
    return list(_credits(outage))


def _credits(outage: OutageCredit) -> Iterator[Credit]:
    before = _credited(outage)
    rows = charges_within(outage).order_by("project__code", "currency", "job_end", "pk")
    for charge in rows.select_related("job", "project").iterator(2000):
        job = charge.job
        if job is None or job.start is None or job.end is None or job.start == job.end:
            continue
        start, end = max(job.start, outage.starts_at), min(job.end, outage.ends_at)
        part = _part(charge.amount, outage.percent, (start, end), (job.start, job.end))
        left = charge.amount - before[(job.pk, charge.project_id, charge.share_id, charge.resource)]
        amount = min(part, left)
        if amount > 0:
            yield Credit(
                job.pk, charge.pk, charge.project_id, charge.project.code, charge.currency,
                max(1, round((end - start).total_seconds())), -amount,
            )  # fmt: skip


def _credited(outage: OutageCredit) -> dict[Key, Decimal]:
    """What outages gave back so far of jobs that this one touches, also of charges that were
    replaced since."""
    taken_back = Func(
        F("adjustment_id"), function="pricing_is_taken_back", output_field=BooleanField()
    )
    rows = OutageItem.objects.alias(gone=taken_back).filter(
        gone=False,
        job__cluster=outage.cluster_id,
        job__start__lt=outage.ends_at,
        job__end__gt=outage.starts_at,
    )
    found: dict[Key, Decimal] = defaultdict(Decimal)
    for item in rows.select_related("charge").iterator(2000):
        charge = item.charge
        found[item.job_id, charge.project_id, charge.share_id, charge.resource] -= item.amount
    return found


def _part(
    amount: Decimal,
    percent: Decimal,
    within: tuple[datetime, datetime],
    whole: tuple[datetime, datetime],
) -> Decimal:
    """Return percent × amount × time within ÷ whole time, half up at six decimals."""
    hundredths = int(percent.scaleb(2))
    numerator = int(amount.scaleb(CHARGE_DECIMALS)) * hundredths * _microseconds(*within)
    denominator = 10_000 * _microseconds(*whole)
    return Decimal(f"{(2 * numerator + denominator) // (2 * denominator)}e-{CHARGE_DECIMALS}")


def _microseconds(start: datetime, end: datetime) -> int:
    passed = end - start
    return (passed.days * 86_400 + passed.seconds) * 10**6 + passed.microseconds


def figures_of(found: Sequence[Credit]) -> Figures:
    """Return what some credits come to, by project and currency."""
    groups: dict[tuple[str, str], list[Credit]] = defaultdict(list)
    for one in found:
        groups[one.project, one.currency].append(one)
    sums = tuple(
        Sum(project, currency, len({row.job_id for row in rows}), total(r.amount for r in rows))
        for (project, currency), rows in sorted(groups.items())
    )
    rows = [[one.charge_id, one.seconds, one.amount] for one in found]
    return Figures(len({one.job_id for one in found}), sums, sha256_of(sorted(rows)))
