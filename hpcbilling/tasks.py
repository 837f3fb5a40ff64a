"""Tasks that span apps. Each is safe to run twice, or twice at once, and carries ids only."""

import structlog
from celery import shared_task
from django.core.management import call_command

from audit.models import AuditHead
from core.actor import Actor
from core.queue import after_commit
from hpcbilling import workflows
from hpcbilling.pulls import due, running, watch

log = structlog.get_logger(__name__)
BEAT = Actor.system("beat")


@shared_task(name="hpcbilling.rate_pending")
def rate_pending() -> None:
    """Rate whatever is due."""
    workflows.rate_pending(actor=BEAT)


@shared_task(name="hpcbilling.resume")
def resume() -> None:
    """Go on with imports and pulls whose worker died, and with windows that failed."""
    workflows.resume_imports(actor=BEAT)
    due.resume_pulls()


@shared_task(name="hpcbilling.run_import")
def run_import(run_id: int) -> None:
    """Run a confirmed import to its end and rate its jobs."""
    workflows.finish_import(run_id=run_id, actor=Actor.system("import"))


@shared_task(name="hpcbilling.start_due_pulls")
def start_due_pulls() -> None:
    """Start the pulls that are due by their cluster's own clock."""
    due.start_due(actor=BEAT)


@shared_task(name="hpcbilling.advance_pull")
def advance_pull(pull_id: int) -> None:
    """Read one window of a pull, or close it; the next one has a message of its own, so that a
    backfill of years keeps no worker from other work."""
    if running.advance(pull_id=pull_id, actor=Actor.system("pull")):
        after_commit(due.ADVANCE_TASK, pull_id)


@shared_task(name="hpcbilling.tell_late_pulls")
def tell_late_pulls() -> None:
    """Mail the operator about nights that did not happen."""
    watch.tell_operator()


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
