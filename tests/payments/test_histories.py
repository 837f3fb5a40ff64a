"""Whatever is paid, withheld, credited, void, refunded and given up in whatever order: the money is
always in exactly one place, and statuses agree."""

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.models import Q, Sum
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Project
from audit.selectors import verify_chain
from core.actor import Actor
from core.errors import DomainError
from core.intervals import Interval
from payments.models import (
    Allocation,
    InboundEvent,
    OfficialReceipt,
    Payment,
    Refund,
    Withholding,
)
from payments.selectors import balance_of, unallocated_of
from payments.services import (
    Transfer,
    Withheld,
    approve_refund,
    approve_write_off,
    keep_as_balance,
    record_transfer,
    record_withholding,
    reject_refund,
    request_refund,
    request_write_off,
    take_back_withholding,
    use_balance_for,
)
from payments.services.settlement import standing
from pricing.replacing import reverse_and_replace
from receipts.models import Receipt, WriteOff
from receipts.selectors import charges_in_force
from receipts.services import create_receipt, credit_reversals, void_receipt
from receipts.services.steps import locked
from tests.databases import Database
from tests.examples import few
from tests.factories import OCTOBER, Row, import_rows, make_cluster, make_project, make_user
from tests.racing import race

DAY = timedelta(days=1)
ISSUED = ("issued", "part_paid", "paid", "void", "written_off")
Step = tuple[str, int, int]


def site() -> tuple[Actor, Actor]:
    """Two receipts of a project, over two jobs each, and two clerks."""
    project, cluster = make_project("genomics"), make_cluster()
    rows = (
        Row(number, end=OCTOBER.start + timedelta(hours=12 * number), seconds=36_000)
        for number in range(1, 5)
    )
    import_rows(cluster, *rows)
    one, other = (Actor.of(make_user(name)) for name in ("one", "other"))
    for day in range(2):
        window = Interval(OCTOBER.start + DAY * day, OCTOBER.start + DAY * (day + 1))
        create_receipt(project_id=project.pk, window=window, actor=one)
    return one, other


def act(step: Step, one: Actor, other: Actor, reference: str) -> str:
    """Try a step: which, on the how manieth document, with how much."""
    what, which, much = step
    amount = Decimal(much)
    receipts = list(Receipt.objects.filter(kind="receipt").order_by("pk"))
    receipt = receipts[which % len(receipts)]
    payments = list(Payment.objects.filter(status="succeeded").order_by("pk"))
    today = timezone.localdate()
    steps: dict[str, Callable[[], object]] = {
        "pay": lambda: record_transfer(
            receipt_id=receipt.pk, transfer=Transfer(reference, today, amount, "THB"), actor=one
        ),
        "withhold": lambda: record_withholding(
            receipt_id=receipt.pk,
            withheld=Withheld(amount, Decimal(3), reference, today),
            actor=one,
        ),
        "take back": lambda: take_back_withholding(
            withholding_id=_last(Withholding.objects.filter(reverses=None)),
            actor=one,
            reason="wrong",
        ),
        "keep": lambda: keep_as_balance(
            event_id=_last(InboundEvent.objects.filter(outcome="mismatch", resolved_at=None)),
            actor=one,
        ),
        "credit": lambda: _credit(receipt, one),
        "void": lambda: void_receipt(receipt_id=receipt.pk, actor=one, reason="wrong"),
        "use": lambda: use_balance_for(receipt_id=receipt.pk, actor=one),
        "bill": lambda: create_receipt(project_id=receipt.project_id, window=OCTOBER, actor=one),
        "ask refund": lambda: (
            payments
            and request_refund(
                payment_id=payments[which % len(payments)].pk, amount=amount, reason="x", actor=one
            )
        ),
        "approve": lambda: approve_refund(refund_id=_last(Refund.objects.all()), actor=other),
        "reject": lambda: reject_refund(
            refund_id=_last(Refund.objects.all()), actor=other, reason="no"
        ),
        "ask write-off": lambda: request_write_off(receipt_id=receipt.pk, reason="lost", actor=one),
        "write off": lambda: approve_write_off(
            write_off_id=_last(WriteOff.objects.all()), actor=other
        ),
    }
    try:
        with transaction.atomic():
            steps[what]()
    except DomainError as refusal:
        return refusal.code
    return "done"


def _last(rows: object) -> int:
    found = rows.order_by("-pk").first()  # type: ignore[attr-defined] # any of our querysets
    if found is None:
        raise DomainError("nothing", "There is none.")
    return int(found.pk)


@transaction.atomic
def _credit(receipt: Receipt, actor: Actor) -> object:
    """Take back one charge of a receipt, and give a credit note for it."""
    charge = charges_in_force(locked(receipt.pk)).first()
    if charge is None:
        raise DomainError("nothing", "There is none.")
    reverse_and_replace(charges=[charge], actor=actor)
    return credit_reversals(receipt_id=receipt.pk, actor=actor, reason="wrong")


def each_baht_is_in_one_place() -> None:
    """What arrived is allocated, refunded or balance; settled is what statuses say."""
    for receipt in Receipt.objects.filter(kind="receipt", status__in=ISSUED):
        now = standing(receipt)
        assert now.payable >= 0
        expected = {"void": now.settled == 0, "written_off": now.left == 0}
        assert expected.get(receipt.status, receipt.status == now.status)
        assert now.left >= 0
        given = OfficialReceipt.objects.filter(receipt=receipt, cancellation=None)
        sums = given.aggregate(amount=Sum("amount"), tax=Sum("tax_amount"))
        assert (sums["amount"] or 0) == now.settled
        if sums["amount"] == receipt.total:
            assert sums["tax"] == receipt.tax_amount
    left = Decimal(0)
    for payment in Payment.objects.filter(status="succeeded"):
        unallocated = unallocated_of(payment)
        assert unallocated >= 0
        left += unallocated
    came = _sum(Payment.objects.filter(status="succeeded"))
    back = _sum(Refund.objects.filter(~Q(status="rejected")))
    assert came == _sum(Allocation.objects.all()) + back + left
    assert balance_of(Project.objects.get(), "THB") == left


def _sum(rows: object) -> Decimal:
    return rows.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)  # type: ignore[attr-defined] # as above


NAMES = (
    "pay", "pay", "pay", "withhold", "take back", "keep", "credit", "void", "use", "bill",
    "ask refund", "approve", "reject", "ask write-off", "write off",
)  # fmt: skip
STEPS = st.tuples(st.sampled_from(NAMES), st.integers(0, 5), st.integers(1, 80))


@pytest.mark.django_db
@settings(max_examples=few(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=4, max_size=14))
def test_any_history_keeps_each_baht_in_one_place(db: None, history: list[Step]) -> None:
    with transaction.atomic():
        one, other = site()
        for number, step in enumerate(history):
            act(step, one, other, f"T-{number}")
            connection.check_constraints()
            each_baht_is_in_one_place()
        transaction.set_rollback(True)


def _worker(seed: int, one: Actor, other: Actor) -> str:
    chance = random.Random(seed)
    for number in range(6):
        step = (chance.choice(NAMES), chance.randrange(3), chance.randrange(1, 60))
        act(step, one, other, f"W{seed}-{number}")
    return "done"


def test_eight_workers_at_the_same_documents_keep_each_baht_in_one_place(
    committed_db: Database,
) -> None:
    one, other = site()
    assert race(*(partial(_worker, seed, one, other) for seed in range(8))) == ["done"] * 8
    each_baht_is_in_one_place()
    assert Payment.objects.filter(status="succeeded").exists()
    assert verify_chain().broken is None
