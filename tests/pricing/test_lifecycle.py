"""A price list counts once a second person has approved it; submitted, it stands still."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from accounts.models import Tier, User
from core.actor import Actor
from core.errors import Conflict, DomainError, Invalid
from pricing import services
from pricing.content import flat
from pricing.lists import waiting_for_approval
from pricing.models import PriceList, Rate
from tests import console
from tests.factories import LONG_AGO, SYSTEM, make_user

pytestmark = pytest.mark.django_db
NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def alice() -> Actor:
    """Who writes."""
    return Actor.of(make_user("alice"))


@pytest.fixture
def bob() -> Actor:
    """Who approves."""
    return Actor.of(make_user("bob"))


def propose(actor: Actor, **rates: str) -> PriceList:
    return services.propose_price_list(
        actor=actor,
        head=services.Head(
            tier=Tier.objects.get(code="mu"), effective_at=NEXT_YEAR, currency="THB"
        ),
        content=flat({code: Decimal(price) for code, price in (rates or {"cpu": "1"}).items()}),
    )


def approve(price_list: PriceList, actor: Actor) -> PriceList:
    return services.approve_price_list(
        price_list_id=price_list.pk, seen=price_list.submitted_at, actor=actor
    )


def test_the_approval_of_a_second_person_publishes(alice: Actor, bob: Actor) -> None:
    waiting = propose(alice)
    assert (waiting.status, waiting.submitted_by_id) == ("submitted", alice.user_id)
    assert list(waiting_for_approval()) == [waiting]
    published = approve(waiting, bob)
    assert (published.status, published.approved_by_id) == ("published", bob.user_id)
    assert published.published_at is not None
    assert not waiting_for_approval().exists()
    steps = ["price_list.drafted", "price_list.submitted", "price_list.published"]
    assert console.actions()[-3:] == steps
    assert console.last_event("price_list.published")["submitted_by"] == "alice"


def test_whoever_wrote_changed_or_submitted_it_cannot_approve_it(alice: Actor, bob: Actor) -> None:
    draft = services.draft_price_list(
        actor=alice,
        head=services.Head(
            tier=Tier.objects.get(code="mu"), effective_at=NEXT_YEAR, currency="THB"
        ),
        content=flat({"cpu": Decimal(1)}),
    )
    carol = Actor.of(make_user("carol"))
    services.edit_price_list(
        price_list_id=draft.pk,
        actor=bob,
        head=services.Head(tier=draft.tier, effective_at=NEXT_YEAR, currency="THB"),
        content=flat({"cpu": Decimal(2)}),
    )
    waiting = services.submit_price_list(price_list_id=draft.pk, actor=carol)
    for author in (alice, bob, carol):
        with pytest.raises(Conflict, match="Someone else has to approve"):
            approve(waiting, author)
        with pytest.raises(IntegrityError, match=r"second_pers|does not"), transaction.atomic():
            PriceList.objects.filter(pk=waiting.pk).update(
                status="published", published_at=NEXT_YEAR, approved_by=author.user_id
            )
    assert approve(waiting, Actor.of(make_user("dave"))).status == "published"


def test_a_setter_cannot_hide_behind_the_last_editor(alice: Actor, bob: Actor) -> None:
    draft = services.draft_price_list(
        actor=bob,
        head=services.Head(
            tier=Tier.objects.get(code="mu"), effective_at=NEXT_YEAR, currency="THB"
        ),
        content=flat({"cpu": Decimal(1)}),
    )
    for editor, price in ((alice, "0.01"), (bob, "0.01")):
        services.edit_price_list(
            price_list_id=draft.pk,
            actor=editor,
            head=services.Head(tier=draft.tier, effective_at=NEXT_YEAR, currency="THB"),
            content=flat({"cpu": Decimal(price)}),
        )
    carol = Actor.of(make_user("carol"))
    waiting = services.submit_price_list(price_list_id=draft.pk, actor=carol)
    with pytest.raises(Conflict, match="Someone else has to approve"):
        approve(waiting, alice)
    with pytest.raises(IntegrityError, match="does not approve"), transaction.atomic():
        PriceList.objects.filter(pk=waiting.pk).update(
            status="published", published_at=timezone.now(), approved_by=alice.user_id
        )
    for attempt in (waiting.editors.all().delete, lambda: waiting.editors.update(user=bob.user_id)):
        with pytest.raises((IntegrityError, ProgrammingError)), transaction.atomic():
            attempt()
    assert set(waiting.editors.values_list("user_id", flat=True)) == {alice.user_id, bob.user_id}


def test_programs_neither_submit_nor_approve_where_there_are_people(alice: Actor) -> None:
    with pytest.raises(Conflict, match="by people"):
        propose(SYSTEM)
    assert not PriceList.objects.exclude(status="published").exists()
    waiting = propose(alice)
    with pytest.raises(Conflict, match="by people"):
        approve(waiting, SYSTEM)
    with pytest.raises(IntegrityError, match="second person"), transaction.atomic():
        PriceList.objects.filter(pk=waiting.pk).update(status="published", published_at=NEXT_YEAR)


def test_the_first_prices_of_a_site_need_nobody_because_nobody_is_there(alice: Actor) -> None:
    first = PriceList.objects.get(tier__code="mu")
    assert (first.status, first.approved_by, first.note) == ("published", None, "First list")
    tier = Tier.objects.create(code="new", name="New")
    values: dict[str, Any] = {
        "head": services.Head(NEXT_YEAR, "THB", tier=tier), "content": flat({"cpu": Decimal(1)}),
    }  # fmt: skip
    with pytest.raises(Conflict, match="by people"):
        services.publish_first_list(actor=SYSTEM, **values)
    User.objects.all().delete()
    assert services.publish_first_list(actor=SYSTEM, **values).status == "published"


def test_a_submitted_list_stands_still(alice: Actor) -> None:
    waiting = propose(alice)
    values: dict[str, Any] = {
        "head": services.Head(NEXT_YEAR, "THB", tier=waiting.tier),
        "content": flat({"cpu": Decimal(9)}),
    }  # fmt: skip
    with pytest.raises(Conflict, match="Withdraw it"):
        services.edit_price_list(price_list_id=waiting.pk, actor=alice, **values)
    with pytest.raises(Conflict, match="Withdraw it"):
        services.discard_price_list(price_list_id=waiting.pk, actor=alice)
    around: tuple[Callable[[], object], ...] = (
        lambda: Rate.objects.filter(price_list=waiting).update(unit_price=9),
        lambda: Rate.objects.filter(price_list=waiting).delete(),
        lambda: Rate.objects.create(price_list=waiting, resource="gpu", unit_price=1),
        lambda: PriceList.objects.filter(pk=waiting.pk).update(effective_at=LONG_AGO),
        lambda: PriceList.objects.filter(pk=waiting.pk).update(
            status="draft", submitted_at=None, submitted_by=None, currency="USD"
        ),
        lambda: PriceList.objects.filter(pk=waiting.pk).delete(),
    )
    for attempt in around:
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()
    connection.check_constraints()


def test_withdrawn_it_is_a_draft_again(alice: Actor, bob: Actor) -> None:
    waiting = propose(alice)
    draft = services.withdraw_price_list(price_list_id=waiting.pk, actor=alice)
    assert (draft.status, draft.submitted_at, draft.submitted_by) == ("draft", None, None)
    assert console.actions()[-1] == "price_list.withdrawn"
    with pytest.raises(Conflict):
        services.withdraw_price_list(price_list_id=waiting.pk, actor=alice)
    with pytest.raises(Conflict):
        approve(waiting, bob)
    again = services.submit_price_list(price_list_id=waiting.pk, actor=alice)
    assert approve(again, bob).status == "published"


def test_sent_back_it_tells_its_author_why(alice: Actor, bob: Actor) -> None:
    waiting = propose(alice)
    with pytest.raises(Invalid, match="reason"):
        services.reject_price_list(
            price_list_id=waiting.pk, seen=waiting.submitted_at, reason=" ", actor=bob
        )
    sent_back = services.reject_price_list(
        price_list_id=waiting.pk, seen=waiting.submitted_at, reason="too dear", actor=bob
    )
    assert (sent_back.status, sent_back.rejection) == ("draft", "too dear")
    assert console.last_event("price_list.rejected")["reason"] == "too dear"
    again = services.submit_price_list(price_list_id=waiting.pk, actor=alice)
    assert again.rejection == ""


def test_nobody_approves_what_they_did_not_see(alice: Actor, bob: Actor) -> None:
    seen = propose(alice)
    services.withdraw_price_list(price_list_id=seen.pk, actor=alice)
    services.edit_price_list(
        price_list_id=seen.pk,
        actor=alice,
        head=services.Head(tier=seen.tier, effective_at=NEXT_YEAR, currency="THB"),
        content=flat({"cpu": Decimal(99)}),
    )
    services.submit_price_list(price_list_id=seen.pk, actor=alice)
    steps: tuple[Callable[[], object], ...] = (
        lambda: approve(seen, bob),
        lambda: services.reject_price_list(
            price_list_id=seen.pk, seen=seen.submitted_at, reason="no", actor=bob
        ),
    )
    for step in steps:
        with pytest.raises(Conflict, match="submitted anew"):
            step()
    seen.refresh_from_db()
    assert seen.status == "submitted"


def test_each_step_happens_once(alice: Actor, bob: Actor) -> None:
    waiting = propose(alice)
    with pytest.raises(Conflict):
        services.submit_price_list(price_list_id=waiting.pk, actor=alice)
    approve(waiting, bob)
    late: tuple[Callable[[], object], ...] = (
        lambda: approve(waiting, bob),
        lambda: services.withdraw_price_list(price_list_id=waiting.pk, actor=alice),
        lambda: services.submit_price_list(price_list_id=waiting.pk, actor=alice),
        lambda: services.discard_price_list(price_list_id=waiting.pk, actor=alice),
    )
    for attempt in late:
        with pytest.raises(DomainError):
            attempt()
    assert PriceList.objects.get(pk=waiting.pk).status == "published"


def test_a_list_without_prices_is_not_submitted(alice: Actor) -> None:
    draft = services.draft_price_list(
        actor=alice,
        head=services.Head(
            tier=Tier.objects.get(code="mu"), effective_at=NEXT_YEAR, currency="THB"
        ),
        content=flat({}),
    )
    with pytest.raises(Invalid, match="at least one rate"):
        services.submit_price_list(price_list_id=draft.pk, actor=alice)
    services.discard_price_list(price_list_id=draft.pk, actor=alice)
    assert not PriceList.objects.filter(pk=draft.pk).exists()
