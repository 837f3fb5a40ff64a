"""How pulls stand, as /metrics shows it: found out at each scrape, so that silence is seen too."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from hpcbilling.pulls.watch import standing
from usage import windows
from usage.coverage import settled_gaps
from usage.models import Cluster, MissingJob, Window

RECENT = timedelta(days=1)


def collect() -> Iterable[GaugeMetricFamily]:
    """Yield the series of every enabled cluster."""
    clusters = list(Cluster.objects.filter(is_enabled=True))
    yield from _nights()
    yield _gaps(clusters)
    yield from _windows(clusters)
    yield _missing(clusters)


def _gauge(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hpcbilling_{name}", what, labels=["cluster"])


def _nights() -> Iterable[GaugeMetricFamily]:
    due = _gauge(
        "pull_due_timestamp_seconds", "When a cluster's last nightly pull was due, as Unix time."
    )
    done = _gauge(
        "pull_done_timestamp_seconds",
        "When a cluster's last nightly pull ended in which every window was read (0: never).",
    )
    for each in standing():
        due.add_metric([each.cluster.name], each.due_at.timestamp())
        done.add_metric([each.cluster.name], each.done_at.timestamp() if each.done_at else 0)
    return due, done


def _gaps(clusters: Iterable[Cluster]) -> GaugeMetricFamily:
    gauge = _gauge(
        "gap_seconds", "How much time before the last night's pull was never read whole."
    )
    now = timezone.now()
    for cluster in clusters:
        missing = windows.length(settled_gaps(cluster, now))
        gauge.add_metric([cluster.name], missing.total_seconds())
    return gauge


def _windows(clusters: Iterable[Cluster]) -> Iterable[GaugeMetricFamily]:
    empty = _gauge("empty_days", "Days that a source answered without any job, asked in a day.")
    fallbacks = _gauge("fallbacks", "Windows of a day for which a source before had failed.")
    asked = Window.objects.filter(asked_at__gte=timezone.now() - RECENT)
    answered = asked.filter(status__in=(Window.Status.READ, Window.Status.EMPTY))
    fell_back = dict(
        answered.exclude(tried=[]).order_by().values_list("cluster").annotate(Count("pk"))
    )
    suspicious: dict[int, int] = {}
    for window in asked.filter(Q(status=Window.Status.EMPTY)):
        if window.is_suspicious:
            suspicious[window.cluster_id] = suspicious.get(window.cluster_id, 0) + 1
    for cluster in clusters:
        empty.add_metric([cluster.name], suspicious.get(cluster.pk, 0))
        fallbacks.add_metric([cluster.name], fell_back.get(cluster.pk, 0))
    return empty, fallbacks


def _missing(clusters: Iterable[Cluster]) -> GaugeMetricFamily:
    gauge = _gauge("missing_jobs", "Jobs that Slurm no longer has, though it had them before.")
    rows = MissingJob.objects.filter(returned_at=None).order_by()
    counts = dict(rows.values_list("job__cluster").annotate(Count("pk")))
    for cluster in clusters:
        gauge.add_metric([cluster.name], counts.get(cluster.pk, 0))
    return gauge
