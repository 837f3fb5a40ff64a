"""``manage.py rate``: price every ended job that is not priced as it is now."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hpcbilling import workflows
from hpcbilling.command_line import USAGE, actor_named, rating_line, rating_summary
from hpcbilling.progress import steps
from pricing.rating import look_again
from pricing.selectors import jobs_to_rate
from usage.models import Cluster


class Command(BaseCommand):
    """Exit codes: 0 done, 2 used wrongly. Jobs without a price are no failure: see the queue."""

    help = "Rate what is due; the schedule does the same every few minutes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cluster", help="only this cluster's jobs")
        parser.add_argument("--by", metavar="USER", help="who does it, for the log")
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = actor_named(options["by"], "pricing.rate_jobs")
        cluster = None
        if options["cluster"]:
            cluster = Cluster.objects.filter(name=options["cluster"]).first()
            if cluster is None:
                raise CommandError(f"There is no cluster “{options['cluster']}”.", returncode=USAGE)
        due = jobs_to_rate().filter(cluster=cluster) if cluster else jobs_to_rate()
        look_again()
        with steps() as bars:
            rated = bars.step("Rating jobs", due.count)
            outcome = workflows.rate_pending(actor=actor, cluster=cluster, rated=rated)
        if options["json"]:
            self.stdout.write(json.dumps(rating_summary(outcome)))
        else:
            self.stdout.write(rating_line(outcome))
