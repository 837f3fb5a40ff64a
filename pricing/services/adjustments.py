"""Adjustments: amounts that people charge or give back, above a limit with a second person."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from accounts.periods import PeriodBook
from audit.services import record
from core.actor import Actor
from core.bulk import copy_lines
from core.errors import Conflict, Invalid
from core.intervals import microseconds
from core.locks import lock_rows
from core.money import round_money
from pricing import reviewing
from pricing.counting import Priced
from pricing.limits import limit_in
from pricing.lines import WIDE_COLUMNS, ChargeLines
from pricing.models import Adjustment, AdjustmentKind, Charge, ChargeKind
from pricing.selectors import charge_of_adjustment, live_charges

K = AdjustmentKind
MOST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for. Of ``amount`` and, for a discount, ``percent`` one is given, more
    than nothing; the kind says in which direction it goes."""

    project: Project
    kind: AdjustmentKind
    at: datetime
    text: str
    reason: str
    amount: Decimal | None = None
    percent: Decimal | None = None
    currency: str = ""


def unbilled_sum(project: Project, currency: str) -> Decimal:
    """Return what a project was charged and is on no document, without what was done by hand."""
    rows = live_charges().filter(project=project, currency=currency, document_line=None)
    priced = rows.exclude(kind=ChargeKind.MANUAL)
    return priced.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


def draft_adjustment(*, wanted: Wanted, actor: Actor) -> Adjustment:
    """Write an adjustment down. A percentage is of what the project has unbilled at this moment.

    Raises Invalid for what can't be meant, Conflict if nobody in person asks.
    """
    reviewing.check_filled(text=wanted.text, reason=wanted.reason)
    author = reviewing.person_of(actor)
    currency = wanted.currency or settings.SITE_CURRENCY
    if wanted.kind == K.OUTAGE:
        raise Invalid("kind", _("Outages are credited on a page of their own."))
    if wanted.at > timezone.now():
        raise Invalid("day", _("It can't belong to a day that has not begun."))
    with transaction.atomic():
        made = Adjustment.objects.create(
            project=wanted.project,
            kind=wanted.kind,
            at=wanted.at,
            percent=wanted.percent,
            amount=_signed(wanted, currency),
            currency=currency,
            text=wanted.text.strip(),
            reason=wanted.reason.strip(),
            author_id=author,
        )
        record("adjustment.drafted", actor=actor, target=made, data=told(made))
    return made


def _signed(wanted: Wanted, currency: str) -> Decimal:
    amount = wanted.amount
    if wanted.percent is not None:
        if wanted.kind != K.DISCOUNT or amount is not None:
            raise Invalid("percent", _("Only a discount is a percentage, and then no amount."))
        if not (wanted.percent.is_finite() and 0 < wanted.percent <= 100):
            raise Invalid("percent", _("Give more than 0 and at most 100."))
        amount = round_money(
            unbilled_sum(wanted.project, currency) * wanted.percent / 100, currency
        )
        if amount <= 0:
            raise Invalid("percent", _("The project has nothing unbilled to take it from."))
    if amount is None or not (amount.is_finite() and 0 < amount < MOST):
        raise Invalid("amount", _("Give an amount of more than zero."))
    if amount != round_money(amount, currency):
        raise Invalid("amount", _("The currency has fewer decimals."))
    return amount if wanted.kind == K.FEE else -amount


def submit_adjustment(*, adjustment_id: int, alone: Decimal, actor: Actor) -> Adjustment:
    """Ask for approval, which up to ``ADJUSTMENT_LIMIT`` is given at once, and the charge made.

    ``alone`` is what one person alone decided already and counts with it; the caller, who knows
    documents, holds the lock that keeps it true.
    """
    with transaction.atomic():
        row = _locked(adjustment_id)
        reviewing.person_of(actor)
        reviewing.submit(row)
        record("adjustment.submitted", actor=actor, target=row, data=told(row))
        if alone + abs(row.amount) <= limit_in(row.currency):
            give(row, by=None, actor=actor)
    return row


def approve_adjustment(*, adjustment_id: int, actor: Actor) -> Adjustment:
    """Approve what waits, which makes its charge.

    Raises Conflict if it does not wait, or to its author.
    """
    with transaction.atomic():
        row = _locked(adjustment_id)
        give(row, by=reviewing.second_person(row, actor), actor=actor)
    return row


