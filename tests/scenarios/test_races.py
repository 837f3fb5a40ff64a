"""Several processes at once, each with its own connection: everything still happens once."""

import io
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import Project, Tier
from audit.selectors import verify_chain
from core.actor import Actor
from core.intervals import Interval
from hpcbilling import workflows
from payments.models import Allocation, InboundEvent
from payments.providers.dummy import signed_headers
from payments.selectors import balance_of
from payments.services import Transfer, receive_webhook, record_transfer, start_checkout
from pricing.content import flat
from pricing.models import Charge
from pricing.rating import rate_jobs
from pricing.selectors import live_charges, unpriced
from pricing.services import Head, propose_price_list
from receipts.models import DocumentFile, Line, LineCharge, Receipt
from receipts.selectors import on_documents, unbilled_charges, uncredited_reversals
from receipts.services import create_receipt, draft_receipt, issue_receipt, void_receipt
from receipts.services.files import pdf_file
from tests.databases import Database
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    approve,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    sacct,
)
from tests.racing import race, times
from usage.models import ImportRun, Job
from usage.services import prepare_import

JOBS = 40


def october_jobs(tres: str = "cpu=4,mem=8192M,node=1") -> list[Row]:
    return [
        Row(number, end=OCTOBER.start + timedelta(hours=number), tres=tres)
        for number in range(1, JOBS + 1)
    ]


def billable() -> Project:
    """A project with unbilled charges."""
    project = make_project("genomics")
    import_rows(make_cluster(), *october_jobs())
    return project


def each_live_charge_is_on_one_line_at_most() -> None:
    links = Counter(LineCharge.objects.values_list("charge_id", flat=True))
    assert set(links.values()) <= {1}
    live = Counter(live_charges().values_list("job_id", "resource"))
    assert set(live.values()) == {1}


def settled(amounts: int = 1) -> None:
    assert Allocation.objects.count() == amounts
    assert Receipt.objects.filter(status="paid").count() == amounts


def test_eight_processes_bill_the_same_jobs_once(committed_db: Database) -> None:
    project = billable()

    def bill() -> str | None:
        return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM).number

    results = race(*times(8, bill))
    assert Counter(results) == {"RC-2026-000001": 1, "nothing_to_bill": 7}
    assert LineCharge.objects.count() == Charge.objects.count() == 2 * JOBS
    each_live_charge_is_on_one_line_at_most()
    assert verify_chain().broken is None


def test_eight_processes_bill_overlapping_windows_once(committed_db: Database) -> None:
    project = billable()

    def bill(hours: int) -> str | None:
        window = Interval(OCTOBER.start, OCTOBER.start + timedelta(hours=hours))
        return create_receipt(project_id=project.pk, window=window, actor=SYSTEM).number

    results = race(*(lambda hours=hours: bill(hours) for hours in range(6, 46, 5)))
    assert not [result for result in results if result.startswith("!")]
    each_live_charge_is_on_one_line_at_most()
    billed = LineCharge.objects.count()
    assert billed == live_charges().exclude(document_line=None).count()
    numbers = Receipt.objects.order_by("sequence").values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, len(numbers) + 1))


def test_eight_processes_rate_the_same_jobs_once(committed_db: Database) -> None:
    import_rows(make_cluster(), *october_jobs())
    make_project("genomics")
    ids = list(unpriced().values_list("pk", flat=True))

    def rate() -> int:
        return rate_jobs(job_ids=ids, actor=SYSTEM, billed=on_documents).charges

    results = race(*times(8, rate))
    assert Counter(results) == {str(2 * JOBS): 1, "0": 7}
    each_live_charge_is_on_one_line_at_most()


def test_two_imports_of_one_file_make_one_run(committed_db: Database) -> None:
    make_project("genomics")
    cluster = make_cluster()
    content = sacct(*october_jobs())

    def bring() -> str:
        imported = workflows.import_usage(
            cluster=cluster, stream=io.BytesIO(content), origin="x", actor=SYSTEM
        )
        return imported.run.status

    results = race(*times(4, bring))
    assert set(results) <= {"complete", "import_running"}
    assert "complete" in results
    run = ImportRun.objects.get()
    assert (run.status, run.jobs_new, Job.objects.count()) == ("complete", JOBS, JOBS)
    workflows.rate_pending(actor=SYSTEM)
    assert Charge.objects.count() == 2 * JOBS


def test_two_files_with_the_same_jobs_make_each_job_once(committed_db: Database) -> None:
    make_project("genomics")
    cluster = make_cluster()
    files = [sacct(*october_jobs()), sacct(*reversed(october_jobs()))]
    runs = [
        prepare_import(cluster=cluster, stream=io.BytesIO(content), origin="x", actor=SYSTEM)
        for content in files
    ]
    results = race(
        *(lambda pk=run.pk: workflows.finish_import(run_id=pk, actor=SYSTEM) for run in runs)
    )
    assert not [result for result in results if result.startswith("!")]
    assert Job.objects.count() == JOBS
    assert Charge.objects.count() == 2 * JOBS


def test_drafts_issued_at_once_get_gapless_numbers(committed_db: Database) -> None:
    project = billable()
    drafts = []
    for number in range(1, 9):
        start = OCTOBER.start + timedelta(hours=number)
        window = Interval(start, start + timedelta(minutes=1))
        drafts.append(draft_receipt(project_id=project.pk, window=window, actor=SYSTEM).pk)
    results = race(
        *(lambda pk=pk: issue_receipt(receipt_id=pk, actor=SYSTEM).number for pk in drafts)
    )
    assert sorted(results) == [f"RC-2026-{number:06d}" for number in range(1, 9)]


