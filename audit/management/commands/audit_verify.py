"""``manage.py audit_verify``: walk the audit chain and name the first broken row."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.models import AuditEvent
from audit.selectors import Verification, verify_chain


class Command(BaseCommand):
    """Exit code 0: the chain holds; 1: it is broken or is not the expected one."""

    help = "Check the audit log's chain of hashes and name the first broken row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument(
            "--expect",
            metavar="NUMBER:HASH",
            help="an end of the chain noted earlier, which must still be part of it",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        result = verify_chain()
        lost = self._lost(options["expect"]) if options["expect"] else ""
        if options["json"]:
            self.stdout.write(json.dumps(self._as_dict(result, lost)))
        if result.broken:
            where = f"event {result.broken.event_id}, number {result.broken.sequence}"
            raise CommandError(f"Audit log BROKEN at {where}: {result.broken.reason}.")
        if lost:
            raise CommandError(f"Audit log BROKEN: {lost}.")
        if not options["json"]:
            self.stdout.write(
                f"Audit log holds: {result.events} events, end {result.events}:{result.head}"
            )

    @staticmethod
    def _lost(expected: str) -> str:
        number, _, digest = expected.partition(":")
        if not number.isdecimal() or not digest:
            raise CommandError("--expect takes NUMBER:HASH, as printed by an earlier run.")
        if AuditEvent.objects.filter(sequence=int(number), hash=digest).exists():
            return ""
        return f"number {number} with hash {digest} is not part of it"

    @staticmethod
    def _as_dict(result: Verification, lost: str) -> dict[str, Any]:
        broken = result.broken
        return {
            "ok": broken is None and not lost,
            "events": result.events,
            "head": result.head,
            "broken": None
            if broken is None
            else {"event": broken.event_id, "number": broken.sequence, "reason": broken.reason},
            "lost": lost,
        }
