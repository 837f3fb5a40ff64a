"""``manage.py state_digest``: one digest over jobs, charges and documents, to compare later."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hpcbilling.command_line import FAILED
from hpcbilling.state_digest import overall, parts


class Command(BaseCommand):
    """Exit codes: 0 printed, or as expected; 1 not as expected."""

    help = "Print a digest of what the books say; after a restore it must be as before the dump."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument("--expect", metavar="DIGEST", help="a digest that was printed earlier")

    def handle(self, *args: Any, **options: Any) -> None:
        found = parts()
        digest = overall(found)
        if options["json"]:
            listed = {name: [part.rows, part.sha256] for name, part in found.items()}
            self.stdout.write(json.dumps({"digest": digest, "parts": listed}))
        else:
            for name, part in found.items():
                self.stdout.write(f"{name:<11} {part.rows:>10,}  {part.sha256[:16]}")
            self.stdout.write(f"digest {digest}")
        if options["expect"] not in (None, digest):
            raise CommandError("The digest is not the expected one.", returncode=FAILED)