def test_one_draft_is_issued_once(committed_db: Database) -> None:
    draft = draft_receipt(project_id=billable().pk, window=OCTOBER, actor=SYSTEM)
    results = race(*times(4, lambda: issue_receipt(receipt_id=draft.pk, actor=SYSTEM).number))
    assert Counter(results) == {"RC-2026-000001": 1, "stale_status": 3}


def test_a_webhook_delivered_in_parallel_settles_once(committed_db: Database) -> None:
    receipt = create_receipt(project_id=billable().pk, window=OCTOBER, actor=SYSTEM)
    payment = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)
    body = json.dumps({
        "id": "evt_1", "type": "payment.succeeded", "payment": payment.external_id,
        "amount": str(receipt.total), "currency": "THB", "created": 1790000000,
    }).encode()  # fmt: skip
    headers = {name.lower(): value for name, value in signed_headers(body).items()}

    def deliver() -> str:
        return receive_webhook(provider_code="dummy", headers=headers, body=body)

    assert Counter(race(*times(6, deliver))) == {"applied": 1, "replay": 5}
    assert InboundEvent.objects.count() == 1
    settled()


def test_paying_and_voiding_at_once_ends_void_and_the_money_is_kept(committed_db: Database) -> None:
    clerk = Actor.of(make_user("clerk"))
    receipt = create_receipt(project_id=billable().pk, window=OCTOBER, actor=SYSTEM)
    transfer = Transfer("T-1", timezone.localdate(), receipt.total, "THB")
    results = race(
        lambda: record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=clerk),
        lambda: void_receipt(receipt_id=receipt.pk, actor=clerk, reason="wrong").status,
    )
    receipt.refresh_from_db()
    assert results in (["applied", "void"], ["mismatch", "void"])
    assert receipt.status == "void"
    kept = receipt.total if results[0] == "applied" else Decimal(0)
    assert balance_of(receipt.project, "THB") == kept
    each_live_charge_is_on_one_line_at_most()


def test_two_transfers_for_one_receipt_settle_it_once(committed_db: Database) -> None:
    clerk = Actor.of(make_user("clerk"))
    receipt = create_receipt(project_id=billable().pk, window=OCTOBER, actor=SYSTEM)

    def record(reference: str) -> str:
        transfer = Transfer(reference, timezone.localdate(), receipt.total, "THB")
        return record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=clerk)

    results = race(lambda: record("T-1"), lambda: record("T-2"))
    assert sorted(results) == ["applied", "mismatch"]
    settled()


@pytest.mark.parametrize("_attempt", range(3))
def test_a_changed_job_is_either_rerated_or_billed(committed_db: Database, _attempt: int) -> None:
    project = billable()
    cluster = Job.objects.earliest("pk").cluster
    run = prepare_import(
        cluster=cluster, origin="x", actor=SYSTEM,
        stream=io.BytesIO(sacct(*october_jobs(tres="cpu=8,mem=8192M,node=1"))),
    )  # fmt: skip

    def bill() -> str:
        return str(create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM).number)

    results = race(bill, lambda: workflows.finish_import(run_id=run.pk, actor=SYSTEM).run.status)
    assert results == ["RC-2026-000001", "complete"]
    each_live_charge_is_on_one_line_at_most()
    # Billed as they were, the jobs are credited and billed as they are now; else billed so at once.
    workflows.rate_pending(actor=SYSTEM)
    each_live_charge_is_on_one_line_at_most()
    assert not uncredited_reversals().exists()
    assert not unbilled_charges().exists()
    lines = Line.objects.filter(resource="cpu").values_list("receipt__kind", "amount")
    assert sorted(lines) in (
        [("receipt", Decimal(6 * JOBS))],
        [
            ("credit_note", Decimal(-3 * JOBS)),
            ("receipt", Decimal(3 * JOBS)),
            ("receipt", Decimal(6 * JOBS)),
        ],
    )


def test_a_list_of_the_past_counts_also_for_what_was_rated_meanwhile(
    committed_db: Database,
) -> None:
    import_rows(make_cluster(), *october_jobs())
    make_project("genomics")
    approver = make_user("approver")
    price_list = propose_price_list(
        actor=Actor.of(make_user("author")),
        head=Head(tier=Tier.objects.get(code="mu"), effective_at=OCTOBER.start, currency="THB"),
        content=flat({"cpu": Decimal(2), "mem": Decimal(0)}),
    )
    results = race(
        lambda: workflows.rate_pending(actor=SYSTEM).charges,
        lambda: approve(price_list, approver).status,
    )
    assert results[1] == "published"
    workflows.rate_pending(actor=SYSTEM)
    prices = set(live_charges().filter(resource="cpu").values_list("unit_price", flat=True))
    assert prices == {Decimal(2)}


def test_a_document_asked_for_by_many_at_once_is_one_file(committed_db: Database) -> None:
    receipt = create_receipt(project_id=billable().pk, window=OCTOBER, actor=SYSTEM)

    def ask(_worker: int) -> str:
        try:
            return pdf_file(receipt=receipt).sha256
        finally:
            connections.close_all()

    # Threads, not processes: what renders PDFs has threads of its own, which no fork takes along.
    with ThreadPoolExecutor(4) as workers:
        digests = list(workers.map(ask, range(4)))
    assert len(set(digests)) == 1
    (stored,) = DocumentFile.objects.all()
    assert digests[0] == stored.sha256
