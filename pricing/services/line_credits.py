"""Parts of issued documents that people give back: adjustments that name the line they credit.

Receipts own documents: they say what may be credited, approve it, and put its charges on a note.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Project
from audit.services import record
from core.actor import Actor
from pricing import reviewing
from pricing.models import Adjustment, AdjustmentKind, Charge, ReviewStatus
from pricing.selectors import adjustment_of, charge_of_adjustment
from pricing.services.adjustments import give, told


@dataclass(frozen=True, slots=True)
class LineCredit:
    """What is given back of a line: ``amount`` is less than nothing, at six decimals."""

    project: Project
    line_id: int
    amount: Decimal


def ask_line_credits(
    *, receipt_id: int, parts: Iterable[LineCredit], currency: str, text: str, actor: Actor
) -> list[Adjustment]:
    """Write credits of a receipt's lines down and submit them, in the caller's transaction. Raises
    Conflict if nobody in person asks."""
    author, now = reviewing.person_of(actor), timezone.now()
    made = []
    for credit in parts:
        row = Adjustment.objects.create(
            project=credit.project,
            kind=AdjustmentKind.CREDIT,
            at=now,
            amount=credit.amount,
            currency=currency,
            text=text,
            reason=text,
            credits_receipt_id=receipt_id,
            credits_line_id=credit.line_id,
            author_id=author,
        )
        record("adjustment.drafted", actor=actor, target=row, data=told(row))
        reviewing.submit(row)
        record("adjustment.submitted", actor=actor, target=row, data=told(row))
        made.append(row)
    return made


def line_credits_waiting(receipt_id: int | None = None) -> QuerySet[Adjustment]:
    """Return the credits of lines that wait for a second person, of one receipt or all."""
    waiting = Adjustment.objects.filter(status=ReviewStatus.SUBMITTED)
    if receipt_id is None:
        return waiting.filter(credits_receipt_id__isnull=False).order_by("pk")
    return waiting.filter(credits_receipt_id=receipt_id).order_by("pk")


def give_line_credits(rows: Iterable[Adjustment], *, by: int | None, actor: Actor) -> list[Charge]:
    """Approve credits of lines, which makes their charges; in the caller's transaction, who puts
    them on a note. ``by`` is nobody where no second person is asked for."""
    made = []
    for row in rows:
        give(row, by=by, actor=actor)
        charge = charge_of_adjustment(row)
        if charge is not None:
            made.append(charge)
    return made


def give_again(charge: Charge, amount: Decimal, *, actor: Actor) -> Charge:
    """Give back less on the same line in place of a credit that was taken back, as its author and
    who approved it did; in the caller's transaction, who puts it on a note."""
    before = Adjustment.objects.get(pk=adjustment_of(charge.resource) or 0)
    row = Adjustment.objects.create(
        project=before.project,
        kind=before.kind,
        at=before.at,
        amount=amount,
        currency=before.currency,
        text=before.text,
        reason=before.reason,
        credits_receipt_id=before.credits_receipt_id,
        credits_line_id=before.credits_line_id,
        author=before.author,
    )
    reviewing.submit(row)
    (made,) = give_line_credits([row], by=before.decided_by_id, actor=actor)
    return made


def refuse_line_credits(rows: Iterable[Adjustment], *, reason: str, actor: Actor) -> None:
    """Say no to credits of lines, for good. Raises Invalid without a reason, Conflict to their
    author."""
    for row in rows:
        reviewing.reject(row, actor=actor, reason=reason)
        data = {**told(row), "answer": row.answer}
        record("adjustment.rejected", actor=actor, target=row, data=data)


def withdraw_line_credits(rows: Iterable[Adjustment], *, actor: Actor) -> None:
    """Take back what was not decided about yet."""
    for row in rows:
        reviewing.withdraw(row)
        record("adjustment.withdrawn", actor=actor, target=row, data=told(row))
