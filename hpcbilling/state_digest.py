"""One digest over what the books say: to compare two databases, or one with itself later.

Covers jobs, their ratings and charges, imports, receipts and payments by their content and natural
keys. Left out is what differs between two ways to the same result: row ids, the times at which
something was done, and the audit log (which `audit_verify` checks). Of what counters priced it
covers how far each counter got: single charges depend on the order in which jobs arrived, their
sums do not.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from core.canonical import canonical_json, sha256_of
from payments.models import InboundEvent, Payment
from pricing.models import Charge, Counter, JobRating
from pricing.selectors import live_charges
from receipts.models import Line, Receipt
from usage.merge import VALUE_FIELDS
from usage.models import Cluster, ImportRun, Job, JobRevision, QuarantinedRow

Row = tuple[Any, ...]
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """How many rows a kind of thing has, and the SHA-256 over their contents in a fixed order."""

    rows: int
    sha256: str


def parts() -> dict[str, Part]:
    """Read everything, in constant memory, and return a digest for each kind of thing."""
    return {name: _digest(rows()) for name, rows in _KINDS.items()}


def overall(found: dict[str, Part]) -> str:
    """Return one digest over the parts."""
    return sha256_of({name: [part.rows, part.sha256] for name, part in found.items()})


def _digest(rows: Iterable[Row]) -> Part:
    digest, count = hashlib.sha256(), 0
    for row in rows:
        digest.update(canonical_json(row).encode() + b"\n")
        count += 1
    return Part(count, digest.hexdigest())


def _by_cluster(
    prefix: str, rows: Callable[[Cluster], QuerySet[Any, Row]], *then: str
) -> Iterator[Row]:
    """Yield rows of all clusters in the order of job id and submit time.

    Clusters are put in order here: the database's order of texts depends on how it was made.
    """
    for cluster in sorted(Cluster.objects.all(), key=lambda each: each.name):
        order = (f"{prefix}job_id", f"{prefix}submit", *then)
        for row in rows(cluster).order_by(*order).iterator(chunk_size=CHUNK):
            yield (cluster.name, *row)


def _jobs() -> Iterator[Row]:
    # Not where the row stood nor how often the job changed: overlapping windows come in any order.
    fields = ("job_id", "submit", "fingerprint", "run__status", *VALUE_FIELDS)
    return _by_cluster("", lambda c: Job.objects.filter(cluster=c).values_list(*fields))


def _revisions() -> Iterator[Row]:
    fields = ("job__job_id", "job__submit", "revision", "values")
    return _by_cluster(
        "job__",
        lambda c: JobRevision.objects.filter(job__cluster=c).values_list(*fields),
        "revision",
    )


def _ratings() -> Iterator[Row]:
    fields = (
        "job__job_id", "job__submit", "status", "reason", "project__code", "job_revision",
        "generation",
    )  # fmt: skip
    return _by_cluster(
        "job__", lambda c: JobRating.objects.filter(job__cluster=c).values_list(*fields)
    )


def _charges() -> Iterator[Row]:
    fields = (
        "job__job_id", "job__submit", "resource", "generation", "quantity", "unit_size",
        "unit_price", "amount", "currency", "estimated", "job_end", "project__code",
        "rate__price_list__tier__code", "rate__price_list__effective_at",
        "rate__price_list__revision", "document_line__line__receipt__number",
        "document_line__line__position", "basis", "share__percent",
    )  # fmt: skip
    # Of a charge and its reversal, the quantities tell which is which.
    priced = Charge.objects.filter(unit_price__isnull=False)
    return _by_cluster(
        "job__",
        lambda c: priced.filter(job__cluster=c).values_list(*fields),
        "resource",
        "generation",
        "project__code",
        "quantity",
    )


def _counters() -> list[Row]:
    rows = Counter.objects.values_list(
        "project__code", "month", "rate__resource", "rate__cluster__name", "rate__partition",
        "rate__qos", "rate__price_list__tier__code", "rate__price_list__project__code",
        "rate__price_list__user__username", "rate__price_list__effective_at",
        "rate__price_list__revision", "quantity", "amount",
    )  # fmt: skip
    return sorted(rows, key=canonical_json)


def _jobless() -> list[Row]:
    """Caps, commitments, items and what was charged by hand."""
    rows = live_charges().filter(kind__in=("true_up", "item", "manual")).values_list(
        "project__code", "kind", "resource", "job_end", "quantity", "amount", "currency",
        "document_line__line__receipt__number",
    )  # fmt: skip
    return sorted(rows, key=canonical_json)


def _imports() -> list[Row]:
    return sorted(
        ImportRun.objects.values_list(
            "cluster__name", "evidence__sha256", "time_zone", "status", "rows_read", "jobs_new",
            "jobs_changed", "jobs_unchanged", "steps", "quarantined", "truncated", "error",
        )
    )  # fmt: skip


def _quarantine() -> list[Row]:
    return sorted(
        QuarantinedRow.objects.values_list(
            "run__cluster__name", "run__evidence__sha256", "line", "reason", "detail", "raw"
        )
    )


def _receipts() -> list[Row]:
    rows = Receipt.objects.values_list(
        "project__code", "window_start", "window_end", "status", "number", "currency",
        "net_amount", "tax_rate", "tax_amount", "total",
    )  # fmt: skip
    return sorted(rows, key=canonical_json)


def _lines() -> list[Row]:
    rows = Line.objects.values_list(
        "receipt__project__code", "receipt__window_start", "receipt__number", "position",
        "resource", "unit_price", "unit_size", "quantity", "charged", "amount", "jobs",
    )  # fmt: skip
    return sorted(rows, key=canonical_json)


def _payments() -> list[Row]:
    rows = Payment.objects.values_list(
        "receipt__number", "provider", "status", "amount", "currency"
    )
    return sorted(rows, key=canonical_json)


def _events() -> list[Row]:
    rows = InboundEvent.objects.values_list(
        "provider", "external_event_id", "kind", "amount", "currency", "outcome", "reason"
    )
    return sorted(rows, key=canonical_json)


_KINDS: dict[str, Callable[[], Iterable[Row]]] = {
    "jobs": _jobs,
    "revisions": _revisions,
    "ratings": _ratings,
    "charges": _charges,
    "counters": _counters,
    "charges_without_job": _jobless,
    "imports": _imports,
    "quarantine": _quarantine,
    "receipts": _receipts,
    "lines": _lines,
    "payments": _payments,
    "events": _events,
}
