"""Tasks that span apps. Each is safe to run twice, or twice at once, and carries ids only."""

import structlog
from celery import current_app, shared_task
from django.core.management import call_command

from audit.models import AuditHead
from core.actor import Actor
from hpcbilling import pulls, workflows
from usage.models import Cluster

log = structlog.get_logger(__name__)
BEAT = Actor.system("beat")


@shared_task(name="hpcbilling.rate_pending")
def rate_pending() -> None:
    """Rate whatever is due."""
    workflows.rate_pending(actor=BEAT)


@shared_task(name="hpcbilling.resume")
def resume() -> None:
    """Bring imports and pulls to their end whose worker died."""
    workflows.resume_imports(actor=BEAT)
    pulls.resume_pulls(actor=BEAT)


@shared_task(name="hpcbilling.run_import")
def run_import(run_id: int) -> None:
    """Run a confirmed import to its end and rate its jobs."""
    workflows.finish_import(run_id=run_id, actor=Actor.system("import"))


@shared_task(name="hpcbilling.pull_clusters")
def pull_clusters() -> None:
    """Start tonight's pull of each enabled cluster, one task a cluster."""
    for cluster_id in Cluster.objects.filter(is_enabled=True).values_list("pk", flat=True):
        current_app.send_task("hpcbilling.pull_cluster", args=(cluster_id,))


@shared_task(name="hpcbilling.pull_cluster")
def pull_cluster(cluster_id: int) -> None:
    """Import what lies in a cluster's drop folder and rate it."""
    pulls.pull_cluster(cluster_id=cluster_id, actor=BEAT)


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
