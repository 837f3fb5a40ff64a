"""/metrics: series that are there from the start, the state at a scrape, requests and logins."""

import hmac
import time
from collections.abc import Callable, Iterable
from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from django_structlog.signals import bind_extra_request_finished_metadata
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core import metrics
from hpcbilling.books import metrics as books_metrics
from hpcbilling.health import readiness
from hpcbilling.pulls import metrics as pull_metrics
from hpcbilling.reconciliation import metrics as reconciliation_metrics
from receipts.services import STEPS
from usage.models import Reconciliation
from usage.selectors import last_imports

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Probes and files would drown what people do.
STARTED = "hpcbilling.started"
NOT_COUNTED = frozenset({"healthz", "readyz", "metrics"})

IMPORT_STATUSES = ("complete", "incomplete", "failed")
IMPORT_KINDS = (
    "rows_read",
    "jobs_new",
    "jobs_changed",
    "jobs_unchanged",
    "steps",
    "quarantined",
)
WEBHOOK_OUTCOMES = ("applied", "mismatch", "noted", "replay", "bad_signature")
WINDOW_STATUSES = ("read", "empty", "failed", "split")
LOGIN_OUTCOMES = ("success", "failure", "locked_out")
RECEIPT_TRANSITIONS = (
    ("new", "draft"),
    *((before, after) for before, afters in STEPS.items() for after in sorted(afters)),
)


def present_from_the_start() -> None:
    """Create the series that alerts rely on, so that 'no event yet' reads 0 and not 'no data'."""
    for status in IMPORT_STATUSES:
        metrics.IMPORT_RUNS.labels(status=status)
    for kind in IMPORT_KINDS:
        metrics.IMPORT_ROWS.labels(kind=kind)
    for status in WINDOW_STATUSES:
        metrics.WINDOWS.labels(status=status)
    for outcome in Reconciliation.Outcome.values:
        metrics.RECONCILIATIONS.labels(outcome=outcome)
    for outcome in LOGIN_OUTCOMES:
        metrics.LOGINS.labels(outcome=outcome)
    for before, after in RECEIPT_TRANSITIONS:
        metrics.RECEIPT_TRANSITIONS.labels(from_status=before, to_status=after)
    for provider in settings.PAYMENT_PROVIDERS:
        for outcome in WEBHOOK_OUTCOMES:
            metrics.WEBHOOKS.labels(provider=provider, outcome=outcome)


@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Prometheus's page. Production shows it only to who has METRICS_TOKEN (bearer)."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and not hmac.compare_digest(given.encode(), token.encode()):
        return HttpResponse(
            "This page needs the bearer token in METRICS_TOKEN.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if settings.PRODUCTION and not token:
        return HttpResponse(
            "Set METRICS_TOKEN to turn this page on.\n", status=403, content_type="text/plain"
        )
    present_from_the_start()
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


class StateCollector(Collector):
    """Readiness, and when each cluster was last heard of, as they are at the time of a scrape."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        ready = GaugeMetricFamily(
            "hpcbilling_ready", "1 where a check of /readyz passes, else 0.", labels=["check"]
        )
        found = readiness()
        for name, outcome in found.items():
            ready.add_metric([name], float(outcome["status"] == "ok"))
        yield ready
        if all(outcome["status"] == "ok" for outcome in found.values()):
            yield self._last_imports()
            yield from pull_metrics.collect()
            yield from reconciliation_metrics.collect()
            yield from books_metrics.collect()

    @staticmethod
    def _last_imports() -> GaugeMetricFamily:
        imported = GaugeMetricFamily(
            "hpcbilling_last_import_timestamp_seconds",
            "When an enabled cluster's usage was last imported (or it was added), as Unix time.",
            labels=["cluster"],
        )
        for name, moment in last_imports().items():
            imported.add_metric([name], moment.timestamp())
        return imported


metrics.STATE.register(StateCollector())


class RequestMetricsMiddleware:
    """Counts and times requests under their route's name, never under a path with ids in it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        start = time.perf_counter()
        request.META[STARTED] = start
        response = self.get_response(request)
        match = request.resolver_match
        route = (match.view_name or match.route) if match else "unmatched"
        if route not in NOT_COUNTED:
            method = request.method if request.method in KNOWN_METHODS else "OTHER"
            metrics.HTTP_REQUESTS.labels(route, method, str(response.status_code)).inc()
            metrics.HTTP_SECONDS.labels(route, method).observe(time.perf_counter() - start)
        return response


@receiver(bind_extra_request_finished_metadata)
def _add_duration(request: HttpRequest, log_kwargs: dict[str, Any], **_event: Any) -> None:
    """Put the time that a request took into its line of the log."""
    if STARTED in request.META:
        elapsed = time.perf_counter() - request.META[STARTED]
        log_kwargs["milliseconds"] = round(elapsed * 1000, 1)


@receiver(user_logged_in)
def _count_login(**_event: Any) -> None:
    metrics.LOGINS.labels(outcome="success").inc()


@receiver(user_login_failed)
def _count_failure(**_event: Any) -> None:
    metrics.LOGINS.labels(outcome="failure").inc()


@receiver(user_locked_out)
def _count_lockout(**_event: Any) -> None:
    metrics.LOGINS.labels(outcome="locked_out").inc()
