"""Different steps that cross: an issue and a discard, two imports, a publication and rating.

Whoever wins, the books are checked as a whole afterwards.
"""

import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.utils import timezone

from accounts.models import Project, Tier
from audit.selectors import verify_chain
from core.actor import Actor
from core.intervals import Interval
from hpcbilling import workflows
from payments.models import Allocation, InboundEvent, Payment
from payments.providers.dummy import signed_headers
from payments.selectors import balance_of
from payments.services import (
    Transfer,
    receive_webhook,
    record_transfer,
    request_refund,
    start_checkout,
)
from payments.services.settlement import standing
from pricing import rating
from pricing.content import flat
from pricing.models import Charge, PriceList
from pricing.selectors import live_charges
from pricing.services import Head, propose_price_list
from receipts.models import Line, LineCharge, Receipt
from receipts.services import (
    create_receipt,
    discard_draft,
    draft_receipt,
    issue_receipt,
    void_receipt,
)
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
from tests.scenarios.conftest import as_file, demo_cluster, longer, paying_projects, recorded_rows
from usage.models import ImportRun, Job, JobRevision
from usage.selectors import IS_HELD
from usage.services import prepare_import, run_import

pytestmark = pytest.mark.usefixtures("books_hold_afterwards")
FIRST = OCTOBER.start
EIGHT = 8


@pytest.fixture
def books_hold_afterwards(committed_db: Database) -> Iterator[None]:
    """What must hold whoever won."""
    yield
    assert not LineCharge.objects.values("charge").annotate(n=Count("pk")).filter(n__gt=1).exists()
    for line in Line.objects.annotate(behind=Sum("charge_links__charge__amount")):
        assert line.charged == line.behind
    for receipt in Receipt.objects.annotate(lined=Sum("lines__amount")):
        assert receipt.net_amount == receipt.lined
    open_documents = LineCharge.objects.filter(
        line__receipt__status__in=("draft", "issued", "paid")
    )
    assert not open_documents.filter(charge__reversal__isnull=False).exists()
    live = Charge.objects.filter(reverses=None, reversal=None)
    assert not live.values("job", "resource").annotate(n=Count("pk")).filter(n__gt=1).exists()
    for kind in ("receipt", "credit_note"):
        issued = Receipt.objects.filter(kind=kind).exclude(number=None).order_by("sequence")
        numbers = list(issued.values_list("sequence", flat=True))
        assert numbers == list(range(1, len(numbers) + 1))
    for paid in Receipt.objects.filter(status="paid"):
        assert standing(paid).settled == standing(paid).payable
    assert verify_chain().broken is None


def jobs(count: int) -> list[Row]:
    """Jobs that ended one an hour from the beginning of October."""
    return [
        Row(job_id=number, end=FIRST + timedelta(hours=number)) for number in range(1, count + 1)
    ]


def late(seconds: float, act: Callable[[], object]) -> Callable[[], object]:
    """An act that gives the others a head start."""

    def wait_and_act() -> object:
        time.sleep(seconds)
        return act()

    return wait_and_act


@pytest.fixture
def genomics(committed_db: Database) -> Project:
    project = make_project("genomics")
    import_rows(make_cluster(), *jobs(200))
    return project


@pytest.fixture
def receipt(genomics: Project) -> Receipt:
    return create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)


def test_two_files_with_the_same_jobs_at_once_make_each_job_once(committed_db: Database) -> None:
    paying_projects()
    cluster, rows = demo_cluster(), recorded_rows(3000)
    later = [longer(row, 90) for row in rows[1000:]]

    def bring(part: list[dict[str, str]], name: str) -> int:
        return workflows.import_usage(
            cluster=cluster, stream=as_file(part), origin=name, actor=SYSTEM
        ).run.jobs_new

    results = race(partial(bring, rows[:2000], "first"), partial(bring, later, "second"))
    assert sum(map(int, results)) == Job.objects.count() == 3000
    # Each overlapping job has both versions where the older file came first; else the newer one
    # stands, and the older one's row is told as older.
    runs = ImportRun.objects.all()
    changed = sum(runs.values_list("jobs_changed", flat=True))
    assert changed == JobRevision.objects.count()
    assert changed + sum(runs.values_list("jobs_older", flat=True)) > 900
    assert workflows.rate_pending(actor=SYSTEM).waiting == 0
    assert not Job.objects.filter(IS_HELD).exists()


def test_racing_issues_leave_no_gap_in_the_numbers(committed_db: Database) -> None:
    cluster, drafts = make_cluster(), []
    for number in range(EIGHT):
        project = make_project(f"project{number}")
        import_rows(cluster, Row(job_id=number + 1, account=project.code))
        drafts.append(draft_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM).pk)

    def issue(pk: int) -> str:
        return str(issue_receipt(receipt_id=pk, actor=SYSTEM).number)

    def discard(pk: int) -> str:
        discard_draft(receipt_id=pk, actor=SYSTEM)
        return "discarded"

    contested = drafts[:2]
    results = race(
        *(partial(issue, pk) for pk in [*drafts, *contested]),
        *(partial(discard, pk) for pk in contested),
    )
    numbers = [each for each in results if each.startswith("RC-")]
    assert len(numbers) == len(set(numbers)) == Receipt.objects.count()
    assert EIGHT - 2 <= len(numbers) <= EIGHT
    assert set(results) - set(numbers) <= {"discarded", "gone", "stale_status"}


