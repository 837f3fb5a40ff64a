"""``manage.py seed_demo``: fill an empty development site with the demo, and show its logins."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import DomainError
from hpcbilling.command_line import FAILED
from hpcbilling.demo import people, story


class Command(BaseCommand):
    """Doing it again changes nothing. Exit codes: 0 done, 1 refused."""

    help = "Fill an empty development site with the demo; show the logins."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            story.seed(say=self.stderr.write)
        except DomainError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        self.stdout.write(people.logins())
