"""Making, issuing and voiding receipts."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from audit.services import record
from core import metrics
from core.actor import Actor
from core.bulk import insert_many
from core.canonical import sha256_of
from core.errors import Conflict, Invalid
from core.intervals import Interval
from core.locks import lock_rows
from core.money import exponent
from core.queue import after_commit
from core.transitions import Table, transition
from pricing.replacing import reverse_and_replace
from receipts.arithmetic import LineItem, lines_of, totals_of
from receipts.models import Line, LineCharge, PurchaseOrder, Receipt, Series
from receipts.orders import order_for
from receipts.selectors import charge_items, charges_of, unbilled_in

S = Receipt.Status
STEPS: Table = {
    S.DRAFT: frozenset({S.ISSUED}),
    S.ISSUED: frozenset({S.PAID, S.VOID}),
}
SERIES = "RC"
NOTIFY_TASK = "receipts.send_notice"
RATE_TASK = "hpcbilling.rate_pending"


def draft_receipt(
    *, project_id: int, window: Interval, actor: Actor, currency: str = ""
) -> Receipt:
    """Put all unbilled charges of a project and window on a new draft, which reserves them.

    The project's lock makes two callers at once produce one document. Raises Conflict if there is
    nothing to bill, naming the draft or receipt that has the charges if one was just made.
    """
    currency = currency or settings.SITE_CURRENCY
    with transaction.atomic():
        (project,) = lock_rows(Project.objects.all(), project_id)
        items = charge_items(unbilled_in(project, window, currency))
        if not items:
            raise Conflict(
                "nothing_to_bill",
                _(
                    "There is nothing to bill for this project in this period. "
                    "It may be on another receipt already."
                ),
            )
        lines = lines_of(items, currency)
        totals = totals_of((line.amount for line in lines), settings.SITE_TAX_RATE, currency)
        receipt = Receipt.objects.create(
            project=project,
            window_start=window.start,
            window_end=window.end,
            currency=currency,
            decimals=exponent(currency),
            net_amount=totals.net,
            tax_rate=settings.SITE_TAX_RATE,
            tax_amount=totals.tax,
            total=totals.total,
            created_by_id=actor.user_id,
        )
        _write_lines(receipt, lines)
        record("receipt.drafted", actor=actor, target=receipt, data=_figures(receipt))
        _moved("", S.DRAFT)
    return receipt


def _write_lines(receipt: Receipt, items: list[LineItem]) -> None:
    lines = Line.objects.bulk_create(
        Line(
            receipt=receipt,
            position=position,
            resource=item.resource,
            unit_price=item.unit_price,
            unit_size=item.unit_size,
            rate_id=item.rate_id,
            quantity=item.quantity,
            charged=item.charged,
            amount=item.amount,
            jobs=len(item.job_ids),
        )
        for position, item in enumerate(items, start=1)
    )
    insert_many(
        [
            LineCharge(line_id=line.pk, charge_id=charge_id)
            for line, item in zip(lines, items, strict=True)
            for charge_id in item.charge_ids
        ]
    )


def _figures(receipt: Receipt) -> dict[str, object]:
    return {
        "project": receipt.project.code,
        "number": receipt.number,
        "currency": receipt.currency,
        "net": receipt.net_amount,
        "tax": receipt.tax_amount,
        "total": receipt.total,
        "from": receipt.window_start,
        "until": receipt.window_end,
    }


def discard_draft(*, receipt_id: int, actor: Actor) -> None:
    """Delete a draft and free its charges. Raises Conflict if it is issued."""
    with transaction.atomic():
        receipt = _locked(receipt_id)
        _require(receipt, S.DRAFT)
        record("receipt.discarded", actor=actor, target=receipt, data=_figures(receipt))
        receipt.delete()


def issue_receipt(*, receipt_id: int, actor: Actor) -> Receipt:
    """Give a draft the next number of its series and freeze it; raises Conflict for others, and
    where the project's purchase order does not cover it.

    A receipt over nothing has nothing left to pay and is paid at once.
    """
    with transaction.atomic():
        receipt = _locked(receipt_id)
        _require(receipt, S.DRAFT)
        now = timezone.now()
        today = timezone.localdate(now)
        receipt.purchase_order = order_for(receipt, today)
        receipt.parties = parties_of(receipt.project, receipt.purchase_order)
        receipt.series, receipt.sequence = next_number(SERIES, fiscal_year(today))
        receipt.number = f"{SERIES}-{receipt.series.fiscal_year}-{receipt.sequence:06d}"
        receipt.issued_at = now
        receipt.due_on = today + timedelta(days=settings.SITE_PAYMENT_DAYS)
        receipt.sha256 = sha256_of(content_of(receipt))
        stamps = (
            "purchase_order",
            "parties",
            "series",
            "sequence",
            "number",
            "issued_at",
            "due_on",
            "sha256",
        )
        transition(
            Receipt.objects.all(),
            table=STEPS,
            pk=receipt.pk,
            before=S.DRAFT,
            after=S.ISSUED,
            issued_by_id=actor.user_id,
            **{name: getattr(receipt, name) for name in stamps},
        )
        record(
            "receipt.issued",
            actor=actor,
            target=receipt,
            data={
                **_figures(receipt),
                "sha256": receipt.sha256,
                "purchase_order": receipt.parties["buyer"]["po_number"],
            },
        )
        after_commit(NOTIFY_TASK, receipt.pk, "issued")
        _moved(S.DRAFT, S.ISSUED)
        if not receipt.total:
            mark_paid(receipt=receipt, paid_at=now, actor=actor)
    receipt.refresh_from_db()
    return receipt


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
        return issue_receipt(receipt_id=receipt.pk, actor=actor)


def void_receipt(*, receipt_id: int, actor: Actor, reason: str) -> Receipt:
    """Void an issued, unpaid receipt: its charges are reversed and their usage is billable again.

    Jobs that changed since they were charged are rated anew, as they are now. Raises Invalid
    without a reason, Conflict if it is a draft, paid or void already.
    """
    if not reason.strip():
        raise Invalid("void_reason", _("Say why the receipt is voided."))
    with transaction.atomic():
        receipt = _locked(receipt_id)
        _require(receipt, S.ISSUED)
        transition(
            Receipt.objects.all(),
            table=STEPS,
            pk=receipt.pk,
            before=S.ISSUED,
            after=S.VOID,
            voided_at=timezone.now(),
            voided_by_id=actor.user_id,
            void_reason=reason.strip()[:200],
        )
        reverse_and_replace(charges=list(charges_of(receipt)), actor=actor)
        record(
            "receipt.voided",
            actor=actor,
            target=receipt,
            data={**_figures(receipt), "reason": reason},
        )
        after_commit(RATE_TASK)
        _moved(S.ISSUED, S.VOID)
    receipt.refresh_from_db()
    return receipt


def mark_paid(*, receipt: Receipt, paid_at: datetime, actor: Actor) -> None:
    """Move an issued receipt to paid, in the transaction that allocates its payment.

    The database refuses it unless allocations add up to the total.
    """
    transition(
        Receipt.objects.all(),
        table=STEPS,
        pk=receipt.pk,
        before=S.ISSUED,
        after=S.PAID,
        paid_at=paid_at,
    )
    record("receipt.paid", actor=actor, target=receipt, data=_figures(receipt))
    after_commit(NOTIFY_TASK, receipt.pk, "paid")
    _moved(S.ISSUED, S.PAID)


def _locked(receipt_id: int) -> Receipt:
    """Lock a receipt and its project, in that order of the house: project first."""
    project_id = Receipt.objects.values_list("project_id", flat=True).get(pk=receipt_id)
    (project,) = lock_rows(Project.objects.all(), project_id)
    found = lock_rows(Receipt.objects.all(), receipt_id)
    if not found:
        raise Conflict("gone", _("This draft was discarded by someone else."))
    found[0].project = project
    return found[0]


def _require(receipt: Receipt, status: S) -> None:
    if receipt.status != status:
        raise Conflict(
            "stale_status",
            _("This receipt is “%(status)s”; the step is not possible any more.")
            % {"status": receipt.get_status_display()},
        )


def _moved(before: str, after: str) -> None:
    """Count a transition once it is committed."""
    counter = metrics.RECEIPT_TRANSITIONS.labels(from_status=before or "new", to_status=after)
    transaction.on_commit(counter.inc)


def next_number(code: str, year: int) -> tuple[Series, int]:
    """Take the next number of a series, locked until commit, so that none is lost or used twice."""
    Series.objects.get_or_create(code=code, fiscal_year=year)
    series = Series.objects.select_for_update(no_key=True).get(code=code, fiscal_year=year)
    series.last_number += 1
    series.save(update_fields=["last_number"])
    return series, series.last_number


def fiscal_year(day: date) -> int:
    """Return the fiscal year of a day, named by the calendar year in which it ends."""
    first_month = settings.SITE_FISCAL_YEAR_START
    return day.year + (1 if first_month > 1 and day.month >= first_month else 0)


def parties_of(project: Project, order: PurchaseOrder | None = None) -> dict[str, dict[str, str]]:
    """Return both parties as they are now, and the order's number, to be kept on the document."""
    return {
        "seller": {
            "name": settings.SITE_NAME,
            "address": settings.SITE_ADDRESS,
            "tax_id": settings.SITE_TAX_ID,
        },
        "buyer": {
            "project": project.code,
            "name": project.billing_name or project.name,
            "address": project.billing_address,
            "tax_id": project.tax_id,
            "po_number": order.number if order else project.po_number,
            "cost_centre": project.cost_centre,
        },
    }


def content_of(receipt: Receipt) -> dict[str, object]:
    """Return what the document says, whose canonical JSON is hashed and can be checked later."""
    return {
        "number": receipt.number,
        "issued_at": receipt.issued_at,
        "due_on": receipt.due_on,
        "parties": receipt.parties,
        "window": [receipt.window_start, receipt.window_end],
        "currency": receipt.currency,
        "lines": [
            [
                line.position,
                line.resource,
                line.quantity,
                line.unit_size,
                None if line.unit_price is None else _plain(line.unit_price),
                _plain(line.amount),
                line.jobs,
            ]
            for line in receipt.lines.order_by("position")
        ],
        "charges": list(
            LineCharge.objects.filter(line__receipt=receipt)
            .order_by("charge_id")
            .values_list("charge_id", flat=True)
        ),
        "net": _plain(receipt.net_amount),
        "tax_rate": _plain(receipt.tax_rate),
        "tax": _plain(receipt.tax_amount),
        "total": _plain(receipt.total),
    }


def _plain(amount: Decimal) -> Decimal:
    """Drop trailing zeros, so that a value read back hashes as the value that was written."""
    return amount.normalize() if amount else Decimal(0)
