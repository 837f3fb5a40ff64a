"""How clusters compare with Slurm's own totals, and what evidence takes, for Prometheus."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily

from usage.growth import stored_bytes_by_cluster
from usage.reconciliations import last_reconciliations, unexplained_by_cluster


def collect() -> Iterable[GaugeMetricFamily]:
    """Yield the series of every enabled cluster that can be compared."""
    unexplained = GaugeMetricFamily(
        "hpcbilling_reconciliation_unexplained",
        "Differences to Slurm's own totals that have no known cause, by the last comparisons.",
        labels=["cluster"],
    )
    for name, count in unexplained_by_cluster().items():
        unexplained.add_metric([name], count)
    yield unexplained
    compared = GaugeMetricFamily(
        "hpcbilling_last_reconciliation_timestamp_seconds",
        "When an enabled cluster was last compared with Slurm's own totals (or it was added).",
        labels=["cluster"],
    )
    for name, moment in last_reconciliations().items():
        compared.add_metric([name], moment.timestamp())
    yield compared
    stored = GaugeMetricFamily(
        "hpcbilling_evidence_stored_bytes",
        "What the evidence of each cluster takes in the database.",
        labels=["cluster"],
    )
    for name, size in stored_bytes_by_cluster().items():
        stored.add_metric([name], size)
    yield stored
