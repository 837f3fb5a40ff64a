"""Credit notes: what an issued document asked for too much is given back by another document."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.locks import lock_rows
from core.queue import RATE_TASK, after_commit
from core.transitions import transition
from pricing.limits import limit_in
from pricing.models import Adjustment, AdjustmentKind, Charge
from pricing.replacing import reverse_and_replace
from pricing.selectors import adjustment_of, kinds_of
from pricing.services.line_credits import give_again
from pricing.taking_back import take_back
from receipts.alone import above_limit, alone_on
from receipts.arithmetic import LineItem, totals_of
from receipts.models import Line, Receipt
from receipts.selectors import (
    charges_in_force,
    credited_of,
    credits_in_force,
    lines_crediting,
)
from receipts.services.drafting import put_amounts, save_draft
from receipts.services.issuing import stamp_issue
from receipts.services.steps import STEPS, figures_of, locked, moved, require
from receipts.settling import payable_changed
from receipts.taxing import Taxed, taxation_of
from usage.models import Job

S = Receipt.Status


def credit_reversals(*, receipt_id: int, actor: Actor, reason: str) -> Receipt | None:
    """Issue a credit note over the reversals of a receipt's charges that no note has yet.

    Returns None if there are none. Raises Invalid without a reason, Conflict if the receipt is not
    issued, and where the note would give back anew what one person alone decided, beyond the limit
    of today. The note is taxed as the receipt was; all notes together never exceed it: where they
    would, on a line or in all, what was given back by hand is taken back in the same note.
    """
    with transaction.atomic():
        receipt = creditable(receipt_id, reason)
        if not lines_crediting(receipt):
            return None
        given = _make_room(receipt, actor)
        _check_alone(receipt, given)
        lines = [_with(item, given) for item in lines_crediting(receipt)]
        note = write_note(receipt=receipt, lines=lines, actor=actor, reason=reason)
        payable_changed(receipt, actor=actor)
    return note


Given = dict[int | None, Charge]
"""By line, what is given back by hand in place of more that was taken back."""


def _make_room(receipt: Receipt, actor: Actor) -> Given:
    """Take back what stands in the way of crediting the reversals that wait.

    First what earlier notes gave back by hand on the same lines, as far as the lines have no room
    for both. Then, if the note would still go beyond the receipt in all, what the receipt itself
    took off (a discount, a cap): that is charged anew, and goes on the document that bills the
    usage again.
    """
    waiting = lines_crediting(receipt)
    of = Line.objects.in_bulk([item.corrects_id for item in waiting])
    given: Given = {}
    for item in waiting:
        line = of[item.corrects_id or 0]
        if abs(item.credited + item.charged) > abs(line.charged):
            rest = _shrink(receipt, line, item, actor)
            if rest is not None:
                given[line.pk] = rest
    lines = [_with(item, given) for item in lines_crediting(receipt)]
    if left_after(receipt, lines) < 0:
        off = _in_force(receipt).filter(amount__lt=0)
        reverse_and_replace(charges=list(off), actor=actor)
    return given


def _check_alone(receipt: Receipt, given: Given) -> None:
    """Raise Conflict, saying how to go on, where a part that is given back anew, and that one
    person alone decided, is beyond the limit by now. The database asks the same."""
    keys = [adjustment_of(charge.resource) or 0 for charge in given.values()]
    alone = Adjustment.objects.filter(pk__in=keys, decided_by=None)
    amount = alone_on(receipt)
    if amount > limit_in(receipt.currency) and alone.exists():
        said = _(
            "Its credit note would go on giving back what one person alone decided: %(amount)s by"
            " hand on this receipt, more than the limit of %(limit)s by now. Void the receipt: its"
            " usage is billed anew. Then ask for the credit again; a second person approves it."
        )
        raise above_limit(said, amount, receipt.currency)


def _shrink(receipt: Receipt, line: Line, item: LineItem, actor: Actor) -> Charge | None:
    """Take back what was given by hand on a line, newest first, until there is room for the
    reversals; return what is given anew where only a part had to go."""
    by_hand = credits_in_force(receipt).filter(document_line__line__corrects=line)
    again, gone = _given(by_hand.order_by("-pk"))
    too_much = abs(item.credited + item.charged) - abs(line.charged)
    for charge in gone:
        if too_much <= 0:
            return None
        take_back(charges=[charge], actor=actor)
        too_much += charge.amount
        if too_much < 0:
            return give_again(charge, too_much, actor=actor)
    if too_much > 0:
        reverse_and_replace(charges=again, actor=actor)
    return None


def _with(item: LineItem, given: Given) -> LineItem:
    charge = given.get(item.corrects_id)
    if charge is None:
        return item
    ids = (*item.charge_ids, charge.pk)
    return replace(item, charged=item.charged + charge.amount, charge_ids=ids)


def _given(charges: Iterable[Charge]) -> tuple[list[Charge], list[Charge]]:
    """Tell what outages gave back, which goes on with the usage, from what else was given back, by
    hand, of just this receipt."""
    found = list(charges)
    kinds = kinds_of(charge.resource for charge in found)
    again = [charge for charge in found if kinds[charge.resource] == AdjustmentKind.OUTAGE]
    return again, [charge for charge in found if charge not in again]


def left_after(receipt: Receipt, lines: Sequence[LineItem]) -> Decimal:
    """Return what a receipt would ask for after a further note with these lines, tax included."""
    amounts = (line.amount for line in lines)
    before = _credited_lines(receipt)
    totals = totals_of(amounts, taxation_of(receipt), receipt.currency, before=before)
    return receipt.total + credited_of(receipt) + totals.total


def _in_force(receipt: Receipt) -> QuerySet[Charge]:
    """The charges of a receipt that were not taken back, their jobs locked first: rating may just
    have taken some back."""
    charges = charges_in_force(receipt)
    jobs = charges.order_by().filter(job__isnull=False).values_list("job", flat=True)
    lock_rows(Job.objects.all(), *jobs.distinct())
    return charges


def write_note(
    *, receipt: Receipt, lines: Sequence[LineItem], actor: Actor, reason: str
) -> Receipt:
    """Issue a credit note with these lines over a receipt, which is locked; in the caller's
    transaction, who tells that less is owed."""
    before = _credited_lines(receipt)
    taxed = Taxed(
        taxation_of(receipt),
        str(receipt.particulars.get("tax_reason", "")),
        str(receipt.particulars.get("exemption_certificate", "")),
    )
    amounts = (line.amount for line in lines)
    totals = totals_of(amounts, taxed.taxation, receipt.currency, before=before)
    if totals.total > 0:
        raise Conflict(
            "not_a_credit",
            _(
                "What replaces the usage of %(number)s costs more than what is taken back, so that"
                " this would ask for more instead of giving back. Void the receipt: its credit note"
                " takes back all of it, and the usage is billed anew on the next one."
            )
            % {"number": receipt.number},
        )
    if receipt.total + credited_of(receipt) + totals.total < 0:
        raise Conflict("too_much", _("This would give back more than the receipt asks for in all."))
    note = Receipt(
        kind=Receipt.Kind.CREDIT_NOTE,
        project=receipt.project,
        corrects=receipt,
        purchase_order=receipt.purchase_order,
        window_start=receipt.window_start,
        window_end=receipt.window_end,
        reason=reason.strip()[:200],
        created_by_id=actor.user_id,
    )
    put_amounts(note, totals, taxed, receipt.currency)
    save_draft(note, lines, actor)
    stamp_issue(note, taxed, actor)
    return note


def _credited_lines(receipt: Receipt) -> Decimal:
    """What the lines of a receipt's notes come to, less than zero."""
    notes = receipt.credit_notes.exclude(status__in=Receipt.BEFORE_ISSUE)
    return notes.aggregate(sum=Sum("lines__amount"))["sum"] or Decimal(0)


