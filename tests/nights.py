"""A night's pull done here and now, as beat and a worker do it between them."""

from django.utils import timezone

from core.actor import Actor
from hpcbilling.pulls.due import slot_of
from hpcbilling.pulls.running import run_pull
from usage.models import Cluster, Pull
from usage.pulls import plan_nightly


def pull_cluster(cluster: Cluster, actor: Actor) -> Pull | None:
    """Do a cluster's night; returns None if it is done, or the cluster disabled."""
    cluster.refresh_from_db()
    if not cluster.is_enabled:
        return None
    pull = plan_nightly(cluster=cluster, slot=slot_of(cluster, timezone.now()), actor=actor)
    return None if pull.finished_at else run_pull(pull_id=pull.pk, actor=actor)
