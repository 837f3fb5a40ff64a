"""Jobs become charges once, by the list in effect when they ended, or wait with a reason."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import Project, ProjectTier, Tier
from core.errors import Invalid
from hpcbilling.workflows import rate_pending
from pricing.models import Charge, JobRating, PriceList, RatingReason
from pricing.selectors import jobs_to_rate, live_charges
from receipts.corrections import corrections, jobs_to_correct
from receipts.selectors import uncredited_reversals
from receipts.services import create_receipt, void_receipt
from tests.factories import (
    LONG_AGO,
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    publish_prices,
)
from usage.models import AccountMapping, Job, JobRevision

pytestmark = pytest.mark.django_db
MIDDLE = datetime(2026, 10, 15, tzinfo=UTC)


def reasons() -> list[str]:
    return list(JobRating.objects.order_by("job__job_id").values_list("reason", flat=True))


def publish(tier: str, at: datetime, **rates: str) -> PriceList:
    return publish_prices(tier, at, **rates)


def amounts() -> dict[str, Decimal]:
    return {charge.resource: charge.amount for charge in live_charges()}


def test_a_job_is_charged_by_resource() -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(tres="cpu=4,mem=8G,node=1,gres/gpu=2,gres/gpu:a100=2"))
    assert amounts() == {"cpu": Decimal("3.00"), "mem": Decimal("0.40"), "gpu": Decimal("24.00")}
    charge = Charge.objects.get(resource="mem")
    assert (charge.quantity, charge.unit_size) == (8192 * 3600, 3600 * 1024)


def test_the_list_in_effect_at_the_end_counts() -> None:
    make_project("genomics")
    publish("mu", MIDDLE, cpu="1.00", mem="0", gpu="1")
    before, after = MIDDLE - timedelta(seconds=1), MIDDLE
    import_rows(make_cluster(), Row(1, end=before), Row(2, end=after))
    prices = Charge.objects.filter(resource="cpu").order_by("job__job_id")
    assert [charge.unit_price for charge in prices] == [Decimal("0.75"), Decimal("1.00")]


def test_of_two_lists_for_one_moment_the_later_revision_counts() -> None:
    make_project("genomics")
    publish("mu", MIDDLE, cpu="1.00", mem="0")
    publish("mu", MIDDLE, cpu="2.00", mem="0")
    import_rows(make_cluster(), Row(end=MIDDLE))
    assert amounts()["cpu"] == Decimal("8.00")


def test_an_override_of_the_tier_wins() -> None:
    project = make_project("genomics")
    ProjectTier.objects.create(
        project=project,
        tier=Tier.objects.get(code="private"),
        starts_at=MIDDLE,
        ends_at=MIDDLE + timedelta(days=1),
        override=1,
        reason="contract work",
    )
    days = (MIDDLE - timedelta(days=1), MIDDLE, MIDDLE + timedelta(days=1))
    import_rows(make_cluster(), *(Row(n, end=end) for n, end in enumerate(days, start=1)))
    prices = Charge.objects.filter(resource="cpu").order_by("job__job_id")
    assert [charge.unit_price for charge in prices] == [
        Decimal("0.75"),
        Decimal("3.00"),
        Decimal("0.75"),
    ]


def test_what_cannot_be_priced_waits_with_its_reason() -> None:
    make_project("untiered", tier="")
    make_project("asleep")
    Project.objects.filter(code="asleep").update(is_active=False)
    strange = Tier.objects.create(code="strange", name="Strange")
    listless = make_project("listless", tier="")
    ProjectTier.objects.create(project=listless, tier=strange, starts_at=LONG_AGO)
    outcome = import_rows(
        make_cluster(),
        Row(1, account="nobody"),
        Row(2, account="untiered"),
        Row(3, account="asleep"),
        Row(4, account="listless"),
        Row(5, account="", user="mallory"),
    ).rating
    assert reasons() == ["no_project", "no_tier", "project_inactive", "no_list", "no_project"]
    assert (outcome.unpriced, outcome.charges) == (5, 0)


def test_a_resource_without_a_rate_leaves_the_whole_job_unpriced() -> None:
    make_project("genomics")
    publish("mu", MIDDLE, cpu="1")
    import_rows(make_cluster(), Row(end=MIDDLE))
    assert reasons() == [RatingReason.NO_RATE]
    assert not Charge.objects.exists()


def test_an_unpriced_job_is_rated_when_the_reason_is_gone() -> None:
    import_rows(make_cluster(), Row())
    assert reasons() == ["no_project"]
    make_project("genomics")
    outcome = rate_pending(actor=SYSTEM)
    assert outcome.rated == 1
    assert amounts()["cpu"] == Decimal("3.00")
    assert rate_pending(actor=SYSTEM).charges == 0


def test_a_mapping_wins_over_the_accounts_name() -> None:
    cluster = make_cluster()
    make_project("genomics")
    physics = make_project("physics")
    AccountMapping.objects.create(cluster=cluster, account="genomics", project=physics)
    import_rows(cluster, Row())
    assert {charge.project for charge in Charge.objects.all()} == {physics}


def test_a_job_without_an_account_goes_to_the_users_own_project() -> None:
    alice = make_user("alice")
    own = make_project("own-alice")
    Project.objects.filter(pk=own.pk).update(owner=alice)
    import_rows(make_cluster(), Row(account=""))
    assert {charge.project for charge in Charge.objects.all()} == {own}


def test_a_job_that_used_nothing_is_exempt() -> None:
    make_project("genomics")
    import_rows(make_cluster(), Row(seconds=0))
    rating = JobRating.objects.get()
    assert (rating.status, rating.reason) == ("exempt", "no_usage")


def test_a_running_job_is_not_rated_until_it_ends() -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(state="RUNNING"))
    assert not JobRating.objects.exists()
    import_rows(cluster, Row())
    assert JobRating.objects.get().status == "rated"
    assert Job.objects.get().revision == 2


def test_a_changed_job_is_reversed_and_charged_anew() -> None:
    make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(tres="cpu=4,mem=1024M,node=1"))
    import_rows(cluster, Row(tres="cpu=2,mem=1024M,node=1"))
    assert amounts() == {"cpu": Decimal("1.50"), "mem": Decimal("0.05")}
    assert Charge.objects.count() == 6
    assert sum(c.amount for c in Charge.objects.all()) == Decimal("1.55")
    assert JobRating.objects.get().generation == 2
    assert JobRevision.objects.get().values["cpu_seconds"] == 4 * 3600
    connection.check_constraints()


def test_a_changed_job_that_is_billed_is_charged_anew_and_waits_for_its_documents() -> None:
    project = make_project("genomics")
    cluster = make_cluster()
    import_rows(cluster, Row(tres="cpu=4,node=1"))
    create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    outcome = import_rows(cluster, Row(tres="cpu=2,node=1")).rating
    assert (outcome.waiting, outcome.charges) == (0, 2)
    assert amounts() == {"cpu": Decimal("1.50")}
    assert jobs_to_rate().count() == 0
    assert uncredited_reversals().count() == 1, "a credit note takes it with the next run"
    connection.check_constraints()


def test_a_list_of_the_past_replaces_charges_that_are_on_no_document() -> None:
    make_project("genomics")
    make_project("climate", tier="gov")
    later = MIDDLE + timedelta(days=2)
    import_rows(
        make_cluster(),
        Row(1, end=MIDDLE - timedelta(seconds=1), tres="cpu=4,node=1"),
        Row(2, end=MIDDLE, tres="cpu=4,node=1"),
        Row(3, end=MIDDLE, account="climate", tres="cpu=4,node=1"),
        Row(4, end=later, tres="cpu=4,node=1"),
    )
    next_list = publish("mu", later, cpu="2")
    rate_pending(actor=SYSTEM)
    new = publish("mu", MIDDLE, cpu="1")
    outcome = rate_pending(actor=SYSTEM)
    assert (outcome.rated, outcome.charges) == (1, 2)
    found = {
        row.job and row.job.job_id: row for row in live_charges().select_related("job", "rate")
    }
    assert {number: row.amount for number, row in found.items()} == {
        1: Decimal(3), 2: Decimal(4), 3: Decimal(6), 4: Decimal(8),
    }  # fmt: skip
    assert (found[2].generation, found[2].rate and found[2].rate.price_list) == (2, new)
    assert found[4].rate is not None
    assert found[4].rate.price_list == next_list
    kept = Charge.objects.filter(job__job_id=2).order_by("pk")
    assert [row.amount for row in kept] == [Decimal(3), Decimal(-3), Decimal(4)]
    assert rate_pending(actor=SYSTEM).charges == 0
    connection.check_constraints()


def test_what_is_billed_waits_for_a_list_of_the_past_until_it_is_void() -> None:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1, end=MIDDLE, tres="cpu=4,node=1"))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    publish("mu", MIDDLE, cpu="1")
    assert rate_pending(actor=SYSTEM).charges == 0
    assert [row.amount for row in live_charges()] == [Decimal(3)]
    (found,) = corrections(jobs_to_correct().values_list("pk", flat=True))
    assert (found.old, found.new, found.difference) == (Decimal(3), Decimal(4), Decimal(1))
    assert (found.receipts, found.project) == ((receipt,), "genomics")
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="other prices")
    rate_pending(actor=SYSTEM)
    assert [row.amount for row in live_charges()] == [Decimal(4)]
    assert not jobs_to_correct().exists()
    connection.check_constraints()


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "0.0000001", "1e12"])
def test_prices_that_cannot_be_kept_exactly_are_refused(price: str) -> None:
    with pytest.raises(Invalid):
        publish("mu", MIDDLE, cpu=price)


def test_unknown_resources_are_refused() -> None:
    with pytest.raises(Invalid):
        publish("mu", MIDDLE, coffee="1")
