"""Tasks that span apps. Each is safe to run twice, or twice at once, and carries ids only."""

from contextlib import suppress
from datetime import date, datetime

import structlog
from celery import current_app, shared_task
from django.core.management import call_command
from django.utils.translation import override

from accounts.models import User
from audit.models import AuditHead
from core.actor import Actor
from core.errors import Conflict, DomainError
from core.intervals import Interval
from core.queue import RATE_TASK, after_commit
from hpcbilling import workflows
from hpcbilling.books.results import check_and_keep
from hpcbilling.closing import attempts, month_end
from hpcbilling.pulls import due, running, watch
from hpcbilling.reconciliation.services import reconcile, reconcile_open_months
from usage.models import Cluster
from usage.pulls import ADVANCE_TASK
from usage.reconciliations import comparable_clusters
from usage.runs import RUN_TASK

log = structlog.get_logger(__name__)
BEAT = Actor.system("beat")


@shared_task(name=RATE_TASK)
def rate_pending() -> None:
    """Rate whatever is due."""
    workflows.rate_pending(actor=BEAT)


@shared_task(name="hpcbilling.resume")
def resume() -> None:
    """Go on with imports and pulls whose worker died, and with windows that failed."""
    workflows.resume_imports(actor=BEAT)
    due.resume_pulls()


@shared_task(name=RUN_TASK)
def run_import(run_id: int) -> None:
    """Run a confirmed import to its end and rate its jobs."""
    workflows.finish_import(run_id=run_id, actor=Actor.system("import"))


@shared_task(name="hpcbilling.start_due_pulls")
def start_due_pulls() -> None:
    """Start the pulls that are due by their cluster's own clock."""
    due.start_due(actor=BEAT)


@shared_task(name=ADVANCE_TASK)
def advance_pull(pull_id: int) -> None:
    """Read one window of a pull, or close it; the next one has a message of its own, so that a
    backfill of years keeps no worker from other work."""
    if running.advance(pull_id=pull_id, actor=Actor.system("pull")):
        after_commit(ADVANCE_TASK, pull_id)


@shared_task(name="hpcbilling.tell_late_pulls")
def tell_late_pulls() -> None:
    """Mail the operator about nights that did not happen."""
    watch.tell_operator()


@shared_task(name="hpcbilling.reconcile_clusters")
def reconcile_clusters() -> None:
    """Compare each cluster that can tell with Slurm's own totals, one task a cluster."""
    for cluster_id in comparable_clusters().values_list("pk", flat=True):
        current_app.send_task("hpcbilling.reconcile_cluster", args=(cluster_id,))


@shared_task(name="hpcbilling.reconcile_cluster")
def reconcile_cluster(cluster_id: int) -> None:
    """Compare a cluster's open month with Slurm, and last month while it may still change."""
    reconcile_open_months(cluster=Cluster.objects.get(pk=cluster_id), actor=BEAT)


@shared_task(name="hpcbilling.reconcile_period")
def reconcile_period(cluster_id: int, start: str, end: str, user_id: int | None = None) -> None:
    """Compare a cluster's period with Slurm, at someone's wish."""
    period = Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))
    actor = BEAT if user_id is None else Actor.of(User.objects.get(pk=user_id))
    with suppress(Conflict):  # what stands against it shows on the page before it is asked for
        reconcile(cluster=Cluster.objects.get(pk=cluster_id), period=period, actor=actor)


@shared_task(name="hpcbilling.check_books")
def check_books(user_id: int | None = None) -> None:
    """Check every invariant of the books over the whole database, and keep what came out."""
    check_and_keep(actor=BEAT if user_id is None else Actor.of(User.objects.get(pk=user_id)))


@shared_task(name="hpcbilling.close_month")
def close_month(month: str, user_id: int | None = None, reason: str = "") -> None:
    """Close a month at someone's wish, and begin its run. How far it is, and why it was refused,
    shows on the month's page, in the language of who asked."""
    user = None if user_id is None else User.objects.get(pk=user_id)
    actor = BEAT if user is None else Actor.of(user)
    first = date.fromisoformat(month)
    with override(user.language if user else None), attempts.watched(first, actor.name) as attempt:
        month_end.close(period=first, actor=actor, override_reason=reason, true_ups=attempt.advance)


@shared_task(name="hpcbilling.close_last_month")
def close_last_month() -> None:
    """Close the month that ended and begin its run, as soon as nothing stands against it.

    What does shows on the month's page and in the log; asked again, it goes on.
    """
    month = month_end.month_to_close()
    try:
        month_end.close(period=month, actor=BEAT)
    except DomainError as refusal:
        log.warning("month_not_closed", month=f"{month:%Y-%m}", reason=str(refusal))


@shared_task(name="hpcbilling.note_audit_end")
def note_audit_end() -> None:
    """Write the end of the audit chain to the program's log, which leaves this machine elsewhere.

    `manage.py audit_verify --expect NUMBER:HASH` then notices a log that was cut or replaced.
    """
    head = AuditHead.objects.get(pk=1)
    log.info("audit_end", number=head.sequence, hash=head.hash)


@shared_task(name="hpcbilling.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that ended by themselves."""
    call_command("clearsessions")
