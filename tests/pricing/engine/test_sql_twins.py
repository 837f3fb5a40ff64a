"""What the database computes is what the engine computes, for random rates, lists and jobs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Project, Split, SplitShare, Tier, User
from pricing import engine
from pricing.models import Equivalent, EquivalentPart, PriceList, Rate, Slab, StatePolicy
from pricing.resources import resource_of
from tests.databases import Database
from tests.factories import make_cluster, make_project
from tests.pricing.engine import strategies as some
from usage.models import Job

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)
OURS, TIERS = 10_001, 10_002
"""The keys of a project's negotiated list and of its tier's list."""

TABLES = ("usage_job", "pricing_pricelist", "pricing_rate", "pricing_slab", "pricing_statepolicy",
          "pricing_equivalent", "pricing_equivalentpart", "accounts_split",
          "accounts_splitshare")  # fmt: skip

# The fixture is one empty database for all examples; each is rolled back.
examples = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def database(committed_db: Database) -> Database:
    """A database with two clusters and two lists, and without the rules of tables."""
    with psycopg.connect(committed_db.owner_url) as owner:
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    assert tuple(make_cluster(name).pk for name in ("alpha", "beta")) == some.CLUSTERS
    lists = {"effective_at": NOW, "currency": "THB"}
    PriceList.objects.create(pk=OURS, project=make_project("genomics"), **lists)
    PriceList.objects.create(pk=TIERS, tier=Tier.objects.get(code="mu"), **lists)
    return committed_db


def store_rate(rate: engine.Rate) -> None:
    priced = rate.model in {engine.Model.FLAT, engine.Model.PACKAGE}
    made = Rate.objects.create(
        pk=rate.rate_id,
        price_list_id=rate.price_list_id,
        resource=rate.resource,
        cluster_id=rate.cluster_id,
        partition=rate.partition,
        qos=rate.qos,
        basis=rate.basis.value,
        model=rate.model.value,
        unit_price=rate.slabs[0].unit_price if priced else None,
        flat_fee=rate.slabs[0].flat_fee if priced else Decimal(0),
        package_units=rate.package_units,
        allowance=rate.allowance,
        discount_percent=rate.discount_percent,
        discount_amount=rate.discount_amount,
        fee_at_zero=rate.fee_at_zero,
    )
    if not priced:
        for position, slab in enumerate(rate.slabs):
            Slab.objects.create(rate=made, position=position, **slab._asdict())


def store_terms(terms: engine.Terms) -> None:
    PriceList.objects.filter(pk=TIERS).update(
        quantum_seconds=terms.quantum_seconds,
        minimum_seconds=terms.minimum_seconds,
        suspended_is_free=terms.suspended_is_free,
    )
    for policy in terms.states.values():
        StatePolicy.objects.create(price_list_id=TIERS, **policy._asdict())
    for one in terms.equivalents:
        made = Equivalent.objects.create(
            price_list_id=TIERS,
            code=one.code,
            name=one.code,
            combine=one.combine,
            cluster_id=one.cluster_id,
            partition=one.partition,
        )
        for part in one.parts:
            EquivalentPart.objects.create(equivalent=made, **part._asdict())


def store_job(usage: engine.Usage) -> Job:
    return Job.objects.create(
        job_id=1, display_id="1", submit=NOW, start=NOW, end=NOW, run_id=1, line=1, raw_offset=0,
        raw_size=0, cpu_seconds=0, gpu_seconds=0, mem_mib_seconds=0, node_seconds=0,
        **usage._asdict(),
    )  # fmt: skip


def ask(statement: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {statement}", values)
        return cursor.fetchone()[0]


@examples
@given(st.data())
def test_prices_of_quantities(database: Database, data: st.DataObject) -> None:
    rate = data.draw(some.rates(rate_id=10_000, price_list_id=TIERS))
    quantities = data.draw(st.lists(some.quantities(rate), min_size=1, max_size=8))
    with transaction.atomic():
        store_rate(rate)
        linear = "pricing_is_linear(rate) FROM pricing_rate rate WHERE id = %s"
        assert ask(linear, rate.rate_id) == rate.is_linear
        for quantity in [0, *quantities, 2**62]:
            found = ask("pricing_cumulative(%s, %s)", rate.rate_id, quantity)
            assert found == engine.cumulative(rate, quantity)
            assert found.as_tuple().exponent == -6
        transaction.set_rollback(True)


@examples
@given(some.lists(OURS, 10_100), some.lists(TIERS, 10_200), some.terms(), some.usages())
def test_quantities_of_jobs(
    database: Database,
    ours: tuple[engine.Rate, ...],
    tiers: tuple[engine.Rate, ...],
    terms: engine.Terms,
    usage: engine.Usage,
) -> None:
    tariff = engine.Tariff(
        [ours, tiers],
        terms,
        cluster_id=usage.cluster_id,
        partition=usage.partition,
        qos=usage.qos,
    )
    try:
        expected = {one.rate.rate_id: one.quantity for one in engine.measure(usage, tariff)}
    except engine.ExemptByState:
        expected = {}
    with transaction.atomic():
        for rate in (*ours, *tiers):
            store_rate(rate)
        store_terms(terms)
        job = store_job(usage)
        found = {
            rate.rate_id: ask("pricing_quantity(%s, %s, %s)", rate.rate_id, job.pk, [OURS, TIERS])
            for rate in (*ours, *tiers)
        }
        transaction.set_rollback(True)
    assert {key: quantity for key, quantity in found.items() if quantity is not None} == expected


@examples
@given(some.lists(TIERS, 10_200), some.terms(), some.usages())
def test_by_itself_a_rate_has_the_terms_of_its_list(
    database: Database, rates: tuple[engine.Rate, ...], terms: engine.Terms, usage: engine.Usage
) -> None:
    with transaction.atomic():
        for rate in rates:
            store_rate(rate)
        store_terms(terms)
        job = store_job(usage)
        for rate in rates:
            assert ask("pricing_quantity(%s, %s)", rate.rate_id, job.pk) == ask(
                "pricing_quantity(%s, %s, %s)", rate.rate_id, job.pk, [TIERS]
            )
        transaction.set_rollback(True)


@examples
@given(st.integers(0, 2**62), st.lists(st.integers(1, 10**4), min_size=1, max_size=6))
def test_shares_of_split_jobs(database: Database, quantity: int, weights: list[int]) -> None:
    percents = [Decimal(weight * 10**6 // sum(weights)).scaleb(-4) for weight in weights]
    percents[0] += 100 - sum(percents)
    project = Project.objects.get(code="genomics")
    with transaction.atomic():
        split = Split.objects.create(project=project, starts_at=NOW, reason="two grants")
        made = [
            SplitShare.objects.create(
                split=split, project=Project.objects.create(code=f"part-{place}"), percent=percent
            )
            for place, percent in enumerate(percents)
        ]
        found = [ask("accounts_part(%s, %s)", share.pk, quantity) for share in made]
        transaction.set_rollback(True)
    assert found == engine.shares(quantity, percents)


def test_terms_are_of_the_tier_or_else_of_the_first_list(database: Database) -> None:
    user = User.objects.create(username="alice")
    PriceList.objects.create(pk=TIERS + 1, user=user, effective_at=NOW, currency="THB")
    assert ask("pricing_terms(%s)", [TIERS + 1, OURS, TIERS]) == TIERS
    assert ask("pricing_terms(%s)", [TIERS + 1, OURS]) == TIERS + 1
    assert ask("pricing_terms(%s)", []) is None


@pytest.mark.parametrize("resource", [*some.RESOURCES, "sku:setup"])
@pytest.mark.django_db
def test_unit_sizes(resource: str) -> None:
    assert ask("pricing_unit_size(%s)", resource) == resource_of(resource).unit_size


@pytest.mark.django_db
def test_what_does_not_exist_has_no_price_and_no_quantity() -> None:
    assert ask("pricing_unit_size('steam')") is None
    assert ask("pricing_cumulative(-1, -1)") is None
    assert ask("pricing_quantity(-1, -1)") is None
