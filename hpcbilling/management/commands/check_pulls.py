"""``manage.py check_pulls``: for cron or a monitor, which clusters' nights did not happen."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from hpcbilling.command_line import FAILED
from hpcbilling.pulls.watch import late, standing
from usage.models import Cluster
from usage.remarks import told
from usage.twins import twins_of


class Command(BaseCommand):
    """Exit codes: 0 every cluster's last night was read, 1 one is late. Asks the database alone.

    Warns of clusters that seem to be one Slurm, whose jobs would be billed twice.
    """

    help = "Tell which clusters' last nightly pull did not happen or did not end well."

    def handle(self, *args: Any, **options: Any) -> None:
        behind = {each.cluster.pk for each in late()}
        for each in standing():
            done = f"{each.done_at:%Y-%m-%d %H:%M} UTC" if each.done_at else "never"
            word = "LATE" if each.cluster.pk in behind else "ok"
            self.stdout.write(
                f"{each.cluster.name}: {word}, due {each.due_at:%Y-%m-%d %H:%M} UTC, last ended"
                f" well {done}"
            )
        with translation.override("en"):
            for cluster in Cluster.objects.filter(is_enabled=True).order_by("name"):
                for remark in twins_of(cluster):
                    self.stderr.write(f"{cluster.name}: WARNING: {told(remark)}")
        if behind:
            raise CommandError("Some clusters were not pulled.", returncode=FAILED)
