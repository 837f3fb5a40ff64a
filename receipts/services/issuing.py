"""Approving and issuing: a draft gets its number and never changes again."""

import secrets
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import Interval
from core.queue import after_commit
from core.transitions import transition
from receipts.addressees import addressees_of
from receipts.arithmetic import totals_of
from receipts.models import MailKind, Receipt, ReceiptStatus
from receipts.orders import order_for
from receipts.services.contents import hash_of, particulars_of, parties_of
from receipts.services.drafting import draft_receipt, put_amounts
from receipts.services.numbering import code_of, fiscal_year, next_number
from receipts.services.outbox import queue_mails
from receipts.services.steps import STEPS, figures_of, locked, moved, require
from receipts.settling import payable_changed
from receipts.taxing import Taxed, tax_for, taxation_of

S = Receipt.Status
RENDER_TASK = "receipts.render_document"
AMOUNTS = ("net_amount", "tax_category", "tax_rate", "tax_inclusive", "tax_amount", "total")


def submit_receipt(*, receipt_id: int, actor: Actor) -> Receipt:
    """Hand a draft in for approval; another person issues it. What the run of a month hands in was
    made by nobody, and anyone who may issue approves it."""
    with transaction.atomic():
        receipt = locked(receipt_id)
        require(receipt, S.DRAFT)
        transition(
            Receipt.objects.all(),
            table=STEPS,
            pk=receipt.pk,
            before=S.DRAFT,
            after=S.PENDING,
            submitted_at=timezone.now(),
            submitted_by_id=actor.user_id,
        )
        record("receipt.submitted", actor=actor, target=receipt, data=figures_of(receipt))
        moved(S.DRAFT, S.PENDING)
    receipt.refresh_from_db()
    return receipt


def return_receipt(*, receipt_id: int, actor: Actor, reason: str) -> Receipt:
    """Make a draft again of what was handed in, saying why."""
    if not reason.strip():
        raise Invalid("reason", _("Say why it is sent back."))
    with transaction.atomic():
        receipt = locked(receipt_id)
        require(receipt, S.PENDING)
        transition(
            Receipt.objects.all(),
            table=STEPS,
            pk=receipt.pk,
            before=S.PENDING,
            after=S.DRAFT,
            submitted_at=None,
            submitted_by=None,
        )
        data = {**figures_of(receipt), "reason": reason}
        record("receipt.returned", actor=actor, target=receipt, data=data)
        moved(S.PENDING, S.DRAFT)
    receipt.refresh_from_db()
    return receipt


def issue_receipt(*, receipt_id: int, actor: Actor) -> Receipt:
    """Give a draft the next number of its series and freeze it.

    Raises Conflict for what is issued already, for who submitted it, where it asks for less than
    nothing, and where the project's purchase order does not cover it. The tax is that of the day.
    """
    with transaction.atomic():
        receipt = locked(receipt_id)
        require(receipt, S.DRAFT, S.PENDING)
        _check(receipt, actor)
        taxed = _retax(receipt)
        stamp_issue(receipt, taxed, actor)
        payable_changed(receipt, actor)
    receipt.refresh_from_db()
    return receipt


def _check(receipt: Receipt, actor: Actor) -> None:
    if receipt.submitted_by_id is not None and receipt.submitted_by_id == actor.user_id:
        raise Conflict(
            "own_receipt", _("Whoever submits a receipt does not approve it: ask a colleague.")
        )
    if receipt.total < 0:
        raise Conflict(
            "less_than_nothing",
            _("It comes to less than nothing. Discard it: its charges go on the next receipt."),
        )
    projects = set(receipt.lines.order_by().values_list("project", flat=True))
    billed_to = addressees_of(projects - {receipt.project_id})
    if set(billed_to.values()) - {receipt.project_id}:
        raise Conflict(
            "addressee_changed",
            _("Usage on it is billed to another project by now. Discard it, and draft it anew."),
        )


def _retax(receipt: Receipt) -> Taxed:
    """Tax a draft as documents of today are."""
    taxed = tax_for(receipt.project, timezone.localdate())
    if taxed.taxation != taxation_of(receipt):
        amounts = receipt.lines.values_list("amount", flat=True)
        totals = totals_of(amounts, taxed.taxation, receipt.currency)
        put_amounts(receipt, totals, taxed, receipt.currency)
        receipt.save(update_fields=AMOUNTS)
    return taxed


