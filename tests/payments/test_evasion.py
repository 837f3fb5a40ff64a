"""Ways to make money count twice, or lie idle, that were tried."""

from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from core.actor import Actor
from core.errors import Conflict
from payments.providers.base import ProviderEvent
from payments.selectors import balance_of, mismatches
from payments.services import (
    Transfer,
    Withheld,
    apply_event,
    keep_as_balance,
    record_transfer,
    start_checkout,
)
from payments.services.settlement import standing
from receipts.models import Receipt
from receipts.services import Part, ask_credit
from receipts.services.part_credits import left_of
from tests.factories import SYSTEM
from tests.payments.test_settlement import (
    TODAY,
    actor,
    billed,
    clerk,
    pay,
    receipt,
    receipts,
    status,
)

__all__ = ["actor", "billed", "clerk", "receipt", "receipts"]
pytestmark = pytest.mark.django_db


def test_a_reference_with_blanks_around_it_is_the_same_one(receipt: Receipt, actor: Actor) -> None:
    assert pay(receipt, Decimal(10), "REF", actor) == "applied"
    with pytest.raises(Conflict) as refused:
        pay(receipt, Decimal(10), " REF ", actor)
    assert refused.value.code == "reference_used"


def test_parts_of_the_smallest_unit_are_not_kept(receipt: Receipt, actor: Actor) -> None:
    payment = start_checkout(receipt_id=receipt.pk, provider_code="dummy", actor=SYSTEM)
    event = ProviderEvent(
        event_id="1",
        kind="payment.succeeded",
        external_payment_id=payment.external_id,
        amount=Decimal("1.0051"),
        currency="THB",
        occurred_at=timezone.now(),
    )
    handled = apply_event(provider_code="dummy", event=event, body=b"{}", actor=SYSTEM)
    assert handled == "mismatch"
    with pytest.raises(Conflict) as refused:
        keep_as_balance(event_id=mismatches().get().pk, actor=actor)
    assert refused.value.code == "too_many_decimals"
    assert standing(receipt).left == receipt.total


def test_balance_pays_what_taking_back_withheld_tax_leaves_open(
    receipt: Receipt, actor: Actor, settings: Settings
) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(10_000)}
    withheld = Withheld(Decimal(30), Decimal(3), "W1", TODAY())
    transfer = Transfer("1", TODAY(), receipt.total - 30, "THB")
    record_transfer(receipt_id=receipt.pk, transfer=transfer, actor=actor, withheld=withheld)
    parts = [Part(item.line.pk, item.amount) for item in left_of(receipt)]
    parts[0] = Part(parts[0].line_id, parts[0].amount - 10)
    assert ask_credit(receipt_id=receipt.pk, parts=parts, reason="slow disks", actor=actor)
    assert status(receipt) == "paid"
    assert standing(receipt).left == 0
    assert balance_of(receipt.project, "THB") == receipt.total - 30 - Decimal("10.70")
