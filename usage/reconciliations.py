"""Reading what comparisons with Slurm came to."""

from datetime import datetime, timedelta

from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from usage.coverage import LIVE_KINDS
from usage.models import Cluster, Reconciliation, Source

RECENT = timedelta(days=3)


def comparable_clusters() -> QuerySet[Cluster]:
    """Return the enabled clusters with a source that can give Slurm's own totals."""
    sources = Source.objects.filter(kind__in=LIVE_KINDS, is_enabled=True)
    return Cluster.objects.filter(is_enabled=True, pk__in=sources.values("cluster"))


def latest_by_period(*, since: datetime | None = None) -> QuerySet[Reconciliation]:
    """Return the last comparison of each cluster and period."""
    rows = Reconciliation.objects.order_by("cluster_id", "start", "end", "-id")
    rows = rows.distinct("cluster_id", "start", "end").select_related("cluster")
    return rows if since is None else rows.filter(created_at__gte=since)


def unexplained_by_cluster() -> dict[str, int]:
    """Return how many differences have no known cause, by comparable cluster, by the last
    comparisons of its latest periods."""
    found = dict.fromkeys(comparable_clusters().values_list("name", flat=True), 0)
    for row in latest_by_period(since=timezone.now() - RECENT):
        if row.cluster.name in found:
            found[row.cluster.name] += row.unexplained
    return found


def last_reconciliations() -> dict[str, datetime]:
    """Return when Slurm's totals of each comparable cluster were last read and compared, or when
    it was added."""
    read = ~Q(reconciliations__outcome=Reconciliation.Outcome.FAILED)
    clusters = comparable_clusters().annotate(
        compared=Coalesce(Max("reconciliations__created_at", filter=read), F("created_at"))
    )
    return dict(clusters.values_list("name", "compared"))
