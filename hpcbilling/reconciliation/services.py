"""Comparing a period of a cluster with what Slurm says, and keeping the result."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone

from audit.services import record
from core import metrics
from core.actor import Actor
from core.errors import Conflict
from core.intervals import Interval, month, month_start
from core.site import site_zone
from hpcbilling.reconciliation import compare as comparison
from hpcbilling.reconciliation.causes import Cause
from hpcbilling.reconciliation.statements import Statement, statements_of
from usage.models import Cluster, QuarantinedRow, Reconciliation, Window
from usage.quarantine_states import open_rows
from usage.sources.base import SourceFailed
from usage.statements.rows import StatementUnreadable

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATE = timedelta(days=7)
ROLL_UP = 2 * HOUR
"""Slurm rolls an hour up some time after its end; sreport lacks it until then."""
LISTED_SUMS = 200
Outcome = Reconciliation.Outcome


def reconcile(
    *, cluster: Cluster, period: Interval, actor: Actor, until: datetime | None = None
) -> Reconciliation:
    """Compare a cluster's usage in a period with Slurm's own totals; returns the stored result.

    A period that goes on is compared up to ``until``: by default the last full hour up to which
    its usage was read. A source that fails is passed over for the next one; if all fail, the result
    is FAILED with the reasons. Raises Conflict if there is nothing to compare with: no source can
    give totals, or the period has not begun.
    """
    statements = _statements(cluster)
    window = Interval(period.start, until) if until else _compared(cluster, period)
    errors: list[str] = []
    for statement in statements:
        try:
            with transaction.atomic():
                return _store(
                    statement.cluster, period, window, actor, **_read(statement, window, errors)
                )
        except (SourceFailed, StatementUnreadable) as error:
            errors.append(f"{statement.label}: {error}")
    with transaction.atomic():
        failed = {"outcome": Outcome.FAILED, "error": "\n".join(errors)}
        return _store(cluster, period, window, actor, **failed)


def reconcile_open_months(*, cluster: Cluster, actor: Actor) -> list[Reconciliation]:
    """Compare the month of yesterday, and in a month's first days the one before: its last records
    come late. Months of which nothing was read yet, or that nobody can tell of, are passed over."""
    yesterday = timezone.localdate() - DAY
    lately = yesterday - LATE
    found = []
    for day in dict.fromkeys((month_start(lately), month_start(yesterday))):
        with suppress(Conflict):
            period = month(day, site_zone())
            found.append(reconcile(cluster=cluster, period=period, actor=actor))
    return found


def _statements(cluster: Cluster) -> list[Statement]:
    try:
        found = statements_of(cluster)
    except SourceFailed as error:
        raise Conflict("connections", error.message) from error
    if not found:
        raise Conflict(
            "no_totals",
            "No source of this cluster can give Slurm's totals: it takes sacct or slurmrestd, and"
            " the operator's connection of that name.",
        )
    return found


def _compared(cluster: Cluster, period: Interval) -> Interval:
    """Return the part of a period that can be compared: usage was read up to there."""
    read = Window.objects.filter(
        cluster=cluster, status__in=(Window.Status.READ, Window.Status.EMPTY)
    )
    known: datetime = read.aggregate(known=Max("end"))["known"] or timezone.now()
    until = min(period.end, known, timezone.now())
    if until < period.end:
        until = datetime.fromtimestamp(until.timestamp() // 3600 * 3600, UTC)
    if until <= period.start:
        raise Conflict("not_begun", "No usage was read of this period yet.")
    return Interval(period.start, until)


def _read(statement: Statement, window: Interval, errors: list[str]) -> dict[str, Any]:
    """Read Slurm's totals and compare them; returns the values of the result."""
    cluster = statement.cluster
    comparison.load(statement.jobs(window))
    rows = QuarantinedRow.objects.filter(run__cluster=cluster)
    comparison.load_quarantine(rows)
    has_windows = Window.objects.filter(cluster=cluster).exists()
    found = comparison.compare(cluster=cluster, window=window, has_windows=has_windows)
    report = _report(statement, window)
    values = asdict(found) | {"report": report}
    values["unexplained"] += report.get("unexplained", 0)
    values["outcome"] = (
        Outcome.UNEXPLAINED
        if values["unexplained"]
        else Outcome.EXPLAINED
        if found.jobs_differing
        else Outcome.AGREED
    )
    values["quarantined_rows"] = _open_rows(cluster, window)
    values["source"] = "; ".join((statement.label, *(f"not {error}" for error in errors)))[:255]
    return values


def _open_rows(cluster: Cluster, window: Interval) -> int:
    """Count the quarantined rows of a period that wait for someone: those of the imports that read
    a part of it, for what can't be read has no other time."""
    reads = Window.objects.filter(
        run=OuterRef("run"), start__lt=window.end, end__gt=window.start, cluster=cluster
    )
    by_file = Q(run__windows=None, run__created_at__gte=window.start)
    rows = open_rows().filter(Q(Exists(reads)) | by_file, run__cluster=cluster)
    return rows.count()


def _report(statement: Statement, window: Interval) -> dict[str, Any]:
    """Compare sreport's sums with those of the jobs that Slurm stated; empty if it can't be asked:
    it counts by whole hours, and an hour has to be rolled up first."""
    on_the_hour = all(edge.timestamp() % 3600 == 0 for edge in (window.start, window.end))
    if not (statement.has_report and on_the_hour):
        return {}
    said, jobs = statement.report(window), Counter(comparison.stated_sums())
    suspended = comparison.suspended_at_the_edge(window)
    unlike = [
        {"account": key[0], "user": key[1], "resource": key[2], "sreport": said[key],
         "jobs": jobs[key], "cause": _report_cause(key, said[key], jobs[key], suspended)}
        for key in sorted(said.keys() | jobs.keys())
        if said[key] != jobs[key]
    ]  # fmt: skip
    rolled_up = window.end <= timezone.now() - ROLL_UP
    return {
        "agrees": not unlike,
        "rolled_up": rolled_up,
        "differences": unlike[:LISTED_SUMS],
        "unexplained": sum(not line["cause"] for line in unlike) if rolled_up else 0,
    }


def _report_cause(
    key: tuple[str, str, str],
    sreport: int,
    jobs: int,
    suspended: Mapping[tuple[str, str], tuple[int, int]],
) -> str:
    """Return why sreport has another sum, if that is known. A job that is suspended at the period's
    edge can explain no more CPU time than it held."""
    account, user, resource = key
    stated, at_most = suspended.get((account, user), (0, 0))
    others = jobs - stated
    explained = resource == "cpu_seconds" and at_most and others <= sreport <= others + at_most
    return Cause.SUSPENDED.value if explained else ""


def _store(
    cluster: Cluster, period: Interval, window: Interval, actor: Actor, **values: Any
) -> Reconciliation:
    result = Reconciliation.objects.create(
        cluster=cluster,
        start=period.start,
        end=period.end,
        until=window.end,
        requested_by_id=actor.user_id,
        **values,
    )
    record(
        "usage.reconciled",
        actor=actor,
        target=result,
        data={
            "cluster": cluster.name,
            "outcome": str(result.outcome),
            "jobs_differing": result.jobs_differing,
            "unexplained": result.unexplained,
        },
    )
    metrics.RECONCILIATIONS.labels(outcome=str(result.outcome)).inc()
    return result