def void_receipt(*, receipt_id: int, actor: Actor, reason: str) -> Receipt:
    """Credit an issued receipt in whole: its charges are reversed and their usage is billable
    again; what was paid for it is the project's balance.

    What earlier notes gave back by hand is taken back in the same note, so that all notes together
    come to the receipt exactly; what an outage gave back is given again with the usage. Jobs that
    changed since they were charged are rated anew, as they are now. Raises Invalid without a
    reason, Conflict if it is a draft or void already.
    """
    with transaction.atomic():
        receipt = creditable(receipt_id, reason)
        if receipt.kind == Receipt.Kind.OPENING:
            raise Conflict(
                "opening_balance",
                _(
                    "An opening balance has no usage that could be billed again, so it is not"
                    " voided. Give back what is wrong of it by a credit note, or write it off."
                ),
            )
        again, gone = _given(credits_in_force(receipt))
        reverse_and_replace(charges=[*_in_force(receipt), *again], actor=actor)
        take_back(charges=gone, actor=actor)
        lines = lines_crediting(receipt)
        if lines:
            write_note(receipt=receipt, lines=lines, actor=actor, reason=reason)
        before = S(receipt.status)
        transition(
            Receipt.objects.all(),
            table=STEPS,
            pk=receipt.pk,
            before=before,
            after=S.VOID,
            voided_at=timezone.now(),
            voided_by_id=actor.user_id,
            void_reason=reason.strip()[:200],
        )
        receipt.status = S.VOID
        data = {**figures_of(receipt), "reason": reason}
        record("receipt.voided", actor=actor, target=receipt, data=data)
        payable_changed(receipt, actor=actor)
        after_commit(RATE_TASK)
        moved(before, S.VOID)
    receipt.refresh_from_db()
    return receipt


def creditable(receipt_id: int, reason: str) -> Receipt:
    """Lock a receipt, or an opening balance, that can be credited. Raises Invalid without a reason,
    Conflict if it is not issued, void, or a credit note."""
    if not reason.strip():
        raise Invalid("reason", _("Give a reason: it is printed on the credit note."))
    receipt = locked(receipt_id)
    if receipt.kind == Receipt.Kind.CREDIT_NOTE:
        raise Conflict("not_a_receipt", _("Credit notes are not corrected, only receipts are."))
    require(receipt, S.ISSUED, S.PART_PAID, S.PAID)
    return receipt