def reject_adjustment(*, adjustment_id: int, reason: str, actor: Actor) -> Adjustment:
    """Say no, for good; the author sees the reason. Raises Invalid, Conflict."""
    with transaction.atomic():
        row = _locked(adjustment_id)
        reviewing.reject(row, actor=actor, reason=reason)
        data = {**told(row), "answer": row.answer}
        record("adjustment.rejected", actor=actor, target=row, data=data)
    return row


def withdraw_adjustment(*, adjustment_id: int, actor: Actor) -> Adjustment:
    """Take back what was not decided about yet. Raises Conflict if it was."""
    with transaction.atomic():
        row = _locked(adjustment_id)
        reviewing.withdraw(row)
        record("adjustment.withdrawn", actor=actor, target=row, data=told(row))
    return row


def take_back_adjustment(*, adjustment_id: int, reason: str, actor: Actor) -> Charge:
    """Take an approved adjustment back by a second charge that negates the first. Of a fee on an
    issued document that waits for a credit note.

    Raises Invalid without a reason, Conflict if it has no charge in force, or that is on a draft or
    gave something back on a document, or is a fee that a second person approved or above
    ``ADJUSTMENT_LIMIT``: giving that up takes two people, as a credit of that size does.
    """
    reviewing.check_filled(reason=reason)
    with transaction.atomic():
        row = _locked(adjustment_id)
        charge = charge_of_adjustment(row)
        if charge is None:
            raise Conflict("reversed", _("This charge was taken back already."))
        on_document = Charge.objects.filter(pk=charge.pk, document_line__isnull=False).exists()
        if on_document and charge.amount < 0:
            raise _on_document()
        if charge.amount > 0 and (
            row.decided_by_id is not None or charge.amount > limit_in(charge.currency)
        ):
            raise Conflict(
                "second_person",
                _(
                    "One person alone does not give up a fee that a second one approved, or one"
                    " above the limit. Add a credit of the same amount: somebody else approves it."
                ),
            )
        try:
            with transaction.atomic():
                lines = ChargeLines(PeriodBook([microseconds(row.at)]))
                copy_lines("pricing_charge", WIDE_COLUMNS, [lines.reversal(charge, (None, None))])
                connection.check_constraints()
        except IntegrityError as error:
            raise _on_document() from error
        data = {**told(row), "because": reason.strip()}
        record("adjustment.taken_back", actor=actor, target=row, data=data)
    return Charge.objects.get(reverses=charge)


def _on_document() -> Conflict:
    return Conflict(
        "on_document",
        _("This is on a document. Void the document, or add the opposite by hand."),
    )


def make_approved(row: Adjustment, *, by: int, actor: Actor) -> None:
    """Take an adjustment that is part of an approved act through its steps at once."""
    reviewing.submit(row)
    give(row, by=by, actor=actor)


def give(row: Adjustment, *, by: int | None, actor: Actor) -> None:
    """Approve what waits and make its charge; ``by`` is nobody where no second person is asked
    for. In the caller's transaction."""
    reviewing.approve(row, by=by)
    lines = ChargeLines(PeriodBook([microseconds(row.at)]))
    charge = Priced(
        row.project_id, None, ChargeKind.MANUAL.value, row.resource, None, None, 0, 1, None, None,
        None, row.amount, row.currency, end_text=row.at.isoformat(),
    )  # fmt: skip
    copy_lines("pricing_charge", WIDE_COLUMNS, [lines.jobless(charge)])
    record("adjustment.approved", actor=actor, target=row, data=told(row))


def _locked(adjustment_id: int) -> Adjustment:
    """Lock an adjustment after its project, in the order of the house. Raises Conflict for what
    gives back a part of a receipt: that is decided about there."""
    rows = Adjustment.objects.filter(pk=adjustment_id)
    lock_rows(Project.objects.all(), *rows.values_list("project_id", flat=True))
    row = reviewing.locked(Adjustment.objects.all(), adjustment_id)
    if row.credits_receipt_id is not None:
        raise Conflict(
            "of_receipt", _("This gives back a part of a receipt. Decide about it on its page.")
        )
    return row


def told(row: Adjustment) -> dict[str, Any]:
    """Return an adjustment as the audit log shows it."""
    percent = {"percent": row.percent} if row.percent is not None else {}
    outage = {"outage": row.outage_id} if row.outage_id is not None else {}
    return {
        "project": row.project.code,
        "kind": row.kind,
        "amount": row.amount,
        "currency": row.currency,
        **percent,
        **outage,
        "at": row.at,
        "text": row.text,
        "reason": row.reason,
        "author": row.author.get_username(),
    }
