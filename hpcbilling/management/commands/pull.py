"""``manage.py pull CLUSTER``: read a cluster's accounting now, not only at night."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from core.actor import Actor
from core.errors import Invalid
from hpcbilling.command_line import FAILED, USAGE, actor_named, rows_line
from hpcbilling.pulls.due import clusters_pulled
from hpcbilling.pulls.running import run_pull
from hpcbilling.pulls.shown import day_argument, window_line
from usage.models import Cluster, ImportRun, Pull, Window
from usage.pulls import plan_manual, progress_of
from usage.remarks import has_faults


class Command(BaseCommand):
    """Exit codes: 0 everything was read, 1 something failed, was refused, is held back or was
    answered without any job, 2 used wrongly."""

    help = (
        "Read the gaps, the last days and the drop folder of a cluster (or --all that are enabled)"
        " now; with --since and --until those days of the cluster's own calendar instead."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("cluster", nargs="?", metavar="CLUSTER")
        which.add_argument("--all", action="store_true", help="all enabled clusters")
        parser.add_argument("--since", type=day_argument, metavar="DAY", help="first day to read")
        parser.add_argument("--until", type=day_argument, metavar="DAY", help="last day to read")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "usage.import_usage")
        clusters = clusters_named(options["cluster"])
        whole = [self._pull(cluster, actor, options) for cluster in clusters]
        if not all(whole):
            raise CommandError("Not everything was imported: see above.", returncode=FAILED)

    def _pull(self, cluster: Cluster, actor: Actor, options: dict[str, Any]) -> bool:
        """Pull one cluster and tell what it brought; returns whether all of it could be used."""
        try:
            pull = plan_manual(
                cluster=cluster, actor=actor, since=options["since"], until=options["until"]
            )
        except Invalid as error:
            raise CommandError(str(error), returncode=USAGE) from error
        pull = run_pull(pull_id=pull.pk, actor=actor)
        if pull.finished_at is None:
            self.stderr.write(
                f"{cluster.name}: is being pulled by someone else just now; the rest is left to"
                " the worker"
            )
            return False
        self._tell(cluster, pull)
        return not has_faults(pull.remarks)

    def _tell(self, cluster: Cluster, pull: Pull) -> None:
        runs = ImportRun.objects.filter(cluster=cluster, created_at__gte=pull.started_at)
        found = progress_of(pull)
        read = f"{found.read + found.empty} of {found.total} windows read, " if found.total else ""
        self.stdout.write(f"{cluster.name}: {read}{pull.files} files, {len(runs)} new imports")
        for run in runs.order_by("pk"):
            self.stdout.write(f"  {run.origin}: {rows_line(run)}")
        for window in Window.objects.filter(pull=pull).order_by("start"):
            if window.tried or window.status != Window.Status.READ:
                self.stdout.write(f"  {window_line(window)}")
        with translation.override("en"):
            for line in pull.error.splitlines():
                self.stderr.write(f"  {line}")


def clusters_named(name: str | None) -> list[Cluster]:
    """Return the cluster with a name, or all that are pulled. Raises CommandError (2)."""
    if name is None:
        return clusters_pulled()
    found = Cluster.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no cluster “{name}”.", returncode=USAGE)
    if not found.is_enabled:
        raise CommandError(f"The cluster “{name}” is disabled.", returncode=USAGE)
    if not found.sources.filter(is_enabled=True).exists():
        raise CommandError(f"The cluster “{name}” has no source.", returncode=USAGE)
    return [found]
