"""What a crowd does by its doors: the console, the pages of researchers, the API, the webhook."""

import json
import uuid
from datetime import timedelta
from typing import Any

from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localtime

from core.site import site_zone
from payments.models import InboundEvent, Payment, Refund
from payments.providers.dummy import signed_headers
from pricing.services.line_credits import line_credits_waiting
from receipts.corrections import jobs_to_correct
from receipts.models import BillingRun, Receipt, RunEntry, WriteOff
from receipts.selectors import CREDITABLE, preview
from receipts.services import runs
from tests import console
from tests.scenarios.crowd.people import Broken, Nothing, Step, Worker
from tests.scenarios.crowd.steps import OPEN, E, S, message, parts, project

Rows = QuerySet[Any]


def press(worker: Worker, row: Model, page: str, **values: Any) -> str:
    """Press a button of the console on a row's page."""
    return worker.press(worker.console, console.url(row, page, row.pk), values)


def of_receipt(worker: Worker, page: str, *statuses: str, **values: Any) -> str:
    return press(worker, worker.receipt(*statuses), page, **values)


def of_money(worker: Worker, page: str, **values: Any) -> str:
    """A step of a receipt that is about money; its page is one of payments."""
    address = reverse(f"admin:payments_payment_{page}", args=[worker.receipt(*OPEN).pk])
    return worker.press(worker.console, address, values)


def days(worker: Worker) -> dict[str, str]:
    window = worker.window()
    first, end = (localtime(moment, site_zone()) for moment in (window.start, window.end))
    last = end if end.date() == first.date() else end - timedelta(seconds=1)
    return {"first": str(first.date()), "last": str(last.date())}


def draft(worker: Worker) -> str:
    address = reverse("admin:receipts_receipt_make", args=[project(worker).pk])
    return worker.sent(worker.console, address, {**days(worker), "currency": "THB"})


def credit(worker: Worker) -> str:
    receipt_id, wanted = parts(worker)
    lines = {f"line_{part.line_id}": str(part.amount) for part in wanted}
    address = console.url(Receipt, "credit", receipt_id)
    return worker.press(worker.console, address, {**lines, "reason": "crowd"})


def decide_credit(worker: Worker) -> str:
    waiting = line_credits_waiting().order_by("?").first()
    if waiting is None:
        raise Nothing
    page = worker.chance.choice(("give_credit", "give_credit", "refuse_credit", "withdraw_credit"))
    address = console.url(Receipt, page, waiting.credits_receipt_id)
    return worker.press(worker.console, address, {"reason": "no"})


def transfer(worker: Worker) -> str:
    return of_money(worker, "transfer", reference=worker.reference, amount=str(worker.amount))


def withhold(worker: Worker) -> str:
    return of_money(
        worker, "withholding", withheld="0.50", percent="3", certificate=worker.reference,
        certificate_day=str(timezone.localdate()),
    )  # fmt: skip


def ask_refund(worker: Worker) -> str:
    payment: Payment = worker.row(Payment.objects.filter(status="succeeded"))
    return press(worker, payment, "refund", amount="1.00", reason="crowd")


def decide(worker: Worker, rows: Rows, *pages: str) -> str:
    row: Model = worker.row(rows)
    values = {"reason": "no", "reference": worker.reference}
    return press(worker, row, worker.chance.choice(pages), **values)


def approve_run(worker: Worker) -> str:
    run: BillingRun = worker.row(BillingRun.objects.all())
    told = worker.press(worker.console, f"{console.url(run, 'approve', run.pk)}?all=approve")
    runs.issue_approved(run_id=run.pk)  # what the worker does
    return told


def review(worker: Worker) -> str:
    page = worker.chance.choice(("return", "handin", "discard"))
    entry = worker.pick(RunEntry.objects.filter(state=E.DRAFTED))
    return worker.press(worker.console, console.url(BillingRun, page, entry), {"reason": "no"})


def correct(worker: Worker) -> str:
    """A clerk has jobs corrected that only prices, or drafts, keep as they were."""
    chosen = list(jobs_to_correct().values_list("pk", flat=True)[:5])
    address = reverse("admin:receipts_receipt_correct")
    page: Any = worker.console.post(address, {"job": chosen})
    # Where others corrected them in the meantime, there is nothing to confirm.
    seen = page.context_data["seen"] if page.status_code == 200 else ""
    return worker.sent(worker.console, address, {"job": chosen, "confirmed": "1", "seen": seen})


