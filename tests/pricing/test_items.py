"""Items are charged by the list in effect, seen before, once, and taken back by a second entry."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Project, Tier
from core.actor import Actor
from core.errors import Conflict, Invalid
from pricing.content import ListContent, RateContent
from pricing.engine import Model, Slab
from pricing.models import Charge, PriceList, Sku
from pricing.services import Head
from pricing.services.items import charge_item, quote_item, reverse_item
from receipts.selectors import uncredited_reversals
from receipts.services import create_receipt, draft_receipt, issue_receipt
from tests import console
from tests.factories import OCTOBER, make_project, make_user, publish_list

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 10, 15, 9, tzinfo=UTC)


@pytest.fixture
def poster() -> Sku:
    return Sku.objects.create(code="poster", name="Poster", name_th="โปสเตอร์", unit="piece")


@pytest.fixture
def genomics() -> Project:
    return make_project("genomics")


@pytest.fixture
def clerk() -> Actor:
    return Actor.of(make_user("clerk"))


def priced(*rates: RateContent, project: Project | None = None) -> PriceList:
    tier = None if project else Tier.objects.get(code="mu")
    head = Head(OCTOBER.start, "THB", tier=tier, project=project)
    return publish_list(head, ListContent((RateContent("cpu", Decimal(1)), *rates)))


def charge(project: Project, sku: Sku, quantity: str, actor: Actor, at: datetime = DAY) -> Charge:
    seen = quote_item(project=project, sku=sku, quantity=Decimal(quantity), at=at)
    return charge_item(
        project=project, sku=sku, quantity=Decimal(quantity), at=at, reason="for the fair",
        expected=seen.amount, actor=actor,
    )  # fmt: skip


def test_an_item_costs_what_the_list_in_effect_says(
    poster: Sku, genomics: Project, clerk: Actor
) -> None:
    listed = priced(RateContent("sku:poster", Decimal("250.50")))
    made = charge(genomics, poster, "1.5", clerk)
    assert (made.kind, made.job, made.resource) == ("item", None, "sku:poster")
    assert (made.quantity, made.unit_price) == (1_500_000, Decimal("250.50"))
    assert (made.amount, made.currency) == (Decimal("375.75"), "THB")
    assert made.prices_from == listed
    told = console.last_event("item.charged")
    assert (told["project"], told["reason"]) == ("genomics", "for the fair")
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=clerk)
    assert receipt.net_amount == Decimal("375.75")


def test_what_was_negotiated_comes_first_and_slabs_count(
    poster: Sku, genomics: Project, clerk: Actor
) -> None:
    priced(RateContent("sku:poster", Decimal(100)))
    slabs = (Slab(Decimal(2), Decimal(50)), Slab(None, Decimal(10)))
    priced(RateContent("sku:poster", model=Model.GRADUATED, slabs=slabs), project=genomics)
    first = charge(genomics, poster, "2", clerk)
    second = charge(genomics, poster, "2", clerk, at=DAY + timedelta(hours=1))
    assert (first.amount, second.amount) == (Decimal(100), Decimal(20))
    reverse_item(charge_id=first.pk, reason="not delivered", actor=clerk)
    left = Charge.objects.filter(project=genomics)
    assert sum(row.amount for row in left) == Decimal(100), "two units at the first slab"


def test_the_very_same_is_charged_once(poster: Sku, genomics: Project, clerk: Actor) -> None:
    priced(RateContent("sku:poster", Decimal(100)))
    made = charge(genomics, poster, "1", clerk)
    with pytest.raises(Conflict, match="charged already"):
        charge(genomics, poster, "1", clerk)
    back = reverse_item(charge_id=made.pk, reason="wrong project", actor=clerk)
    assert (back.amount, back.quantity, back.reverses_id) == (
        Decimal(-100),
        -1_000_000,
        made.pk,
    )
    assert console.last_event("item.reversed")["reason"] == "wrong project"
    with pytest.raises(Conflict, match="taken back already"):
        reverse_item(charge_id=made.pk, reason="again", actor=clerk)
    assert charge(genomics, poster, "1", clerk).pk > back.pk


def test_what_is_on_a_document_is_corrected_there(
    poster: Sku, genomics: Project, clerk: Actor
) -> None:
    priced(RateContent("sku:poster", Decimal(100)))
    made = charge(genomics, poster, "1", clerk)
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=clerk)
    with pytest.raises(Conflict, match="not issued yet"):
        reverse_item(charge_id=made.pk, reason="too late", actor=clerk)
    assert Charge.objects.count() == 1
    issue_receipt(receipt_id=draft.pk, actor=clerk)
    back = reverse_item(charge_id=made.pk, reason="broken", actor=clerk)
    assert uncredited_reversals().get() == back


def test_what_cannot_be_sold_is_told(poster: Sku, genomics: Project, clerk: Actor) -> None:
    with pytest.raises(Invalid, match="No list in effect"):
        charge(genomics, poster, "1", clerk)
    priced(RateContent("sku:poster", Decimal(100)))
    bad: tuple[tuple[str, Callable[[], object]], ...] = (
        ("more than zero", lambda: charge(genomics, poster, "0", clerk)),
        ("six decimals", lambda: charge(genomics, poster, "0.0000001", clerk)),
        ("six decimals", lambda: charge(genomics, poster, "NaN", clerk)),
        ("not before", lambda: charge(genomics, poster, "1", clerk, at=DAY.replace(year=2099))),
        ("No list", lambda: charge(genomics, poster, "1", clerk, at=DAY.replace(year=2025))),
    )
    for message, act in bad:
        with pytest.raises(Invalid, match=message):
            act()
    values: dict[str, Any] = {"project": genomics, "sku": poster, "quantity": Decimal(1), "at": DAY}
    with pytest.raises(Invalid, match="reason"):
        charge_item(**values, reason=" ", expected=Decimal(100), actor=clerk)
    with pytest.raises(Conflict, match="another amount"):
        charge_item(**values, reason="x", expected=Decimal(99), actor=clerk)
    poster.is_active = False
    poster.save()
    with pytest.raises(Invalid, match="not active"):
        charge(genomics, poster, "1", clerk)
    assert not Charge.objects.exists()


def test_a_clerk_sees_what_it_comes_to_and_then_charges_it(poster: Sku, genomics: Project) -> None:
    priced(RateContent("sku:poster", Decimal(100)))
    clerk, auditor = console.visitor("finance"), console.visitor("auditor")
    address = console.url(poster, "charge", poster.pk)
    assert auditor.get(address).status_code == 403
    sent = {
        "project": "genomics", "quantity": "2", "at_0": "2026-10-15", "at_1": "09:00",
        "reason": "two posters",
    }  # fmt: skip
    page = clerk.post(address, sent)
    assert page.context["quote"].amount == 200
    assert "200.00" in page.content.decode()
    assert not Charge.objects.exists(), "a look wrote"
    clerk.post(address, {**sent, "confirm": "", "seen": "1"})
    assert not Charge.objects.exists(), "what was not seen"
    seen = str(page.context["quote"].amount)
    page = clerk.post(address, {**sent, "confirm": "", "seen": seen}, follow=True)
    assert "is charged to genomics" in console.messages_of(page)[-1]
    assert Charge.objects.get().amount == 200
    page = clerk.post(address, {**sent, "confirm": "", "seen": seen})
    assert "charged already" in console.messages_of(page)[-1]


def test_a_clerk_takes_an_item_back_with_a_reason(
    poster: Sku, genomics: Project, clerk: Actor
) -> None:
    priced(RateContent("sku:poster", Decimal(100)))
    made = charge(genomics, poster, "1", clerk)
    finance, auditor = console.visitor("finance"), console.visitor("auditor")
    page, address = (console.url(made, name, made.pk) for name in ("change", "take_back"))
    assert address in finance.get(page).text
    assert address not in auditor.get(page).text
    assert auditor.post(address, {"reason": "x"}).status_code == 403
    assert "100.00" in finance.get(address).text
    finance.post(address, {"reason": ""})
    assert Charge.objects.count() == 1
    answer = finance.post(address, {"reason": "not delivered"}, follow=True)
    assert console.messages_of(answer) == ["The charge is taken back."]
    assert Charge.objects.get(reverses=made).amount == -100
    assert console.last_event("item.reversed")["reason"] == "not delivered"
    assert address not in finance.get(page).text
    answer = finance.post(address, {"reason": "again"}, follow=True)
    assert "taken back already" in console.messages_of(answer)[-1]


def test_the_database_has_the_very_same_item_once(
    poster: Sku, genomics: Project, clerk: Actor
) -> None:
    priced(RateContent("sku:poster", Decimal(100)))
    made = charge(genomics, poster, "1", clerk)
    key, made.pk, made._state.adding = made.pk, None, True
    with pytest.raises(IntegrityError, match="charged already"), transaction.atomic():
        made.save(force_insert=True)
    reverse_item(charge_id=key, reason="wrong day", actor=clerk)
    made.save(force_insert=True)


def test_an_item_has_no_price_of_a_list_that_does_not_count(
    poster: Sku, genomics: Project, clerk: Actor
) -> None:
    priced(RateContent("sku:poster", Decimal(100)))
    made = charge(genomics, poster, "1", clerk)
    head = Head(OCTOBER.start, "THB", tier=Tier.objects.get(code="gov"))
    other = publish_list(head, ListContent((RateContent("sku:poster", Decimal(1)),)))
    made.pk, made.rate, made._state.adding = None, other.rates.get(), True
    made.unit_price, made.amount, made.quantity = Decimal(1), Decimal(2), 2_000_000
    with pytest.raises(IntegrityError, match="counts for its project"), transaction.atomic():
        made.save(force_insert=True)
    assert Charge.objects.count() == 1
