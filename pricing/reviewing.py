"""The steps of what a second person may have to approve: adjustments and outage credits."""

from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import lock_rows
from core.transitions import Table, transition
from pricing.models import Adjustment, OutageCredit, ReviewStatus

R = TypeVar("R", Adjustment, OutageCredit)
Reviewed = Adjustment | OutageCredit
S = ReviewStatus
STEPS: Table = {
    S.DRAFT: frozenset({S.SUBMITTED, S.WITHDRAWN}),
    S.SUBMITTED: frozenset({S.APPROVED, S.REJECTED, S.WITHDRAWN}),
}


def locked(rows: QuerySet[R], key: int) -> R:
    """Return a row that nobody else moves until commit. Raises Conflict if there is none."""
    found = lock_rows(rows, key)
    if not found:
        raise Conflict("gone", _("This does not exist any more."))
    return found[0]


def move(row: Reviewed, after: ReviewStatus, **stamps: Any) -> None:
    """Take a step, or raise Conflict if there is no such step from where the row stands."""
    if after not in STEPS.get(row.status, ()):
        raise Conflict(
            "stale_status",
            _("This was changed by someone else in the meantime. Reload the page and look again."),
        )
    rows = Adjustment.objects if isinstance(row, Adjustment) else OutageCredit.objects
    transition(rows.all(), table=STEPS, pk=row.pk, before=row.status, after=after, **stamps)
    row.refresh_from_db()


def submit(row: Reviewed, **stamps: Any) -> None:
    """Let a draft wait for a second person."""
    move(row, S.SUBMITTED, submitted_at=timezone.now(), **stamps)


def withdraw(row: Reviewed) -> None:
    """Take a draft, or what waits, out of the way for good."""
    move(row, S.WITHDRAWN, decided_at=timezone.now())


def approve(row: Reviewed, *, by: int | None) -> None:
    """Approve what waits; ``by`` is nobody where no second person is asked for."""
    move(row, S.APPROVED, decided_at=timezone.now(), decided_by_id=by)


def reject(row: Reviewed, *, actor: Actor, reason: str) -> None:
    """Say no to what waits, for good. Raises Invalid without a reason, Conflict to its author."""
    check_filled(reason=reason)
    by = second_person(row, actor)
    answer = reason.strip()[:200]
    move(row, S.REJECTED, decided_at=timezone.now(), decided_by_id=by, answer=answer)


def second_person(row: Reviewed, actor: Actor) -> int:
    """Return who decides about a row. Raises Conflict if that is its author."""
    person = person_of(actor)
    if person == row.author_id:
        raise Conflict("second_person", _("You wrote this. Someone else has to decide about it."))
    return person


def person_of(actor: Actor) -> int:
    """Return who acts. Raises Conflict if that is a program."""
    if actor.user_id is None:
        raise Conflict("no_person", _("This is done by people, not by programs."))
    return actor.user_id


def check_filled(**texts: str) -> None:
    """Raise Invalid, with the field's name, for a text that says nothing."""
    for name, text in texts.items():
        if not text.strip():
            wanted = _("Give a reason.") if name == "reason" else _("This can't be empty.")
            raise Invalid(name, wanted)