def stamp_issue(receipt: Receipt, taxed: Taxed, actor: Actor) -> None:
    """Give a draft all that is decided at issue; in the caller's transaction, which has locked it.

    The invariant: number, parties and hash are set once, together.
    """
    now = timezone.now()
    today = timezone.localdate(now)
    before = S(receipt.status)
    notes = receipt.kind == Receipt.Kind.CREDIT_NOTE
    if not notes:
        receipt.purchase_order = order_for(receipt, today)
    receipt.parties = parties_of(receipt.project, receipt.purchase_order)
    receipt.particulars = particulars_of(receipt, taxed)
    receipt.series, receipt.sequence = next_number(code_of(receipt.kind), fiscal_year(today))
    receipt.number = receipt.series.text_of(receipt.sequence)
    receipt.issued_at = now
    receipt.due_on = None if notes else today + timedelta(days=settings.SITE_PAYMENT_DAYS)
    receipt.verify_token = secrets.token_urlsafe(24)
    receipt.sha256 = hash_of(receipt)
    stamps = (
        "purchase_order",
        "parties",
        "particulars",
        "series",
        "sequence",
        "number",
        "issued_at",
        "due_on",
        "verify_token",
        "sha256",
    )
    transition(
        Receipt.objects.all(),
        table=STEPS,
        pk=receipt.pk,
        before=before,
        after=S.ISSUED,
        issued_by_id=actor.user_id,
        **{name: getattr(receipt, name) for name in stamps},
    )
    receipt.status = S.ISSUED
    record(
        "receipt.issued",
        actor=actor,
        target=receipt,
        data={
            **figures_of(receipt),
            "sha256": receipt.sha256,
            "purchase_order": receipt.parties["buyer"]["po_number"],
        },
    )
    after_commit(RENDER_TASK, receipt.pk)
    queue_mails(receipt, MailKind.CREDIT_NOTE if notes else MailKind.ISSUED)
    moved(before, S.ISSUED)


def create_receipt(
    *,
    project_id: int,
    window: Interval,
    actor: Actor,
    currency: str = "",
    expected_total: Decimal | None = None,
) -> Receipt:
    """Draft and issue in one step, as researchers do.

    ``expected_total`` is what the person saw before confirming: if usage arrived in between, the
    receipt is refused with Conflict instead of billing something else.
    """
    with transaction.atomic():
        receipt = draft_receipt(
            project_id=project_id, window=window, actor=actor, currency=currency
        )
        if expected_total is not None and receipt.total != expected_total:
            raise Conflict(
                "total_changed",
                _("New usage arrived since you looked. Check the new total and confirm again."),
            )
        if receipt.total == 0 and any(line.charged for line in receipt.lines.all()):
            # Day by day, usage too small for the currency would be rounded away for ever.
            raise Conflict(
                "too_small",
                _("This comes to less than can be paid. It goes on a receipt over a longer time."),
            )
        return issue_receipt(receipt_id=receipt.pk, actor=actor)


def mark_settled(
    *, receipt: Receipt, status: ReceiptStatus, actor: Actor, paid_at: datetime | None = None
) -> None:
    """Move an issued receipt to partly paid, paid or written off, or back where a settlement was a
    mistake; in the transaction that settles it.

    The database refuses what settlement does not bear out.
    """
    before = S(receipt.status)
    stamps: dict[str, datetime | None] = {}
    if status is S.PAID:
        stamps["paid_at"] = paid_at or timezone.now()
    elif status is S.WRITTEN_OFF:
        stamps["written_off_at"] = timezone.now()
    elif before is S.PAID:
        stamps["paid_at"] = None
    transition(
        Receipt.objects.all(), table=STEPS, pk=receipt.pk, before=before, after=status, **stamps
    )
    receipt.status = status
    action = "receipt.reopened" if status == S.ISSUED else f"receipt.{status.value}"
    record(action, actor=actor, target=receipt, data=figures_of(receipt))
    if status == S.PAID and receipt.total > 0:
        queue_mails(receipt, MailKind.PAID)
    moved(before, status)
