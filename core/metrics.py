"""What the product counts for Prometheus, on a registry of its own.

The registry is dedicated, so that /metrics shows what is listed here and nothing that a library
registers by itself. With `PROMETHEUS_MULTIPROC_DIR` set, all processes that share that directory
(web workers, Celery workers, commands) are summed up; without it a process shows its own numbers.

Services count after their transaction: `transaction.on_commit(lambda: WEBHOOKS.labels(…).inc())`,
so that what was rolled back is not counted.
"""

import os
import socket
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

_MULTIPROCESS_DIRECTORY = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")


def _process_identifier() -> str:
    """Distinct over processes of several containers that share the directory, where pids repeat."""
    return f"{socket.gethostname().replace('_', '-')}-{os.getpid()}"


if _MULTIPROCESS_DIRECTORY:
    Path(_MULTIPROCESS_DIRECTORY).mkdir(mode=0o700, parents=True, exist_ok=True)
    values.ValueClass = values.MultiProcessValue(_process_identifier)  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()

STATE = CollectorRegistry()
"""What is found out at each scrape instead of counted, so that a restart does not lose it."""

HTTP_REQUESTS = Counter(
    "hpcbilling_http_requests",
    "Requests by route name, method and status code.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "hpcbilling_http_request_seconds",
    "Time to answer, by route name and method.",
    ["route", "method"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
IMPORT_RUNS = Counter(
    "hpcbilling_import_runs", "Finished usage imports.", ["status"], registry=REGISTRY
)
IMPORT_ROWS = Counter(
    "hpcbilling_import_rows", "Rows read by usage imports.", ["kind"], registry=REGISTRY
)
WINDOWS = Counter(
    "hpcbilling_windows",
    "Windows of Slurm's accounting that were asked for, by what became of them.",
    ["status"],
    registry=REGISTRY,
)
SOURCE_FAILURES = Counter(
    "hpcbilling_source_failures",
    "Answers that a source of usage failed to give.",
    ["kind", "code"],
    registry=REGISTRY,
)
RECONCILIATIONS = Counter(
    "hpcbilling_reconciliations",
    "Comparisons with Slurm's own totals, by how they came out.",
    ["outcome"],
    registry=REGISTRY,
)
RECEIPT_TRANSITIONS = Counter(
    "hpcbilling_receipt_transitions",
    "Receipts that went from one status to another.",
    ["from_status", "to_status"],
    registry=REGISTRY,
)
WEBHOOKS = Counter(
    "hpcbilling_webhooks",
    "Events received from payment providers, by what became of them.",
    ["provider", "outcome"],
    registry=REGISTRY,
)
LOGINS = Counter("hpcbilling_logins", "Attempts to log in.", ["outcome"], registry=REGISTRY)


def exposition() -> bytes:
    """All series in Prometheus's text format, over all processes that share the directory."""
    counted = REGISTRY
    if _MULTIPROCESS_DIRECTORY:
        counted = CollectorRegistry()
        MultiProcessCollector(counted, _MULTIPROCESS_DIRECTORY)  # type: ignore[no-untyped-call]
    return generate_latest(counted) + generate_latest(STATE)
