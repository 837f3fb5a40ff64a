"""``manage.py backfill CLUSTER --since DAY``: read past days, spread over the workers."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.actor import Actor
from core.errors import Invalid
from hpcbilling.command_line import FAILED, USAGE, actor_named
from hpcbilling.management.commands.pull import clusters_named
from hpcbilling.pulls.running import run_pull
from hpcbilling.pulls.shown import day_argument, progress_line
from usage.models import Pull
from usage.pulls import Progress, plan_backfill, progress_of, send_readers

LOOK_EVERY_SECONDS = 2.0


class Command(BaseCommand):
    """Exit codes: 0 everything was read, 1 some windows were not, 2 used wrongly. Ctrl-C ends only
    the watching: workers go on."""

    help = "Read past days of a cluster, split by day over the workers, with progress."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("cluster", metavar="CLUSTER")
        parser.add_argument(
            "--since", type=day_argument, required=True, metavar="DAY", help="first day to read"
        )
        parser.add_argument(
            "--until", type=day_argument, metavar="DAY", help="last day to read; today if not given"
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--here", action="store_true", help="read in this process, no worker")
        how.add_argument("--no-wait", action="store_true", help="leave it to the workers and end")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "usage.import_usage")
        (cluster,) = clusters_named(options["cluster"])
        try:
            pull = plan_backfill(
                cluster=cluster, since=options["since"], until=options["until"], actor=actor
            )
        except Invalid as error:
            raise CommandError(str(error), returncode=USAGE) from error
        self.stdout.write(f"{cluster.name}: {progress_of(pull).total} windows to read")
        if options["here"]:
            pull = self._read_here(pull, actor)
        else:
            send_readers(pull)
            if options["no_wait"]:
                self.stdout.write("The workers read it; the pull's page shows how far they are.")
                return
            pull = self._watch(pull)
        for line in pull.error.splitlines():
            self.stderr.write(f"  {line}")
        if progress_of(pull).failed or pull.finished_at is None:
            raise CommandError("Not everything was read: see above.", returncode=FAILED)

    def _read_here(self, pull: Pull, actor: Actor) -> Pull:
        def tell(found: Progress) -> None:
            self.stdout.write(f"  {progress_line(found)}")

        return run_pull(pull_id=pull.pk, actor=actor, told=tell)

    def _watch(self, pull: Pull) -> Pull:
        said = ""
        while pull.finished_at is None:
            line = progress_line(progress_of(pull))
            if line != said:
                self.stdout.write(f"  {line}")
                said = line
            time.sleep(LOOK_EVERY_SECONDS)
            pull.refresh_from_db()
        self.stdout.write(f"  {progress_line(progress_of(pull))}")
        return pull
