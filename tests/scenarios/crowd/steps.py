"""What a crowd does by the services, as workers, commands and schedules do."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from accounts.models import Project
from core.errors import DomainError
from hpcbilling import workflows
from hpcbilling.closing.month_end import close_and_draft
from hpcbilling.closing.services import Unexplained
from payments.models import InboundEvent, Payment, Refund, Withholding
from payments.providers.dummy import signed_headers
from payments.services import (
    Transfer,
    Withheld,
    approve_refund,
    approve_write_off,
    keep_as_balance,
    pay_out_refund,
    receive_webhook,
    record_transfer,
    record_withholding,
    reject_refund,
    reject_write_off,
    request_refund,
    request_write_off,
    start_checkout,
    take_back_withholding,
    use_balance_for,
)
from pricing.models import Adjustment, AdjustmentKind, OutageCredit
from pricing.services.adjustments import (
    Wanted,
    approve_adjustment,
    draft_adjustment,
)
from pricing.services.line_credits import line_credits_waiting
from pricing.services.outages import draft_outage, submit_outage
from receipts.models import BillingRun, Receipt, RunEntry, WriteOff
from receipts.selectors import CREDITABLE
from receipts.services import (
    Part,
    approve_credit,
    ask_credit,
    create_receipt,
    discard_draft,
    draft_receipt,
    issue_receipt,
    refuse_credit,
    return_receipt,
    runs,
    submit_receipt,
    void_receipt,
    withdraw_credit,
)
from receipts.services.adjustments import submit_adjustment
from receipts.services.files import pdf_file
from receipts.services.outages import approve_outage_credit
from receipts.services.part_credits import left_of
from tests.factories import SYSTEM, sacct
from tests.scenarios.crowd.people import OCTOBER, SEPTEMBER, Nothing, Step, Worker

S = Receipt.Status
OPEN = (S.ISSUED, S.PART_PAID)
E = RunEntry.State


def project(worker: Worker) -> Project:
    found: Project = worker.row(Project.objects.all())
    return found


def parts(worker: Worker) -> tuple[int, list[Part]]:
    """Something to give back of a receipt: whole lines, or an amount of one."""
    receipt = worker.receipt(*CREDITABLE)
    left = [item for item in left_of(receipt) if item.amount > 0]
    if not left:
        raise Nothing
    if worker.chance.random() < 0.4:
        return receipt.pk, [Part(item.line.pk, item.amount) for item in left[:2]]
    of = worker.chance.choice(left)
    return receipt.pk, [Part(of.line.pk, min(of.amount, worker.amount))]


def credit(worker: Worker) -> object:
    receipt_id, wanted = parts(worker)
    return ask_credit(receipt_id=receipt_id, parts=wanted, reason="crowd", actor=worker.one)


def decide_credit(worker: Worker) -> None:
    waiting = line_credits_waiting().order_by("?").first()
    if waiting is None or waiting.credits_receipt_id is None:
        raise Nothing
    of, place = waiting.credits_receipt_id, worker.chance.random()
    if place < 0.6:
        approve_credit(receipt_id=of, actor=worker.other)
    elif place < 0.8:
        withdraw_credit(receipt_id=of, actor=worker.one)
    else:
        refuse_credit(receipt_id=of, reason="no", actor=worker.other)


def usage_changes(worker: Worker) -> object:
    """Slurm tells of some jobs that they had other cores; what that corrects gets its documents."""
    cores = worker.chance.randrange(2, 20)
    tres = f"cpu={cores},node=1,billing={cores}"
    rows = [replace(row, tres=tres) for row in worker.chance.sample(worker.site.rows, 6)]
    return workflows.import_usage(
        cluster=worker.site.cluster,
        stream=io.BytesIO(sacct(*rows)),
        origin=f"crowd {worker.reference}",
        actor=SYSTEM,
        as_of=timezone.now(),
    )


def transfer(worker: Worker) -> object:
    receipt = worker.receipt()
    told = Transfer(worker.reference, timezone.localdate(), worker.amount, "THB")
    return record_transfer(receipt_id=receipt.pk, transfer=told, actor=worker.one)


def withhold(worker: Worker) -> None:
    amount = worker.amount / 10
    withheld = Withheld(
        amount.quantize(Decimal("0.01")), Decimal(3), worker.reference, timezone.localdate()
    )
    receipt = worker.receipt(*OPEN)
    record_withholding(receipt_id=receipt.pk, withheld=withheld, actor=worker.one)


def take_back(worker: Worker) -> object:
    found = worker.pick(Withholding.objects.filter(reverses=None))
    return take_back_withholding(withholding_id=found, actor=worker.one, reason="wrong")


def keep(worker: Worker) -> object:
    waiting = InboundEvent.objects.filter(outcome="mismatch", resolved_at=None)
    return keep_as_balance(event_id=worker.pick(waiting), actor=worker.one)


def ask_refund(worker: Worker) -> object:
    of = worker.pick(Payment.objects.filter(status="succeeded"))
    amount = min(worker.amount, Decimal(5))
    return request_refund(payment_id=of, amount=amount, reason="crowd", actor=worker.one)


def decide_refund(worker: Worker) -> object:
    of, place = worker.pick(Refund.objects.all()), worker.chance.random()
    if place < 0.5:
        return approve_refund(refund_id=of, actor=worker.other)
    if place < 0.75:
        return pay_out_refund(refund_id=of, actor=worker.one, reference=worker.reference)
    return reject_refund(refund_id=of, actor=worker.one, reason="no")


def decide_write_off(worker: Worker) -> object:
    of = worker.pick(WriteOff.objects.all())
    if worker.chance.random() < 0.7:
        return approve_write_off(write_off_id=of, actor=worker.other)
    return reject_write_off(write_off_id=of, actor=worker.one, reason="no")


def close(worker: Worker) -> object:
    """Close a month and make its drafts; whatever stands against it is overridden."""
    month = worker.chance.choice((SEPTEMBER, OCTOBER))
    try:
        return close_and_draft(period=month, actor=worker.one)
    except Unexplained:
        return close_and_draft(period=month, actor=worker.one, override_reason="crowd")


def approve_run(worker: Worker) -> object:
    """Approve what waits of a run, and issue it as the worker does."""
    waiting = runs.to_approve(worker.one)
    run = worker.pick(BillingRun.objects.filter(pk__in=waiting.values("run")))
    runs.approve(seen=runs.seen_in(waiting.filter(run=run)), actor=worker.one)
    return runs.issue_approved(run_id=run)


def review(worker: Worker) -> None:
    """Send a document of a run back, hand it in, discard it or try it again."""
    drafted, place = RunEntry.objects.filter(state=E.DRAFTED), worker.chance.random()
    if place < 0.3:
        runs.send_back(entry_id=worker.pick(drafted), actor=worker.one, reason="no")
    elif place < 0.6:
        runs.hand_in(entry_id=worker.pick(drafted), actor=worker.one)
    elif place < 0.8:
        runs.discard(entry_id=worker.pick(drafted), actor=worker.one, reason="no")
    else:
        entry = worker.row(RunEntry.objects.exclude(state=E.DRAFTED))
        runs.retry(entry_ids=[entry.pk], actor=worker.one)
        runs.advance(run_id=entry.run_id, actor=SYSTEM)


def outage(worker: Worker) -> object:
    """Give a part of some days back in one act, which a second person approves."""
    start = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=worker.chance.randrange(50))
    row: OutageCredit = draft_outage(
        cluster=worker.site.cluster, starts_at=start, ends_at=start + timedelta(days=5),
        percent=Decimal(worker.chance.choice((10, 50, 100))), text="Cooling failed",
        reason="ticket", actor=worker.one,
    )  # fmt: skip
    submit_outage(outage_id=row.pk, actor=worker.one)
    return approve_outage_credit(outage_id=row.pk, actor=worker.other)


def adjust(worker: Worker) -> object:
    """Give or charge something on the next receipt, above the limit with a second person."""
    kind = worker.chance.choice((AdjustmentKind.CREDIT, AdjustmentKind.FEE))
    at = datetime(2026, 10, 2, tzinfo=UTC)
    wanted = Wanted(project(worker), kind, at, "crowd", "crowd", worker.amount)
    row: Adjustment = draft_adjustment(wanted=wanted, actor=worker.one)
    row = submit_adjustment(adjustment_id=row.pk, actor=worker.one)
    if row.status == "submitted":
        approve_adjustment(adjustment_id=row.pk, actor=worker.other)
    return row


def checkout(worker: Worker) -> object:
    """Pay by the provider, whose message arrives twice."""
    receipt = worker.receipt(*OPEN)
    payment = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=worker.one)
    return [deliver(worker, payment, receive=True), deliver(worker, payment, receive=True)]


def message(payment: Payment) -> bytes:
    """What the provider tells of a payment that succeeded."""
    told = {
        "id": f"evt_{payment.pk}", "type": "payment.succeeded", "payment": payment.external_id,
        "amount": str(payment.amount), "currency": payment.currency, "created": 1790000000,
    }  # fmt: skip
    return json.dumps(told).encode()


def deliver(worker: Worker, payment: Payment, *, receive: bool) -> str:
    body = message(payment)
    headers = {name.lower(): value for name, value in signed_headers(body).items()}
    return receive_webhook(provider_code="dummy", headers=headers, body=body)


def bill(worker: Worker) -> object:
    return create_receipt(project_id=project(worker).pk, window=worker.window(), actor=worker.one)


def draft(worker: Worker) -> object:
    return draft_receipt(project_id=project(worker).pk, window=worker.window(), actor=worker.one)


def write_off(worker: Worker) -> object:
    receipt = worker.receipt(*OPEN)
    return request_write_off(receipt_id=receipt.pk, reason="lost", actor=worker.one)


def refuse_unless_draft(worker: Worker) -> object:
    """Hand a draft in, or send back what was handed in."""
    if worker.chance.random() < 0.5:
        return submit_receipt(receipt_id=worker.receipt(S.DRAFT).pk, actor=worker.one)
    receipt = worker.receipt(S.PENDING)
    return return_receipt(receipt_id=receipt.pk, actor=worker.one, reason="no")


def rendered(worker: Worker) -> object:
    """The document as a PDF, which is made once."""
    receipt = worker.row(Receipt.objects.exclude(number=None))
    if receipt.kind == Receipt.Kind.OPENING:
        raise DomainError("opening", "It was issued elsewhere.")
    return pdf_file(receipt=receipt).sha256


STEPS: dict[str, Step] = {
    "bill": bill,
    "draft": draft,
    "hand in or send back": refuse_unless_draft,
    "issue": lambda w: issue_receipt(receipt_id=w.receipt(S.DRAFT, S.PENDING).pk, actor=w.one),
    "discard": lambda w: discard_draft(receipt_id=w.receipt(S.DRAFT).pk, actor=w.one),
    "void": lambda w: void_receipt(receipt_id=w.receipt().pk, actor=w.one, reason="crowd"),
    "credit": credit,
    "decide credit": decide_credit,
    "usage changes": usage_changes,
    "rate": lambda w: workflows.rate_pending(actor=SYSTEM),
    "transfer": transfer,
    "withhold": withhold,
    "take back": take_back,
    "keep": keep,
    "use balance": lambda w: use_balance_for(receipt_id=w.receipt(*OPEN).pk, actor=w.one),
    "ask refund": ask_refund,
    "decide refund": decide_refund,
    "ask write-off": write_off,
    "decide write-off": decide_write_off,
    "close a month": close,
    "approve the run": approve_run,
    "review": review,
    "outage": outage,
    "adjust": adjust,
    "checkout": checkout,
    "pdf": rendered,
}
