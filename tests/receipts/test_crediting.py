"""Credit notes: parts and wholes of receipts given back, and never more than there was."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from pytest_django import Settings

from core.actor import Actor
from core.errors import Conflict, Invalid
from pricing.models import Charge
from pricing.replacing import reverse_and_replace
from pricing.selectors import live_charges
from receipts.models import Receipt
from receipts.selectors import charges_in_force, unbilled_charges, uncredited_reversals
from receipts.services import (
    Part,
    approve_credit,
    ask_credit,
    create_receipt,
    credit_reversals,
    hash_of,
    refuse_credit,
    void_receipt,
    withdraw_credit,
)
from tests import scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project, make_user

D = Decimal


@override_settings(SITE_TAX_RATE=D(7))
def build() -> Receipt:
    """A receipt of a project with three jobs in October."""
    project = make_project("genomics")
    import_rows(
        make_cluster(),
        *(Row(n, end=OCTOBER.start + timedelta(days=n), seconds=n * 1000 + 1) for n in (1, 2, 3)),
    )
    return create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)


billed = scenes.standing(build)


@pytest.fixture
def receipt(billed: Receipt, settings: Settings) -> Receipt:
    settings.SITE_TAX_RATE = D(7)
    return billed


@pytest.fixture
def clerk(db: None) -> Actor:
    return Actor.of(make_user("clerk"))


@pytest.fixture
def second(db: None) -> Actor:
    return Actor.of(make_user("second"))


def part(receipt: Receipt, resource: str, amount: str) -> Part:
    return Part(receipt.lines.get(resource=resource).pk, D(amount))


def test_a_part_is_given_back_on_its_line(receipt: Receipt, clerk: Actor) -> None:
    note = ask_credit(
        receipt_id=receipt.pk,
        parts=[part(receipt, "cpu", "1.50")],
        reason="slow disks",
        actor=clerk,
    )
    assert note is not None
    line = note.lines.get()
    assert (note.kind, note.corrects, str(note)[:3]) == ("credit_note", receipt, "CN-")
    assert (note.net_amount, note.tax_amount, note.total) == (D("-1.5"), D("-0.11"), D("-1.61"))
    assert (line.amount, line.text, line.corrects) == (
        D("-1.5"),
        "slow disks",
        receipt.lines.get(resource="cpu"),
    )
    assert note.sha256 == hash_of(Receipt.objects.get(pk=note.pk))
    assert not unbilled_charges().exists(), "the note has its charge"
    connection.check_constraints()


def test_above_the_limit_a_second_person_gives_it(
    receipt: Receipt, clerk: Actor, second: Actor, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": D(1)}
    parts = [part(receipt, "cpu", "1"), part(receipt, "mem", "0.01")]
    asked: dict[str, Any] = {
        "receipt_id": receipt.pk,
        "parts": parts,
        "reason": "slow disks",
        "actor": clerk,
    }
    assert ask_credit(**asked) is None
    assert not Receipt.objects.filter(kind="credit_note").exists()
    with pytest.raises(Conflict, match="waits for approval already"):
        ask_credit(**asked)
    with pytest.raises(Conflict) as own:
        approve_credit(receipt_id=receipt.pk, actor=clerk)
    assert own.value.code == "second_person"
    note = approve_credit(receipt_id=receipt.pk, actor=second)
    assert [line.amount for line in note.lines.all()] == [D(-1), D("-0.01")]
    with pytest.raises(Conflict):
        approve_credit(receipt_id=receipt.pk, actor=second)
    connection.check_constraints()


def test_what_waits_can_be_refused_or_withdrawn(
    receipt: Receipt, clerk: Actor, second: Actor, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": D(0)}
    asked: dict[str, Any] = {
        "receipt_id": receipt.pk,
        "parts": [part(receipt, "cpu", "1")],
        "actor": clerk,
    }
    ask_credit(**asked, reason="one")
    refuse_credit(receipt_id=receipt.pk, reason="no", actor=second)
    ask_credit(**asked, reason="two")
    withdraw_credit(receipt_id=receipt.pk, actor=clerk)
    with pytest.raises(Conflict):
        withdraw_credit(receipt_id=receipt.pk, actor=clerk)
    assert not Charge.objects.filter(kind="manual").exists()


@pytest.mark.parametrize("amount", ["0", "-1", "99", "0.001", "NaN"])
def test_amounts_that_a_line_does_not_have_are_refused(
    receipt: Receipt, clerk: Actor, amount: str
) -> None:
    with pytest.raises(Invalid):
        ask_credit(
            receipt_id=receipt.pk, parts=[part(receipt, "cpu", amount)], reason="x", actor=clerk
        )


def test_all_of_each_line_comes_to_the_receipt_and_void_comes_after(
    receipt: Receipt, clerk: Actor
) -> None:
    for line in receipt.lines.all():
        half = (line.amount / 2).quantize(D("0.01"))
        for amount in (half, line.amount - half):
            parts = [Part(line.pk, amount)]
            ask_credit(receipt_id=receipt.pk, parts=parts, reason="all", actor=clerk)
    notes = Receipt.objects.filter(corrects=receipt)
    assert sum(note.total for note in notes) == -receipt.total
    assert sum(note.tax_amount for note in notes) == -receipt.tax_amount
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong project")
    assert sum(note.total for note in notes.all()) == -receipt.total
    assert not live_charges().filter(kind="manual").exists()
    again = create_receipt(project_id=receipt.project_id, window=OCTOBER, actor=SYSTEM)
    assert again.total == receipt.total
    connection.check_constraints()


def test_reversals_beyond_what_a_line_has_left_take_back_what_was_given_by_hand(
    receipt: Receipt, clerk: Actor
) -> None:
    ask_credit(receipt_id=receipt.pk, parts=[part(receipt, "cpu", "3")], reason="x", actor=clerk)
    reverse_and_replace(charges=list(charges_in_force(receipt)), actor=SYSTEM)
    note = credit_reversals(receipt_id=receipt.pk, actor=SYSTEM, reason="corrected")
    assert note is not None
    assert note.total < 0
    notes = Receipt.objects.filter(corrects=receipt)
    assert sum(each.total for each in notes) == -receipt.total
    assert not uncredited_reversals().exists()
    assert not live_charges().filter(kind="manual").exists()
    assert credit_reversals(receipt_id=receipt.pk, actor=SYSTEM, reason="again") is None
    connection.check_constraints()


def test_a_note_and_what_is_void_are_not_credited(receipt: Receipt, clerk: Actor) -> None:
    note = ask_credit(
        receipt_id=receipt.pk, parts=[part(receipt, "cpu", "1")], reason="x", actor=clerk
    )
    assert note is not None
    with pytest.raises(Conflict, match="Credit notes are not corrected"):
        void_receipt(receipt_id=note.pk, actor=SYSTEM, reason="x")
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="x")
    with pytest.raises(Conflict):
        ask_credit(
            receipt_id=receipt.pk, parts=[part(receipt, "cpu", "1")], reason="x", actor=clerk
        )