def succeeded(payment: Payment, event_id: str = "evt_1") -> bytes:
    return json.dumps({
        "id": event_id, "type": "payment.succeeded", "payment": payment.external_id,
        "amount": str(payment.amount), "currency": payment.currency,
        "created": int(timezone.now().timestamp()),
    }).encode()  # fmt: skip


def deliver(body: bytes) -> str:
    headers = {key.lower(): value for key, value in signed_headers(body).items()}
    return receive_webhook(provider_code="dummy", headers=headers, body=body)


def checkout(receipt_id: int) -> Payment:
    return start_checkout(receipt_id=receipt_id, provider_code="dummy", actor=SYSTEM)


def test_eight_events_for_one_payment_settle_once(receipt: Receipt) -> None:
    payment = checkout(receipt.pk)
    bodies = [succeeded(payment, f"evt_{number}") for number in range(EIGHT)]
    results = race(*(partial(deliver, body) for body in bodies))
    assert Counter(results) == {"applied": 1, "mismatch": EIGHT - 1}
    reasons = set(InboundEvent.objects.filter(outcome="mismatch").values_list("reason", flat=True))
    assert reasons == {"already_settled"}
    assert Allocation.objects.count() == 1


def test_eight_clicks_on_pay_open_one_checkout(receipt: Receipt) -> None:
    keys = race(*times(EIGHT, lambda: checkout(receipt.pk).pk))
    assert len(set(keys)) == Payment.objects.count() == 1


def test_a_transfer_recorded_twice_at_once_counts_once(receipt: Receipt) -> None:
    clerk = Actor.of(make_user("clerk"))
    transfer = Transfer("KTB-1", timezone.localdate(), receipt.total, receipt.currency)

    def note() -> str:
        return record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=clerk)

    results = race(*times(4, note))
    assert Counter(results) == {"applied": 1, "reference_used": 3}
    assert Allocation.objects.count() == 1


def test_void_and_payment_at_once_leave_the_money_with_the_project(genomics: Project) -> None:
    day, clerk = timedelta(days=1), Actor.of(make_user("clerk"))
    for number in range(6):
        window = Interval(FIRST + number * day, FIRST + (number + 1) * day)
        receipt = create_receipt(project_id=genomics.pk, window=window, actor=SYSTEM)
        body = succeeded(checkout(receipt.pk), f"evt_{number}")

        def void(pk: int = receipt.pk) -> str:
            return void_receipt(receipt_id=pk, actor=SYSTEM, reason="race").status

        # By turns one of them gets a head start, so that both sides win now and then.
        delay = (0.0, 0.05, 0.0)[number % 3], (0.0, 0.0, 0.05)[number % 3]
        voided, paid = race(late(delay[0], void), late(delay[1], partial(deliver, body)))
        receipt.refresh_from_db()
        assert (receipt.status, voided) == ("void", "void")
        amounts = list(receipt.allocations.order_by("pk").values_list("amount", flat=True))
        if paid == "applied":
            assert amounts == [receipt.total, -receipt.total]
            assert balance_of(genomics, "THB") == receipt.total
            # Set aside, or the next round's receipt would be paid by it.
            payment = Payment.objects.get(status="succeeded", receipt=receipt)
            request_refund(payment_id=payment.pk, amount=receipt.total, reason="race", actor=clerk)
        else:
            assert (paid, amounts) == ("mismatch", [])
            assert InboundEvent.objects.latest("pk").reason == "not_payable"
        assert not balance_of(genomics, "THB")


@pytest.mark.parametrize("publish_waits", [0, 0.1, 1.0])
def test_a_price_list_published_while_jobs_are_rated_holds_for_all(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch, publish_waits: float
) -> None:
    monkeypatch.setattr(rating, "BATCH_JOBS", 20)
    make_project("genomics")
    run = prepare_import(
        cluster=make_cluster(), stream=io.BytesIO(sacct(*jobs(400))), origin="race", actor=SYSTEM
    )
    run_import(run_id=run.pk, actor=SYSTEM)
    author, approver = make_user("author"), make_user("approver")
    new = propose_price_list(
        actor=Actor.of(author),
        head=Head(
            tier=Tier.objects.get(code="mu"),
            effective_at=FIRST + timedelta(hours=200),
            currency="THB",
        ),
        content=flat({"cpu": Decimal(9), "gpu": Decimal(9), "mem": Decimal(9)}),
    )

    def publish() -> str:
        return approve(new, approver).status

    def rate() -> int:
        return workflows.rate_pending(actor=SYSTEM).rated

    published, rated, also_rated = race(late(publish_waits, publish), rate, rate)
    again = workflows.rate_pending(actor=SYSTEM).rated
    assert 400 <= int(rated) + int(also_rated) + again <= 601
    assert published == "published"
    in_effect = PriceList.objects.filter(
        tier=OuterRef("rate__price_list__tier"),
        status="published",
        effective_at__lte=OuterRef("job_end"),
    ).order_by("-effective_at", "-revision")
    charges = live_charges().annotate(right=Subquery(in_effect.values("pk")[:1]))
    assert not charges.exclude(rate__price_list=F("right")).exists()
    by_new = charges.filter(rate__price_list=new).values("job").distinct().count()
    assert by_new == 201
    assert workflows.rate_pending(actor=SYSTEM).charges == 0
