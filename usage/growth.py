"""What evidence takes on disk, and how that grows."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import CharField, Count, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, TruncMonth

from core.site import site_zone
from usage.models import Evidence, ImportRun

MONTHS = 24


@dataclass(frozen=True, slots=True)
class Growth:
    """What came in for a cluster in a month of the site: as it came, and as it is stored."""

    month: date
    cluster: str
    inputs: int
    size_bytes: int
    stored_bytes: int


def _by_cluster() -> QuerySet[Any]:
    """Evidence with the name of the cluster that it was first read for; empty before that."""
    first = ImportRun.objects.filter(evidence=OuterRef("pk")).order_by("pk")
    name = Subquery(first.values("cluster__name")[:1])
    return Evidence.objects.annotate(
        read_for=Coalesce(name, Value(""), output_field=CharField())
    ).order_by()


def evidence_growth() -> list[Growth]:
    """Return the growth of the last ``MONTHS`` with any, by cluster, the latest first."""
    rows = _by_cluster().annotate(month=TruncMonth("received_at", tzinfo=site_zone()))
    sums = rows.values_list("month", "read_for").annotate(
        inputs=Count("pk"), size=Sum("size_bytes"), stored=Sum("stored_bytes")
    )
    found = [
        Growth(month.date(), name, inputs, size, stored)
        for month, name, inputs, size, stored in sums.order_by("-month", "read_for")
    ]
    kept = set(sorted({row.month for row in found}, reverse=True)[:MONTHS])
    return [row for row in found if row.month in kept]


def stored_bytes_by_cluster() -> dict[str, int]:
    """Return what all evidence of each cluster takes in the database, before its indexes."""
    return dict(_by_cluster().values_list("read_for").annotate(stored=Sum("stored_bytes")))
