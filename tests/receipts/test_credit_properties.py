"""Whatever is given back, in whatever order, all notes together stay within the receipt."""

from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.actor import Actor
from core.errors import DomainError
from core.money import round_money
from pricing.models import Charge
from pricing.replacing import reverse_and_replace
from pricing.selectors import live_charges
from receipts.models import BillingProfile, Receipt, TaxProfile, TaxRate
from receipts.selectors import charges_in_force, unbilled_charges, uncredited_reversals
from receipts.services import (
    Part,
    ask_credit,
    credit_reversals,
    draft_receipt,
    issue_receipt,
    void_receipt,
)
from receipts.services.part_credits import left_of
from tests.examples import few
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user

NUMBERS = count(1)
PARTS = st.tuples(st.just("part"), st.integers(0, 1), st.integers(1, 100))
REVERSALS = st.tuples(st.just("reverse"), st.integers(1, 3), st.just(0))
NOTES = st.tuples(st.just("credit"), st.just(0), st.just(0))
STEPS = st.lists(st.one_of(PARTS, REVERSALS, NOTES), min_size=1, max_size=8)


@pytest.fixture
def clerk(db: None) -> Actor:
    return Actor.of(make_user("clerk"))


def build(seconds: list[int], *, inclusive: bool) -> Receipt:
    number = next(NUMBERS)
    project = make_project(f"genomics{number}")
    profile = TaxProfile.objects.create(code=f"T{number}", name="Tax", inclusive=inclusive)
    TaxRate.objects.create(profile=profile, percent=Decimal(7), starts_on="2020-01-01")
    BillingProfile.objects.create(project=project, tax_profile=profile)
    import_rows(
        make_cluster(f"c{number}"),
        *(
            Row(n, account=project.code, end=OCTOBER.start + timedelta(days=n), seconds=length)
            for n, length in enumerate(seconds, start=1)
        ),
    )
    draft = draft_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    return issue_receipt(receipt_id=draft.pk, actor=SYSTEM)


def act(receipt: Receipt, step: tuple[str, int, int], clerk: Actor) -> None:
    kind, which, much = step
    if kind == "part":
        left = left_of(receipt)[which]
        amount = round_money(left.amount * much / 100, "THB")
        parts = [Part(left.line.pk, amount)]
        ask_credit(receipt_id=receipt.pk, parts=parts, reason="slow", actor=clerk)
    elif kind == "reverse":
        charges = charges_in_force(receipt).filter(job__job_id=which)
        reverse_and_replace(charges=list(charges), actor=SYSTEM)
    else:
        credit_reversals(receipt_id=receipt.pk, actor=SYSTEM, reason="corrected")


def check(receipt: Receipt) -> None:
    notes = list(Receipt.objects.filter(corrects=receipt))
    assert receipt.total + sum(note.total for note in notes) >= 0
    assert all(note.total <= 0 for note in notes)
    for line in receipt.lines.all():
        given_back = sum(note.amount for note in line.credited_by.all())
        assert 0 <= -given_back <= line.amount
    usage = Charge.objects.filter(project=receipt.project, job__isnull=False)
    resources = live_charges(usage).values_list("job", "resource")
    assert len(set(resources)) == len(resources) == 2 * receipt.lines.all()[0].jobs
    connection.check_constraints()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=few(4))
@given(
    seconds=st.lists(st.integers(1, 50_000), min_size=3, max_size=3),
    steps=STEPS,
    inclusive=st.booleans(),
)
def test_notes_stay_within_and_void_comes_to_the_receipt(
    clerk: Actor, seconds: list[int], steps: list[tuple[str, int, int]], inclusive: bool
) -> None:
    with transaction.atomic():
        receipt = build(seconds, inclusive=inclusive)
        for step in steps:
            try:
                with transaction.atomic():
                    act(receipt, step, clerk)
            except DomainError:
                pass  # nothing is left of the line
            check(receipt)
        void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="all")
        check(receipt)
        notes = Receipt.objects.filter(corrects=receipt)
        assert sum(note.total for note in notes) == -receipt.total
        assert sum(note.tax_amount for note in notes) == -receipt.tax_amount
        assert not uncredited_reversals().exists()
        waiting = unbilled_charges().filter(project=receipt.project)
        assert waiting.count() == 6, "all usage is billable again"