def create(worker: Worker) -> str:
    """The PI confirms the total that was shown."""
    of, window = project(worker), worker.window()
    total = preview(of, window).totals.total
    values = {**days(worker), "project": of.code, "period": "days", "expected_total": str(total)}
    return worker.sent(worker.self_service, reverse("receipts:create"), values)


def pay(worker: Worker) -> str:
    """The PI pays: to the provider's page, and its message arrives at the webhook twice."""
    receipt = worker.receipt(*OPEN)
    address = reverse("payments:start", args=[receipt.public_id])
    answer = worker.self_service.post(address, {"provider": "dummy"})
    if answer.status_code != 302:
        raise Broken(f"{address}: {answer.status_code}")
    waits = Payment.objects.filter(receipt=receipt, provider="dummy", status="pending").first()
    if waits is None or not waits.external_id:
        raise Nothing
    body = message(waits)
    hook = reverse("payments:webhook", args=["dummy"])
    for _each in range(2):
        told = worker.self_service.post(
            hook, body, content_type="application/json", headers=signed_headers(body)
        )
        if told.status_code != 200:
            raise Broken(f"{hook}: {told.status_code}")
    return str(json.loads(told.content)["outcome"])


def api(worker: Worker) -> str:
    """A program makes a receipt, with a key, and asks again because it heard nothing."""
    of, window = project(worker), worker.window()
    first, end = (str(localtime(x, site_zone()).date()) for x in (window.start, window.end))
    body = {
        "project": of.code, "window_start": first, "window_end": end,
        "expected_total": str(preview(of, window).totals.total),
    }  # fmt: skip
    headers = {"Idempotency-Key": str(uuid.UUID(int=worker.chance.getrandbits(128)))}
    answers = [
        worker.self_service.post(
            "/api/v1/receipts", body, content_type="application/json", headers=headers
        )
        for _each in range(2)
    ]
    first_answer, again = answers
    if first_answer.content != again.content or first_answer.status_code not in (201, 400, 409):
        raise Broken(f"api: {first_answer.status_code} {again.status_code} {again.content[:200]!r}")
    return str(first_answer.status_code)


def look(worker: Worker) -> str:
    """Pages show a document while others change it."""
    receipt = worker.row(Receipt.objects.all())
    pages = [
        (worker.console, console.url(receipt, "change", receipt.pk)),
        (worker.console, reverse("admin:receipts_receipt_corrections") + "?state=documented"),
        (worker.console, console.url(BillingRun)),
        (worker.self_service, reverse("receipts:detail", args=[receipt.public_id])),
        (worker.self_service, reverse("receipts:create")),
        (worker.self_service, reverse("receipts:file", args=[receipt.public_id, "pdf"])),
        (worker.self_service, "/api/v1/receipts"),
    ]
    client, address = worker.chance.choice(pages)
    answer = client.get(address)
    if answer.status_code not in (200, 302, 404):
        raise Broken(f"{address}: {answer.status_code}")
    return str(answer.status_code)


PAGES: dict[str, Step] = {
    "page: draft": draft,
    "page: issue": lambda w: of_receipt(w, "issue", S.DRAFT, S.PENDING),
    "page: discard": lambda w: of_receipt(w, "discard", S.DRAFT),
    "page: void": lambda w: of_receipt(w, "void", *CREDITABLE, reason="crowd"),
    "page: credit": credit,
    "page: decide credit": decide_credit,
    "page: transfer": transfer,
    "page: withhold": withhold,
    "page: use balance": lambda w: of_money(w, "use_balance"),
    "page: keep": lambda w: decide(w, InboundEvent.objects.filter(outcome="mismatch"), "keep"),
    "page: ask refund": ask_refund,
    "page: decide refund": lambda w: decide(
        w, Refund.objects.all(), "approve", "pay_out", "reject"
    ),
    "page: ask write-off": lambda w: of_money(w, "write_off", reason="lost"),
    "page: decide write-off": lambda w: decide(w, WriteOff.objects.all(), "approve", "reject"),
    "page: approve the run": approve_run,
    "page: review": review,
    "page: correct": correct,
    "page: create": create,
    "page: pay": pay,
    "page: api": api,
    "page: look": look,
}
