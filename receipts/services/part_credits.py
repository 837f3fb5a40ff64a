"""Giving back a part of an issued receipt by hand: amounts on chosen lines, on a credit note.

Above ``ADJUSTMENT_LIMIT`` a second person approves it; until then nothing is credited. What was
given back of the same receipt without one counts, and what stands on it by hand
(``receipts.alone``), or many small credits would do what a large one may not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from core.actor import Actor
from core.errors import Changed, Conflict, Invalid
from core.money import round_money, total
from core.seen import mark_of
from pricing import reviewing
from pricing.limits import limit_in
from pricing.models import Adjustment
from pricing.services.line_credits import (
    LineCredit,
    ask_line_credits,
    give_line_credits,
    line_credits_waiting,
    refuse_line_credits,
    withdraw_line_credits,
)
from receipts.alone import alone_on
from receipts.arithmetic import LineItem
from receipts.models import Line, Receipt
from receipts.selectors import lines_crediting
from receipts.services.crediting import creditable, left_after, write_note
from receipts.services.steps import locked
from receipts.settling import payable_changed


@dataclass(frozen=True, slots=True)
class Part:
    """What to give back of a line: an amount above zero, of the kind that the line says (before tax
    where tax comes on top of prices)."""

    line_id: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Left:
    """A line and what of it was not credited yet; ``charged`` at six decimals.

    Reversals that wait for their note count as credited.
    """

    line: Line
    credited: Decimal
    charged: Decimal
    amount: Decimal


def left_of(receipt: Receipt) -> list[Left]:
    """Return the lines of a receipt with what of each is left."""
    waiting = {item.corrects_id: item.charged for item in lines_crediting(receipt)}
    lines = receipt.lines.select_related("project").annotate(
        credited=Coalesce(Sum("credited_by__charged"), Decimal(0))
    )
    return [_left(line, waiting, receipt.currency) for line in lines.order_by("position")]


def _left(line: Line, waiting: dict[int | None, Decimal], currency: str) -> Left:
    noted: Decimal = line.credited  # type: ignore[attr-defined]  # annotated
    taken = noted + waiting.get(line.pk, Decimal(0))
    amount = line.amount + round_money(taken, currency)
    return Left(line, noted, line.charged + taken, amount)


def ask_credit(
    *,
    receipt_id: int,
    parts: Sequence[Part],
    reason: str,
    actor: Actor,
    seen: Decimal | None = None,
) -> Receipt | None:
    """Give back amounts on lines of an issued receipt; returns the credit note, or None where a
    second person has to approve it first.

    ``seen`` is what the receipt asked for, after its notes, when the person looked: a second click,
    or a colleague's, credits nothing twice. Raises Invalid for amounts that the lines don't have,
    Conflict where the receipt can't be credited or was since the person looked, another credit of
    it waits, or nobody in person asks.
    """
    with transaction.atomic():
        receipt = creditable(receipt_id, reason)
        if seen is not None and seen != left_after(receipt, ()):
            raise Conflict(
                "credited_since",
                _(
                    "This receipt was credited since you looked, so nothing was given back now."
                    " Look at its credit notes; if more is to be given back, do it anew."
                ),
            )
        if line_credits_waiting(receipt.pk).exists():
            raise Conflict(
                "credit_waits", _("Another credit of this receipt waits for approval already.")
            )
        wanted = _checked(receipt, parts)
        alone = alone_on(receipt)
        rows = ask_line_credits(
            receipt_id=receipt.pk,
            parts=wanted,
            currency=receipt.currency,
            text=reason.strip()[:200],
            actor=actor,
        )
        if total(part.amount for part in parts) + alone > limit_in(receipt.currency):
            return None
        return _give(receipt, rows, by=None, actor=actor)


def _checked(receipt: Receipt, parts: Sequence[Part]) -> list[LineCredit]:
    """Return what is to be charged, which fits the lines and the receipt in all."""
    if not parts or len({part.line_id for part in parts}) < len(parts):
        raise Invalid("amount", _("Give an amount for at least one line, and one for each."))
    left = {item.line.pk: item for item in left_of(receipt)}
    wanted, items = [], []
    for part in parts:
        of = left.get(part.line_id)
        amount = part.amount
        if of is None or not (amount.is_finite() and amount > 0):
            raise Invalid("amount", _("Give an amount of more than zero on a line of the receipt."))
        if amount != round_money(amount, receipt.currency):
            raise Invalid("amount", _("The currency has fewer decimals."))
        if amount > of.amount:
            said = _("Line %(number)s has only %(left)s left that can be credited.")
            raise Invalid("amount", said % {"number": of.line.position, "left": of.amount})
        # All that is left of a line is its last millionth, too.
        exact = of.charged if amount == of.amount else amount
        wanted.append(LineCredit(of.line.project, of.line.pk, -exact))
        items.append(_item(of, receipt.currency, -exact))
    if left_after(receipt, items) < 0:
        raise Invalid(
            "amount",
            _("This is more than the receipt asks for in all: what it took off counts, too."),
        )
    return wanted


def approve_credit(*, receipt_id: int, actor: Actor, seen: str | None = None) -> Receipt:
    """Approve the credit of a receipt that waits, as someone else than who asked; returns its note.

    Raises Conflict if none waits, to its author, and where the lines have less left by now; this
    and what follows raise Changed where ``seen`` is the mark of another credit.
    """
    with transaction.atomic():
        receipt, rows = _waiting(receipt_id, seen)
        by = max(reviewing.second_person(row, actor) for row in rows)
        creditable(receipt_id, rows[0].text)
        left = {item.line.pk: item.charged for item in left_of(receipt)}
        if any(-row.amount > left.get(row.credits_line_id or 0, 0) for row in rows):
            raise Conflict(
                "less_left",
                _("The receipt was credited in the meantime: a line has less left than this."),
            )
        return _give(receipt, rows, by=by, actor=actor)


def refuse_credit(*, receipt_id: int, reason: str, actor: Actor, seen: str | None = None) -> None:
    """Say no to the credit of a receipt that waits. Raises Invalid without a reason, Conflict if
    none waits, or to its author."""
    with transaction.atomic():
        _receipt, rows = _waiting(receipt_id, seen)
        refuse_line_credits(rows, reason=reason, actor=actor)


def withdraw_credit(*, receipt_id: int, actor: Actor, seen: str | None = None) -> None:
    """Take back the credit of a receipt that waits. Raises Conflict if none does."""
    with transaction.atomic():
        _receipt, rows = _waiting(receipt_id, seen)
        withdraw_line_credits(rows, actor=actor)


def mark_of_credit(rows: Iterable[Adjustment]) -> str:
    """Return a mark of the credit that waits: what each of its lines gives back."""
    return mark_of(*((row.pk, row.credits_line_id, row.amount) for row in rows))


def _waiting(receipt_id: int, seen: str | None) -> tuple[Receipt, list[Adjustment]]:
    """Lock a receipt, by which two who decide come after each other; return what waits of it."""
    receipt = locked(receipt_id)
    rows = list(line_credits_waiting(receipt.pk).select_related("author", "project"))
    if not rows:
        raise Conflict("nothing_waits", _("No credit of this receipt waits for approval any more."))
    if seen is not None and seen != mark_of_credit(rows):
        raise Changed
    return receipt, rows


def _give(receipt: Receipt, rows: Iterable[Adjustment], *, by: int | None, actor: Actor) -> Receipt:
    asked = list(rows)
    credited = {item.line.pk: item for item in left_of(receipt)}
    charges = give_line_credits(asked, by=by, actor=actor)
    lines = []
    for row, charge in zip(asked, charges, strict=True):
        of = credited[row.credits_line_id or 0]
        lines.append(_item(of, receipt.currency, row.amount, row.text, (charge.pk,)))
    note = write_note(receipt=receipt, lines=lines, actor=actor, reason=asked[0].text)
    payable_changed(receipt, actor=actor)
    return note


def _item(
    of: Left, currency: str, charged: Decimal, text: str = "", ids: tuple[int, ...] = ()
) -> LineItem:
    line = of.line
    return LineItem(
        currency, line.project_id, line.resource, None, 1, None, text, 0, charged, 0, ids, line.pk,
        of.credited,
    )  # fmt: skip
