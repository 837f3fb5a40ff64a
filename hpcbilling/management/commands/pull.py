"""``manage.py pull CLUSTER``: import what lies in the drop folder now, not only at night."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.actor import Actor
from hpcbilling.command_line import FAILED, USAGE, actor_named, rows_line
from hpcbilling.pulls import pull_cluster
from usage.models import Cluster, ImportRun


class Command(BaseCommand):
    """Exit codes: 0 all used, 1 a file was refused or is held back, 2 used wrongly."""

    help = "Import new files of the drop folder of a cluster (or --all that are enabled)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("cluster", nargs="?", metavar="CLUSTER")
        which.add_argument("--all", action="store_true", help="all enabled clusters")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "usage.import_usage")
        whole = [self._pull(cluster, actor) for cluster in _clusters(options["cluster"])]
        if not all(whole):
            raise CommandError("Not everything was imported: see above.", returncode=FAILED)

    def _pull(self, cluster: Cluster, actor: Actor) -> bool:
        """Pull one cluster and tell what it brought; returns whether all of it could be used."""
        begun = timezone.now()
        pull = pull_cluster(cluster_id=cluster.pk, actor=actor, again=True)
        if pull is None:
            self.stderr.write(f"{cluster.name}: is being pulled by someone else just now")
            return False
        runs = ImportRun.objects.filter(cluster=cluster, created_at__gte=begun).order_by("pk")
        self.stdout.write(f"{cluster.name}: {pull.files} files, {len(runs)} of them new")
        for run in runs:
            self.stdout.write(f"  {run.origin}: {rows_line(run)}")
        for line in pull.error.splitlines():
            self.stderr.write(f"  {line}")
        return not pull.error


def _clusters(name: str | None) -> list[Cluster]:
    enabled = Cluster.objects.filter(is_enabled=True)
    if name is None:
        return list(enabled)
    found = Cluster.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no cluster “{name}”.", returncode=USAGE)
    if not found.is_enabled:
        raise CommandError(f"The cluster “{name}” is disabled.", returncode=USAGE)
    if not found.sources.filter(is_enabled=True).exists():
        raise CommandError(f"The cluster “{name}” has no source.", returncode=USAGE)
    return [found]
