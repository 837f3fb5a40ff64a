"""``manage.py explain job|charge ID``: why a job costs what it costs, or nothing."""

import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from rest_framework.renderers import JSONRenderer

from hpcbilling.command_line import FAILED, USAGE
from pricing import wording
from pricing.api.explanations import as_data
from pricing.explain import Explanation, explain_charge, explain_job
from pricing.models import Charge
from usage.models import Job
from usage.raw import raw_row


class Command(BaseCommand):
    """Exit codes: 0 explained, 1 there is no such thing, 2 used wrongly."""

    help = "Explain a job or a charge from its accounting row to the amount."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=("job", "charge"))
        parser.add_argument(
            "id", help="the id in lists and in the API, or for a job CLUSTER:JOBID as Slurm has it"
        )
        parser.add_argument("--json", action="store_true", help="as the API answers")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["kind"] == "charge":
            found = [_of_charge(options["id"])]
        else:
            found = [explain_job(pk) for pk in _jobs(options["id"])]
        if options["json"]:
            data = [as_data(item) for item in found]
            shown = data[0] if len(data) == 1 else data
            text = JSONRenderer().render(shown, accepted_media_type="application/json; indent=2")
            self.stdout.write(text.decode())
            return
        with translation.override("en"):
            for item in found:
                self._show(item)

    def _show(self, explanation: Explanation) -> None:
        for part in wording.told(explanation):
            self.stdout.write(self.style.MIGRATE_HEADING(part.title))
            for row in part.rows:
                self.stdout.write(f"  {row.name:16} {row.text}")
        self.stdout.write(self.style.MIGRATE_HEADING("As it came"))
        self.stdout.write(f"  {raw_row(explanation.job) or '(not found in the evidence)'}\n")


def _of_charge(text: str) -> Explanation:
    try:
        return explain_charge(_number(text))[1]
    except Charge.DoesNotExist as error:
        raise CommandError(f"There is no charge {text}.", returncode=FAILED) from error


def _jobs(text: str) -> list[int]:
    """Return the jobs that are meant: one by its id, or all attempts of a Slurm job."""
    cluster, colon, number = text.rpartition(":")
    if colon:
        attempts = Job.objects.filter(cluster__name=cluster, display_id=number)
        found = list(attempts.order_by("submit").values_list("pk", flat=True))
    else:
        found = list(Job.objects.filter(pk=_number(text)).values_list("pk", flat=True))
    if not found:
        raise CommandError(f"There is no job {text}.", returncode=FAILED)
    return found


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text, re.ASCII):
        raise CommandError(f"“{text}” is no id: give a number.", returncode=USAGE)
    return int(text)
