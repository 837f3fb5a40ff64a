"""A study of a list is what rating would make of it, and of the list that holds, the charges."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from accounts.models import ProjectTier, Tier
from hpcbilling.workflows import rate_pending
from pricing.content import flat as flat_content
from pricing.models import Charge, JobRating, PriceList
from pricing.selectors import live_charges
from pricing.services import Head, draft_price_list
from pricing.study import Figures, study
from pricing.study.figures import figures_from
from tests.factories import (
    LONG_AGO,
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    publish_prices,
)

pytestmark = pytest.mark.django_db
GPU = "cpu=4,mem=8192M,node=1,billing=4,gres/gpu=2"


def draft(tier: str = "mu", **rates: str) -> PriceList:
    return draft_price_list(
        actor=SYSTEM,
        head=Head(tier=Tier.objects.get(code=tier), effective_at=LONG_AGO, currency="THB"),
        content=flat_content({code: Decimal(price) for code, price in rates.items()}),
    )


def of(price_list: PriceList, *, thorough: bool = False, cost: Decimal | None = None) -> Figures:
    return study(price_list=price_list, window=OCTOBER, thorough=thorough, cost=cost)


def in_force(tier: str) -> Decimal:
    mine = live_charges().filter(project__tiers__tier__code=tier)
    return mine.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


@pytest.fixture
def campus() -> None:
    for code in ("genomics", "physics"):
        make_project(code)
    make_project("firm", tier="private")
    import_rows(
        make_cluster(),
        *(Row(n, seconds=n * 997 + 1, tres=GPU if n % 2 else Row().tres) for n in range(1, 8)),
        *(Row(n, account="physics", seconds=n * 7 + 1) for n in range(11, 14)),
        Row(20, account="firm"),
    )


@pytest.mark.usefixtures("campus")
@pytest.mark.parametrize("thorough", [False, True])
def test_the_list_that_holds_comes_to_the_charges(thorough: bool) -> None:
    for tier in ("mu", "private"):
        held = PriceList.objects.filter(tier__code=tier).earliest("effective_at")
        found = of(held, thorough=thorough)
        assert found.total.before == in_force(tier) > 0
        assert found.total.after == found.total.before
        assert not found.winners
        assert not found.losers
        assert found.way == ("engine" if thorough else "ledger")


def after_publishing(tier: str, **rates: str) -> Decimal:
    """What the same prices come to when they are published and everything is rated anew."""
    publish_prices(tier, OCTOBER.start, **rates)
    rate_pending(actor=SYSTEM)
    return in_force(tier)


@pytest.mark.usefixtures("campus")
@pytest.mark.parametrize("thorough", [False, True])
def test_a_draft_comes_to_what_rating_makes_of_it(thorough: bool) -> None:
    prices = {"cpu": "1.234567", "mem": "0.01", "gpu": "7"}
    private = in_force("private")
    found = of(draft("mu", **prices), thorough=thorough)
    assert found.total.before == in_force("mu")
    assert found.total.after == after_publishing("mu", **prices)
    assert found.total.after != found.total.before
    assert in_force("private") == private
    assert {line.code for line in found.projects} == {"genomics", "physics"}
    assert [line.code for line in found.tiers] == ["mu"]
    for lines in (found.projects, found.tiers, found.resources):
        assert sum(line.after for line in lines) == found.total.after
        assert sum(line.before for line in lines) == found.total.before


@pytest.mark.parametrize("thorough", [False, True])
def test_a_project_that_changes_its_tier_is_studied_as_long_as_it_was_in_it(
    thorough: bool,
) -> None:
    make_project("genomics")
    nomad, moved_at = make_project("nomad", tier=""), OCTOBER.start + timedelta(days=9, hours=3)
    for tier, start, end in (("mu", LONG_AGO, moved_at), ("gov", moved_at, None)):
        of_tier = Tier.objects.get(code=tier)
        ProjectTier.objects.create(project=nomad, tier=of_tier, starts_at=start, ends_at=end)
    moments = [moved_at - timedelta(seconds=1), moved_at, moved_at + timedelta(days=3)]
    rows = [Row(n, account="nomad", end=end, seconds=n * 97) for n, end in enumerate(moments, 1)]
    import_rows(make_cluster(), *rows, Row(9))

    def charged(tier: str) -> Decimal:
        mine = live_charges().filter(rate__price_list__tier__code=tier)
        return mine.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)

    prices = {"cpu": "1.234567", "mem": "0.01"}
    for tier, jobs in (("mu", 2), ("gov", 2)):
        found = of(draft(tier, **prices), thorough=thorough)
        assert found.way == ("engine" if thorough else "ledger")
        assert found.total.before == charged(tier) > 0
        assert [line.code for line in found.tiers] == [tier]
        after_publishing(tier, **prices)
        assert found.total.after == charged(tier) != found.total.before
        assert (
            live_charges().filter(rate__price_list__tier__code=tier, resource="cpu").count() == jobs
        )


@pytest.mark.usefixtures("campus")
def test_what_the_draft_has_no_price_for_is_told() -> None:
    prices = {"cpu": "1", "mem": "0"}
    found = of(draft("mu", **prices))
    assert [(left.reason, left.jobs) for left in found.unpriced] == [("no_rate", 4)]
    assert found.total.after == after_publishing("mu", **prices)


@pytest.mark.usefixtures("campus")
def test_jobs_that_wait_for_a_price_are_priced() -> None:
    publish_prices("mu", OCTOBER.start, cpu="1", mem="0")
    rate_pending(actor=SYSTEM)
    waiting = JobRating.objects.filter(status="unpriced").count()
    prices = {"cpu": "1", "mem": "0", "gpu": "5"}
    found = of(draft("mu", **prices))
    assert waiting == 4
    assert found.way == "ledger"
    assert found.total.before == in_force("mu")
    assert found.total.after == after_publishing("mu", **prices)


@pytest.mark.usefixtures("campus")
def test_winners_and_losers_and_what_is_recovered() -> None:
    found = of(draft("mu", cpu="3", mem="0", gpu="0"), cost=Decimal(100))
    assert [line.code for line in found.winners] == ["genomics"]
    assert [line.code for line in found.losers] == ["physics"]
    assert found.recovery is not None
    before, after = found.recovery
    assert (before.over, after.over) == (found.total.before - 100, found.total.after - 100)
    assert figures_from(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.usefixtures("campus")
def test_a_study_writes_nothing() -> None:
    before = Charge.objects.count(), JobRating.objects.count()
    of(draft("mu", cpu="3", mem="0", gpu="0"), thorough=True)
    assert (Charge.objects.count(), JobRating.objects.count()) == before
