"""Checking the books and keeping what came out, for the console, the metric and the auditor."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent
from audit.services import record
from core.actor import Actor
from hpcbilling.books.found import Break, Check
from hpcbilling.books.running import CHECKS, Result, check_books
from insights.models import BooksCheck


def check_and_keep(
    *,
    only: Sequence[str] = (),
    actor: Actor | None = None,
    tell: Callable[[Check, Break], None] = lambda check, found: None,
    done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Check the books and return the results. A check of all of them is kept and audited; one of
    ``only`` some is for looking closer."""
    started, results = timezone.now(), []
    for result in check_books(only=only, tell=tell):
        done(result)
        results.append(result)
    if not only:
        keep(results, started, actor or Actor.system("check_books"))
    return results


def keep(results: Sequence[Result], started: datetime, actor: Actor) -> BooksCheck:
    """Store what all checks found, with an event of the audit log."""
    with transaction.atomic():
        kept = BooksCheck.objects.create(
            started_at=started,
            requested_by_id=actor.user_id,
            breaks=sum(result.breaks for result in results),
            results=[_as_json(result) for result in results],
        )
        broken = {result.check.name: result.breaks for result in results if result.breaks}
        data = {"breaks": kept.breaks, "broken": broken}
        record("books.checked", actor=actor, target=kept, data=data)
    return kept


def latest() -> BooksCheck | None:
    """Return the last check of all books."""
    return BooksCheck.objects.order_by("-pk").first()


def breaks_by_check() -> dict[str, int]:
    """Return how many breaks the last check found, for each check; zero for one that is new."""
    last, found = latest(), {check.name: 0 for check in CHECKS if not check.informs}
    for row in last.results if last else ():
        if row["name"] in found:
            found[row["name"]] = row["breaks"]
    return found


def last_checked() -> datetime | None:
    """Return when the books were last checked, else when they began."""
    last = latest()
    if last is not None:
        return last.finished_at
    return AuditEvent.objects.order_by("pk").values_list("at", flat=True).first()


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "name": result.check.name,
        "breaks": result.breaks,
        "found": result.count,
        "seconds": round(result.seconds, 3),
        "first": [found._asdict() for found in result.first],
    }
