"""``manage.py check_pulls``: for cron or a monitor, which clusters' nights did not happen."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hpcbilling.command_line import FAILED
from hpcbilling.pulls.watch import late, standing


class Command(BaseCommand):
    """Exit codes: 0 every cluster's last night was read, 1 one is late. Asks the database alone."""

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
        if behind:
            raise CommandError("Some clusters were not pulled.", returncode=FAILED)
