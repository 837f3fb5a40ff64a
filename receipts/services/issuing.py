"""Approving and issuing: a draft gets its number and never changes again."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.services import record, record_all
from core.actor import Actor
from core.bulk import look_up_by_index
from core.errors import Changed, Conflict, Invalid
from core.intervals import Interval
from core.queue import after_commit
from core.transitions import transition
from pricing.limits import limit_in
from receipts.addressees import addressees_of
from receipts.alone import Alone, above_limit, alone_on_drafts
from receipts.arithmetic import totals_of
from receipts.models import BillingProfile, Line, MailKind, Receipt, ReceiptStatus, RunEntry
from receipts.orders import order_for, under_orders
from receipts.services.contents import (
    Rows,
    hash_of,
    particulars_of,
    parties_of,
    price_lists_of,
    profiles_of,
    rows_of,
)
from receipts.services.drafting import draft_receipt, put_amounts
from receipts.services.numbering import code_of, fiscal_year, next_number
from receipts.services.outbox import queue_all, queue_paid
from receipts.services.steps import STEPS, figures_of, locked, moved, require
from receipts.settling import payable_changed
from receipts.taxing import Taxed, taxation_of, taxes_for

S = Receipt.Status
RENDER_TASK = "receipts.render_document"
STAMPS = (
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
    "alone_limit",
)
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


def issue_receipt(
    *, receipt_id: int, actor: Actor, expected_total: Decimal | None = None
) -> Receipt:
    """Give a draft the next number of its series and freeze it.

    ``expected_total`` is what a person saw and approved; lines never change, so key and total tell
    one document from another. Where the tax of the day makes another total of it, that is kept for
    the next look, and Changed raised.

    Raises Conflict for what is issued already, for who submitted it, where it asks for less than
    nothing, where the project's purchase order does not cover it, and where one person alone
    decided more than ``ADJUSTMENT_LIMIT`` of it and no second one issues it. The tax is that of the
    day.
    """
    with transaction.atomic():
        receipt = locked(receipt_id)
        require(receipt, S.DRAFT, S.PENDING)
        if as_seen := _is_as_seen(receipt, expected_total, actor):
            issue_all(receipts=[receipt], actor=actor)
    if not as_seen:
        raise Changed
    receipt.refresh_from_db()
    return receipt


def _is_as_seen(receipt: Receipt, expected_total: Decimal | None, actor: Actor) -> bool:
    """Tell whether a document comes to what a person saw, as it is taxed today; where it does not,
    keep that for the next look."""
    if expected_total is None:
        return True
    before, project_id = receipt.total, receipt.project_id
    _retax(receipt, taxes_for({project_id}, timezone.localdate())[project_id])
    if receipt.total not in (before, expected_total):
        record("receipt.taxed", actor=actor, target=receipt, data=figures_of(receipt))
        entries = RunEntry.objects.filter(receipt=receipt)
        entries.update(total=receipt.total, approved_by=None, approved_at=None)
    return receipt.total == expected_total


def issue_all(
    *, receipts: Sequence[Receipt], actor: Actor, expected: Mapping[int, Decimal] | None = None
) -> None:
    """Issue drafts as ``issue_receipt`` does, all or none, in the caller's transaction, which has
    locked them and their projects. What is read for them is read once for all. ``expected`` are the
    totals that were seen, by their keys."""
    for receipt in receipts:
        _check(receipt, actor)
    _check_addressees(receipts)
    _check_alone(receipts, actor)
    taxes = taxes_for({receipt.project_id for receipt in receipts}, timezone.localdate())
    for receipt in receipts:
        _retax(receipt, taxes[receipt.project_id])
        if expected is not None and receipt.total != expected.get(receipt.pk):
            raise Changed
    _stamp([(receipt, taxes[receipt.project_id]) for receipt in receipts], actor)
    payable_changed(*receipts, actor=actor)


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


def _check_addressees(receipts: Sequence[Receipt]) -> None:
    of = {receipt.pk: receipt.project_id for receipt in receipts}
    lines = Line.objects.filter(receipt__in=of).order_by()
    pairs = set(lines.values_list("receipt", "project").distinct())
    others = {(key, project) for key, project in pairs if project != of[key]}
    billed_to = addressees_of({project for _key, project in others})
    if any(billed_to[project] != of[key] for key, project in others):
        raise Conflict(
            "addressee_changed",
            _("Usage on it is billed to another project by now. Discard it, and draft it anew."),
        )


def _check_alone(receipts: Sequence[Receipt], actor: Actor) -> None:
    alone = alone_on_drafts([receipt.pk for receipt in receipts])
    for receipt in receipts:
        found = alone.get(receipt.pk)
        if found is None or not found.is_beyond(limit_in(receipt.currency)):
            continue
        if not found.is_second(actor.user_id, receipt):
            raise takes_second_person(found, receipt.currency)


def takes_second_person(found: Alone, currency: str) -> Conflict:
    """Return what is said to whoever may not issue a document on which one person alone decided
    more than ``ADJUSTMENT_LIMIT``."""
    said = _(
        "One person alone decided %(amount)s of what is credited and charged by hand on this"
        " document, more than %(limit)s. Somebody else has to issue it: a colleague of the"
        " billing office who neither wrote any of it nor drafted the document."
    )
    return above_limit(said, found.amount, currency)


def _retax(receipt: Receipt, taxed: Taxed) -> None:
    """Tax a draft as documents of today are."""
    if taxed.taxation != taxation_of(receipt):
        amounts = receipt.lines.values_list("amount", flat=True)
        totals = totals_of(amounts, taxed.taxation, receipt.currency)
        put_amounts(receipt, totals, taxed, receipt.currency)
        receipt.save(update_fields=AMOUNTS)


def stamp_issue(receipt: Receipt, taxed: Taxed, actor: Actor) -> None:
    """Give a draft all that is decided at issue; in the caller's transaction, which has locked it.

    The invariant: number, parties and hash are set once, together.
    """
    _stamp([(receipt, taxed)], actor)


def _stamp(drafts: Sequence[tuple[Receipt, Taxed]], actor: Actor) -> None:
    receipts = [receipt for receipt, _taxed in drafts]
    now = timezone.now()
    look_up_by_index()
    _put_orders(receipts, timezone.localdate(now))
    rows = rows_of([receipt.pk for receipt in receipts])
    lists = price_lists_of(rows)
    profiles = profiles_of({receipt.project_id for receipt in receipts})
    for receipt, taxed in drafts:
        profile = profiles.get(receipt.project_id) or BillingProfile()
        receipt.parties = parties_of(receipt.project, receipt.purchase_order, profile)
        mine, by = rows.lines[receipt.pk], lists[receipt.pk]
        receipt.particulars = particulars_of(receipt, taxed, profile, mine, by)
    for receipt in receipts:
        _number(receipt, now, rows, actor)
    found = [(receipt, _issued_figures(receipt)) for receipt in receipts]
    record_all("receipt.issued", actor=actor, found=found)
    for receipt in receipts:
        after_commit(RENDER_TASK, receipt.pk)
    notes = [receipt for receipt in receipts if _is_note(receipt)]
    queue_all(notes, MailKind.CREDIT_NOTE)
    queue_all([receipt for receipt in receipts if receipt not in notes], MailKind.ISSUED)


def _is_note(receipt: Receipt) -> bool:
    return receipt.kind == Receipt.Kind.CREDIT_NOTE


def _put_orders(receipts: Sequence[Receipt], day: date) -> None:
    """Put the purchase orders on receipts; a credit note is under that of what it corrects."""
    ordered = under_orders({receipt.project_id for receipt in receipts})
    for receipt in receipts:
        if not _is_note(receipt):
            has_any = receipt.project_id in ordered
            receipt.purchase_order = order_for(receipt, day) if has_any else None


def _number(receipt: Receipt, now: datetime, rows: Rows, actor: Actor) -> None:
    """Give a draft the next number, which holds the series until commit, and store what it says."""
    before, today = S(receipt.status), timezone.localdate(now)
    days = timedelta(days=settings.SITE_PAYMENT_DAYS)
    receipt.series, receipt.sequence = next_number(code_of(receipt.kind), fiscal_year(today))
    receipt.number = receipt.series.text_of(receipt.sequence)
    receipt.issued_at = now
    receipt.due_on = None if _is_note(receipt) else today + days
    receipt.alone_limit = limit_in(receipt.currency)
    receipt.verify_token = secrets.token_urlsafe(24)
    receipt.sha256 = hash_of(receipt, rows)
    transition(
        Receipt.objects.all(),
        table=STEPS,
        pk=receipt.pk,
        before=before,
        after=S.ISSUED,
        issued_by_id=actor.user_id,
        **{name: getattr(receipt, name) for name in STAMPS},
    )
    receipt.status = S.ISSUED
    moved(before, S.ISSUED)


def _issued_figures(receipt: Receipt) -> dict[str, object]:
    order = receipt.parties["buyer"]["po_number"]
    return {**figures_of(receipt), "sha256": receipt.sha256, "purchase_order": order}


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
    *,
    receipt: Receipt,
    status: ReceiptStatus,
    actor: Actor,
    paid_at: datetime | None = None,
    bounces: int = 0,
) -> None:
    """Move an issued receipt to partly paid, paid or written off, or back where a settlement was a
    mistake; in the transaction that settles it.

    ``bounces`` is how many of its payments the bank took back: thanks are sent once after each. The
    database refuses what settlement does not bear out.
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
        queue_paid(receipt, bounces=bounces)
    moved(before, status)
