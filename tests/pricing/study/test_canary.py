"""No list is published that changes a bill of last month a lot, unless somebody lets it pass."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import pytest_django
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Tier, User
from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import last_month, local_midnight
from core.site import site_zone
from pricing.content import flat as flat_content
from pricing.models import Canary, PriceList
from pricing.services import Head, approve_price_list, propose_price_list
from pricing.study.canary import compare
from tests.factories import Row, import_rows, make_cluster, make_project, make_user

pytestmark = pytest.mark.django_db
NEXT_YEAR = datetime(2099, 1, 1, tzinfo=UTC)
FIRST, _LAST = last_month(timezone.localdate(timezone=site_zone()))
LAST_MONTH = local_midnight(FIRST, site_zone()) + timedelta(days=10)


@pytest.fixture(autouse=True)
def half(settings: pytest_django.Settings) -> None:
    settings.CANARY_PERCENT = 50


@pytest.fixture
def used() -> None:
    """Last month genomics paid 4 core-hours at 0.75 and 8 GB-hours at 0.05."""
    make_project("genomics")
    make_project("idle")
    import_rows(make_cluster(), Row(end=LAST_MONTH))


def submitted(tier: str = "mu", **rates: str) -> PriceList:
    return propose_price_list(
        actor=Actor.of(User.objects.get_or_create(username="author")[0]),
        head=Head(tier=Tier.objects.get(code=tier), effective_at=NEXT_YEAR, currency="THB"),
        content=flat_content({code: Decimal(price) for code, price in rates.items()}),
    )


def approver(*, may: bool = False) -> User:
    found = make_user(f"approver{User.objects.count()}")
    if may:
        found.user_permissions.add(Permission.objects.get(codename="override_canary"))
    return found


def approve(price_list: PriceList, by: User, override: str = "") -> PriceList:
    return approve_price_list(
        price_list_id=price_list.pk,
        seen=price_list.submitted_at,
        actor=Actor.of(by),
        override=override,
    )


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(("price", "passes"), [("1.125", True), ("1.125001", False)])
def test_the_limit_itself_passes(price: str, passes: bool) -> None:
    comparison = compare(submitted(cpu=price, mem="0.075"))
    assert comparison.passes is passes
    assert [line.code for line in comparison.jumps] == ([] if passes else ["genomics"])


@pytest.mark.usefixtures("used")
def test_a_list_that_passes_is_published_and_that_is_kept() -> None:
    made = approve(submitted(cpu="0.80", mem="0.05"), approver())
    kept = Canary.objects.get(price_list=made)
    assert (kept.outcome, kept.month, kept.limit_percent) == ("passed", FIRST, Decimal(50))
    assert (kept.override_by, kept.override_reason, kept.projects) == (None, "", [])


@pytest.mark.usefixtures("used")
def test_a_jump_needs_somebody_who_may_and_a_reason() -> None:
    waiting = submitted(cpu="9", mem="0.05")
    with pytest.raises(Conflict, match="override"):
        approve(waiting, approver(), "because")
    may = approver(may=True)
    with pytest.raises(Invalid, match="reason"):
        approve(waiting, may, "  ")
    assert PriceList.objects.get(pk=waiting.pk).status == "submitted"
    made = approve(waiting, may, "a new contract")
    kept = Canary.objects.get(price_list=made)
    assert (kept.outcome, kept.override_by, kept.override_reason) == (
        "overridden",
        may,
        "a new contract",
    )
    assert kept.projects == [
        {"code": "genomics", "before": "3.400000", "after": "36.400000"},
    ]
    told = (
        AuditEvent.objects.filter(action="price_list.published")
        .latest("pk")
        .content["data"]["canary"]
    )
    assert (told["outcome"], told["override_reason"]) == ("overridden", "a new contract")


@pytest.mark.usefixtures("used")
def test_a_bill_that_vanishes_or_appears_jumps() -> None:
    gone = compare(submitted(gpu="1"))
    assert [line.code for line in gone.jumps] == ["genomics"]
    assert [(left.reason, left.jobs) for left in gone.figures.unpriced] == [("no_rate", 1)]
    assert not compare(submitted(cpu="0", mem="0")).passes


def test_a_first_list_has_nothing_to_compare_with() -> None:
    Tier.objects.create(code="new", name="New")
    made = approve(submitted("new", cpu="100"), approver())
    assert Canary.objects.get(price_list=made).outcome == "nothing"


def test_only_the_last_month_counts() -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(end=LAST_MONTH - timedelta(days=40)))
    assert compare(submitted(cpu="100", mem="1")).is_empty


@pytest.mark.usefixtures("used")
def test_another_currency_cannot_be_compared() -> None:
    author = Actor.of(make_user("author"))
    euros = propose_price_list(
        actor=author,
        head=Head(tier=Tier.objects.get(code="mu"), effective_at=NEXT_YEAR, currency="EUR"),
        content=flat_content({"cpu": Decimal("0.75"), "mem": Decimal("0.05")}),
    )
    comparison = compare(euros)
    assert not comparison.passes
    assert dict(comparison.figures.foreign) == {"THB": Decimal("3.4")}


@pytest.mark.usefixtures("used")
def test_the_database_publishes_nothing_that_was_not_compared() -> None:
    waiting = submitted(cpu="0.75", mem="0.05")
    with pytest.raises(IntegrityError, match="compared"), transaction.atomic():
        PriceList.objects.filter(pk=waiting.pk).update(
            status="published", published_at=timezone.now(), approved_by=approver()
        )
