"""Credit notes: what an issued document asked for too much is given back by another document."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.queue import after_commit
from core.transitions import transition
from pricing.replacing import reverse_and_replace
from receipts.arithmetic import LineItem, totals_of
from receipts.models import Receipt
from receipts.selectors import charges_in_force, credits_in_force, lines_crediting
from receipts.services.drafting import put_amounts, save_draft
from receipts.services.issuing import stamp_issue
from receipts.services.steps import STEPS, figures_of, locked, moved, require
from receipts.settling import payable_changed
from receipts.taxing import Taxed, taxation_of

S = Receipt.Status
RATE_TASK = "hpcbilling.rate_pending"


def credit_reversals(*, receipt_id: int, actor: Actor, reason: str) -> Receipt | None:
    """Issue a credit note over the reversals of a receipt's charges that no note has yet.

    Returns None if there are none. Raises Invalid without a reason, Conflict if the receipt is not
    issued. The note is taxed as the receipt was; all notes together never exceed it.
    """
    with transaction.atomic():
        receipt = _issued(receipt_id, reason)
        lines = lines_crediting(receipt)
        if not lines:
            return None
        note = write_note(receipt=receipt, lines=lines, actor=actor, reason=reason)
        payable_changed(receipt, actor)
    return note


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
        raise Conflict("not_a_credit", _("This would ask for more instead of giving back."))
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
    again, and what was given back of it by hand is so on the next one; what was paid for it is the
    project's balance.

    Jobs that changed since they were charged are rated anew, as they are now. Raises Invalid
    without a reason, Conflict if it is a draft or void already.
    """
    with transaction.atomic():
        receipt = _issued(receipt_id, reason)
        if receipt.kind != Receipt.Kind.RECEIPT:
            raise Conflict("not_a_receipt", _("Only receipts are voided."))
        charges = [*charges_in_force(receipt), *credits_in_force(receipt)]
        reverse_and_replace(charges=charges, actor=actor)
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
        payable_changed(receipt, actor)
        after_commit(RATE_TASK)
        moved(before, S.VOID)
    receipt.refresh_from_db()
    return receipt


def _issued(receipt_id: int, reason: str) -> Receipt:
    if not reason.strip():
        raise Invalid("void_reason", _("Say why the receipt is voided."))
    receipt = locked(receipt_id)
    require(receipt, S.ISSUED, S.PART_PAID, S.PAID)
    return receipt
