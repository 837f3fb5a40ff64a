"""``manage.py explain job|charge|receipt ID``: why something costs what it costs, or nothing."""

import re
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import translation
from rest_framework.renderers import JSONRenderer

from hpcbilling.command_line import FAILED, USAGE
from pricing import wording
from pricing.api.explanations import as_data, charge_data
from pricing.explain import ChargeStep, Explanation, explain_charge, explain_job
from pricing.models import Charge
from pricing.wording import Part
from receipts import explain_wording
from receipts.api import explanations as receipt_explanations
from receipts.explain import explain_receipt
from receipts.models import Receipt
from usage.models import Job
from usage.raw import raw_row

UUID_PATTERN = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Command(BaseCommand):
    """Exit codes: 0 explained, 1 there is no such thing, 2 used wrongly."""

    help = "Explain a job, a charge or a receipt, from the accounting row to the amount."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=("job", "charge", "receipt"))
        parser.add_argument(
            "id",
            help="the id in lists and in the API; for a job also CLUSTER:JOBID as Slurm has it,"
            " for a receipt also its number",
        )
        parser.add_argument("--json", action="store_true", help="as the API answers")

    def handle(self, *args: Any, **options: Any) -> None:
        kind, text = options["kind"], options["id"]
        if kind == "receipt":
            found = explain_receipt(_receipt(text))
            if options["json"]:
                self._as_json(receipt_explanations.as_data(found))
                return
            with translation.override("en"):
                self._parts(explain_wording.told(found))
            return
        told = [_of_charge(text)] if kind == "charge" else map(explain_job, _jobs(text))
        self._explain(list(told), as_json=options["json"])

    def _explain(self, found: list[Explanation | ChargeStep], *, as_json: bool) -> None:
        if as_json:
            data = [_data(item) for item in found]
            self._as_json(data[0] if len(data) == 1 else data)
            return
        with translation.override("en"):
            for item in found:
                if isinstance(item, ChargeStep):
                    self._parts([wording.charge_part(item)])
                else:
                    self._job(item)

    def _as_json(self, data: Any) -> None:
        text = JSONRenderer().render(data, accepted_media_type="application/json; indent=2")
        self.stdout.write(text.decode())

    def _job(self, explanation: Explanation) -> None:
        self._parts(wording.told(explanation))
        self.stdout.write(self.style.MIGRATE_HEADING("As it came"))
        self.stdout.write(f"  {raw_row(explanation.job) or '(not found in the evidence)'}\n")

    def _parts(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self.stdout.write(self.style.MIGRATE_HEADING(part.title))
            for row in part.rows:
                self.stdout.write(f"  {row.name:16} {row.text}")


def _data(item: Explanation | ChargeStep) -> Any:
    return charge_data(item) if isinstance(item, ChargeStep) else as_data(item)


def _of_charge(text: str) -> Explanation | ChargeStep:
    try:
        step, told = explain_charge(_number(text))
    except Charge.DoesNotExist as error:
        raise CommandError(f"There is no charge {text}.", returncode=FAILED) from error
    return told or step


def _receipt(text: str) -> Receipt:
    """Return the receipt that is meant, by its number or one of its ids."""
    receipts = Receipt.objects.select_related("project")
    found = receipts.filter(number=text).first()
    if found is None and re.fullmatch("[0-9]{1,18}", text, re.ASCII):
        found = receipts.filter(pk=int(text)).first()
    if found is None and UUID_PATTERN.fullmatch(text):
        found = receipts.filter(public_id=UUID(text)).first()
    if found is None:
        raise CommandError(f"There is no receipt {text}.", returncode=FAILED)
    return found


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
