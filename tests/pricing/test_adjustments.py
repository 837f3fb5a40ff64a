"""What people charge or give back: above a limit with a second person, once, and never edited."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Membership, Project
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.money import round_money
from pricing.closing import true_up
from pricing.explain import explain_charge
from pricing.models import Adjustment, AdjustmentKind, Charge
from pricing.selectors import charge_of_adjustment, live_charges, texts_of
from pricing.services.adjustments import (
    Wanted,
    approve_adjustment,
    draft_adjustment,
    reject_adjustment,
    take_back_adjustment,
    withdraw_adjustment,
)
from pricing.taking_back import take_back
from receipts.selectors import uncredited_reversals
from receipts.services import create_receipt, credit_reversals
from receipts.services.adjustments import submit_adjustment
from tests import console
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    join,
    make_cluster,
    make_project,
    make_user,
)
from tests.pricing.lists import flat, publish

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 10, 15, tzinfo=UTC)
K = AdjustmentKind


@pytest.fixture
def genomics() -> Project:
    return make_project("genomics")


@pytest.fixture
def clerk() -> Actor:
    return Actor.of(make_user("clerk"))


@pytest.fixture
def second() -> Actor:
    return Actor.of(make_user("second"))


def wanted(project: Project, kind: K = K.CREDIT, **values: Any) -> Wanted:
    said = {"at": DAY, "text": "Failed licence server", "reason": "ticket 12", **values}
    if "percent" not in said:
        said.setdefault("amount", Decimal(500))
    return Wanted(project=project, kind=kind, **said)


def draft(project: Project, actor: Actor, kind: K = K.CREDIT, **values: Any) -> Adjustment:
    return draft_adjustment(wanted=wanted(project, kind, **values), actor=actor)


def submitted(project: Project, actor: Actor, kind: K = K.CREDIT, **values: Any) -> Adjustment:
    return submit_adjustment(adjustment_id=draft(project, actor, kind, **values).pk, actor=actor)


def test_up_to_the_limit_nobody_else_is_asked(genomics: Project, clerk: Actor) -> None:
    made = draft(genomics, clerk, amount=Decimal(1000))
    assert (made.status, made.amount) == ("draft", Decimal(-1000))
    assert not Charge.objects.exists()
    made = submit_adjustment(adjustment_id=made.pk, actor=clerk)
    assert (made.status, made.decided_by) == ("approved", None)
    charge = Charge.objects.get()
    assert (charge.kind, charge.amount, charge.quantity) == ("manual", Decimal(-1000), 0)
    assert (charge.job, charge.rate, charge.price_list, charge.job_end) == (None, None, None, DAY)
    assert charge.resource == f"manual:{made.pk}"
    assert charge.list_name == ""
    assert texts_of([charge.resource, "cpu"]) == {charge.resource: "Failed licence server"}
    names = ["drafted", "submitted", "approved"]
    assert console.actions()[-3:] == [f"adjustment.{name}" for name in names]
    assert console.last_event("adjustment.approved")["amount"] == "-1000.000000"
    connection.check_constraints()


def test_above_the_limit_a_second_person_decides(
    genomics: Project, clerk: Actor, second: Actor
) -> None:
    made = submitted(genomics, clerk, K.FEE, amount=Decimal("1000.01"))
    assert (made.status, made.amount) == ("submitted", Decimal("1000.01"))
    assert not Charge.objects.exists()
    with pytest.raises(Conflict, match="Someone else"):
        approve_adjustment(adjustment_id=made.pk, actor=clerk)
    with pytest.raises(Conflict, match="not by programs"):
        approve_adjustment(adjustment_id=made.pk, actor=SYSTEM)
    made = approve_adjustment(adjustment_id=made.pk, actor=second)
    assert (made.status, made.decided_by_id) == ("approved", second.user_id)
    assert charge_of_adjustment(made) == Charge.objects.get()
    with pytest.raises(Conflict, match="in the meantime"):
        approve_adjustment(adjustment_id=made.pk, actor=second)
    assert Charge.objects.count() == 1


def test_what_is_rejected_or_withdrawn_charges_nothing(
    genomics: Project, clerk: Actor, second: Actor
) -> None:
    made = submitted(genomics, clerk, amount=Decimal(2000))
    with pytest.raises(Invalid):
        reject_adjustment(adjustment_id=made.pk, reason=" ", actor=second)
    with pytest.raises(Conflict, match="Someone else"):
        reject_adjustment(adjustment_id=made.pk, reason="too much", actor=clerk)
    made = reject_adjustment(adjustment_id=made.pk, reason="too much", actor=second)
    assert (made.status, made.answer) == ("rejected", "too much")
    for key in (draft(genomics, clerk).pk, submitted(genomics, clerk, amount=Decimal(9999)).pk):
        assert withdraw_adjustment(adjustment_id=key, actor=clerk).status == "withdrawn"
        with pytest.raises(Conflict):
            submit_adjustment(adjustment_id=key, actor=clerk)
    assert not Charge.objects.exists()


def test_a_discount_is_a_part_of_what_is_unbilled(genomics: Project, clerk: Actor) -> None:
    with pytest.raises(Invalid, match="nothing unbilled"):
        draft(genomics, clerk, K.DISCOUNT, percent=Decimal(10))
    cluster = make_cluster()
    import_rows(cluster, Row(1), Row(2, end=OCTOBER.end + timedelta(days=1)))
    amounts = live_charges().filter(job__job_id=2).values_list("amount", flat=True)
    unbilled = sum(amounts, Decimal(0))
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    submitted(genomics, clerk, K.FEE)
    made = draft(genomics, clerk, K.DISCOUNT, percent=Decimal("12.5"))
    assert made.amount == -round_money(unbilled / 8, "THB") != 0
    assert made.percent == Decimal("12.5")


def test_what_can_t_be_meant_is_refused(genomics: Project, clerk: Actor) -> None:
    for values in (
        {"amount": Decimal(0)}, {"amount": Decimal("NaN")}, {"amount": Decimal("1.001")},
        {"amount": Decimal(10) ** 12}, {"amount": None}, {"percent": Decimal(10)}, {"text": " "},
        {"reason": ""}, {"at": timezone.now() + timedelta(days=1)},
    ):  # fmt: skip
        with pytest.raises(Invalid):
            draft(genomics, clerk, **values)
    with pytest.raises(Invalid, match="at most 100"):
        draft(genomics, clerk, K.DISCOUNT, percent=Decimal(101))
    with pytest.raises(Invalid, match="page of their own"):
        draft(genomics, clerk, K.OUTAGE)
    with pytest.raises(Conflict, match="not by programs"):
        draft(genomics, SYSTEM)
    assert not Adjustment.objects.exists()


def test_it_is_on_a_receipt_as_a_line_of_its_own(genomics: Project, clerk: Actor) -> None:
    publish(flat("cpu", "1000"), flat("mem", "0"))
    import_rows(make_cluster(), Row(1))
    before = live_charges().get(resource="cpu").amount
    one, two = (submitted(genomics, clerk, kind) for kind in (K.CREDIT, K.FEE))
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    lines = dict(receipt.lines.values_list("resource", "amount"))
    assert lines == {"cpu": before, "mem": 0, one.resource: -500, two.resource: 500}
    with pytest.raises(Conflict, match="Void the document"):
        take_back_adjustment(adjustment_id=one.pk, reason="wrong", actor=clerk)
    back = take_back_adjustment(adjustment_id=two.pk, reason="not delivered", actor=clerk)
    assert uncredited_reversals().get() == back
    note = credit_reversals(receipt_id=receipt.pk, actor=clerk, reason="not delivered")
    assert note is not None
    assert note.net_amount == -500


def test_its_pages_say_what_it_is(genomics: Project, clerk: Actor, client: Client) -> None:
    alice = make_user("alice")
    join(genomics, alice, Membership.Role.PI)
    client.force_login(alice)
    made = submitted(genomics, clerk, K.FEE)
    charge = charge_of_adjustment(made)
    assert charge is not None
    step, job = explain_charge(charge.pk)
    assert (step.price_list, step.price_list_name, job) == (0, "Failed licence server", None)
    out = StringIO()
    call_command("explain", "charge", str(charge.pk), stdout=out)
    assert out.getvalue().startswith(f"Adjustment no. {made.pk}: charge #{charge.pk}")
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    page = client.get(reverse("receipts:line", args=[receipt.public_id, 1]))
    assert "Failed licence server" in page.text
    assert "agreed on by hand" in page.text


def test_one_is_taken_back_once_with_a_reason(genomics: Project, clerk: Actor) -> None:
    made = submitted(genomics, clerk)
    with pytest.raises(Invalid):
        take_back_adjustment(adjustment_id=made.pk, reason=" ", actor=clerk)
    back = take_back_adjustment(adjustment_id=made.pk, reason="wrong project", actor=clerk)
    assert (back.amount, back.kind) == (Decimal(500), "manual")
    assert charge_of_adjustment(made) is None
    assert console.last_event("adjustment.taken_back")["because"] == "wrong project"
    with pytest.raises(Conflict, match="taken back already"):
        take_back_adjustment(adjustment_id=made.pk, reason="again", actor=clerk)
    assert not live_charges().exists()


@pytest.mark.parametrize("billed", [True, False])
def test_a_large_fee_is_not_given_up_by_one_person(
    genomics: Project, clerk: Actor, settings: Settings, billed: bool
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(100)}
    small, large = (submitted(genomics, clerk, K.FEE, amount=Decimal(n)) for n in (100, 101))
    approve_adjustment(adjustment_id=large.pk, actor=Actor.of(make_user("third")))
    if billed:
        create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    for person in (clerk, Actor.of(make_user("fourth"))):
        with pytest.raises(Conflict, match="Add a credit of the same amount"):
            take_back_adjustment(adjustment_id=large.pk, reason="a favour", actor=person)
    charge = charge_of_adjustment(large)
    assert charge is not None
    with pytest.raises(IntegrityError, match="that two people decided"):
        reversed_by(charge, clerk)
    assert take_back_adjustment(adjustment_id=small.pk, reason="twice", actor=clerk).amount == -100


def test_caps_and_commitments_don_t_count_it(genomics: Project, clerk: Actor) -> None:
    publish(flat("cpu", "1"), flat("mem", "0"), commitment=Decimal(100))
    import_rows(make_cluster(), Row(1))
    submitted(genomics, clerk, K.FEE)
    found = true_up(project_id=genomics.pk, month=DAY.date().replace(day=1), actor=SYSTEM)
    assert found is not None
    assert found.charged + found.difference == 100
    connection.check_constraints()


@transaction.atomic
def reversed_by(charge: Charge, actor: Actor) -> None:
    take_back(charges=[charge], actor=actor)
    connection.check_constraints()


@transaction.atomic
def approved_without_a_charge() -> None:
    waiting = Adjustment.objects.filter(status="submitted")
    waiting.update(status="approved", decided_at=timezone.now())
    connection.check_constraints()


def raw(made: Adjustment, **changes: Any) -> Charge:
    blank: dict[str, Any] = {
        "project": made.project, "kind": "manual", "resource": made.resource, "quantity": 0,
        "unit_size": 1, "currency": "THB", "job_end": made.at, "amount": made.amount,
        "period_id": DAY.date().replace(day=1),
    }  # fmt: skip
    with transaction.atomic():
        return Charge.objects.create(**{**blank, **changes})


def test_the_database_wants_an_approved_adjustment_for_each_charge(
    genomics: Project, clerk: Actor, settings: Settings
) -> None:
    submitted(genomics, clerk)  # makes the period
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(0)}
    made = submitted(genomics, clerk)
    with pytest.raises(IntegrityError, match="what was approved"):
        raw(made)
    waiting = Adjustment.objects.filter(pk=made.pk)
    with pytest.raises(IntegrityError, match="has its charge"):
        approved_without_a_charge()
    with pytest.raises(IntegrityError, match="second_person"), transaction.atomic():
        waiting.update(status="approved", decided_at=timezone.now(), decided_by_id=clerk.user_id)
    waiting.update(status="approved", decided_at=timezone.now())
    for changes in (
        {"amount": Decimal(-501)}, {"currency": "USD"}, {"job_end": DAY + timedelta(days=1)},
        {"project": make_project("climate")}, {"resource": "manual:999999"}, {"resource": "cpu"},
        {"resource": f"manual:{made.pk}x"},
    ):  # fmt: skip
        with pytest.raises(IntegrityError, match="what was approved"):
            raw(made, **changes)
    raw(made)
    with pytest.raises(IntegrityError, match="what was approved"):
        raw(made)
    connection.check_constraints()
