"""Costs of a project's jobs are split over several: shares sum exactly, each by its own prices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import Project, Split
from accounts.selectors import Bearer, SplitBook
from hpcbilling.workflows import rate_pending
from pricing.models import Charge, Counter, JobRating
from pricing.selectors import live_charges
from receipts.services import create_receipt, void_receipt
from tests import scenes
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import flat, publish, slabs, split

pytestmark = pytest.mark.django_db

END = datetime(2026, 10, 15, 12, tzinfo=UTC)
JOB = Row(1, end=END, seconds=3601, tres="cpu=7,mem=1G,node=1")


def charged(resource: str = "cpu") -> dict[str, tuple[int, Decimal]]:
    rows = live_charges().filter(resource=resource).select_related("project")
    return {row.project.code: (row.quantity, row.amount) for row in rows}


@scenes.standing
def grants() -> tuple[Project, Project, Project]:
    """A project, and two that pay for its jobs: by prices of 1 and 2."""
    publish(flat("cpu", "1"), flat("mem", "0"))
    publish(flat("cpu", "2"), flat("mem", "0"), tier="gov")
    return make_project("genomics"), make_project("one"), make_project("two", tier="gov")


def test_each_share_is_priced_by_its_own_tier(grants: tuple[Project, ...]) -> None:
    own, one, two = grants
    split(own, (one, "33.3333"), (two, "66.6667"))
    import_rows(make_cluster(), JOB)
    connection.check_constraints()
    whole = 7 * 3601
    assert charged() == {"one": (8402, Decimal("2.333889")), "two": (16805, Decimal("9.336111"))}
    assert sum(quantity for quantity, _ in charged().values()) == whole
    rating = JobRating.objects.get()
    assert (rating.project, rating.status, rating.generation) == (own, "rated", 1)
    assert rate_pending(actor=SYSTEM).charges == 0


def test_a_share_counts_in_its_own_projects_counter(grants: tuple[Project, ...]) -> None:
    own, one, _two = grants
    publish(slabs("cpu", ("4", "10"), (None, "1")), flat("mem", "0"))
    split(own, (one, "50"), (own, "50"))
    import_rows(make_cluster(), Row(1, end=END, tres="cpu=8,mem=1G,node=1"))
    import_rows(make_cluster("beta"), Row(2, end=END, account="one", tres="cpu=2,mem=1G,node=1"))
    counters = {row.project.code: (row.quantity, row.amount) for row in Counter.objects.all()}
    assert counters == {"one": (6 * 3600, Decimal(42)), "genomics": (4 * 3600, Decimal(40))}


def test_the_minimum_of_a_job_is_shared(grants: tuple[Project, ...]) -> None:
    own, one, _two = grants
    publish(flat("cpu", "0"), flat("mem", "0"), minimum_per_job=Decimal(8))
    split(own, (one, "25"), (own, "75"))
    import_rows(make_cluster(), Row(1, end=END))
    assert charged("minimum") == {"one": (0, Decimal(2)), "genomics": (0, Decimal(6))}


def test_what_follows_a_split_is_the_fallbacks_then_the_projects(
    grants: tuple[Project, ...],
) -> None:
    own, one, two = grants
    split(own, (one, "100"), starts_at=END, ends_at=END + timedelta(days=1), fallback=two)
    days = [END + timedelta(days=day) for day in (-1, 0, 1)]
    rows = [Row(n, end=end, tres="cpu=1,mem=1G,node=1") for n, end in enumerate(days, start=1)]
    import_rows(make_cluster(), *rows)
    connection.check_constraints()
    found = live_charges().filter(resource="cpu").order_by("job__job_id")
    assert list(found.values_list("project__code", flat=True)) == ["genomics", "one", "two"]
    assert set(JobRating.objects.values_list("project", flat=True)) == {own.pk}


def test_a_split_of_the_past_moves_the_charges(grants: tuple[Project, ...]) -> None:
    own, one, two = grants
    import_rows(make_cluster(), JOB)
    assert charged() == {"genomics": (7 * 3601, Decimal("7.001944"))}
    made = split(own, (one, "50"), (two, "50"))
    assert rate_pending(actor=SYSTEM).charges == 6
    assert set(charged()) == {"one", "two"}
    connection.check_constraints()
    Split.objects.filter(pk=made.pk).update(ends_at=made.starts_at)
    rate_pending(actor=SYSTEM)
    assert set(charged()) == {"genomics"}
    connection.check_constraints()


def test_a_changed_tier_of_who_pays_a_share_counts(grants: tuple[Project, ...]) -> None:
    own, one, two = grants
    split(own, (one, "50"), (two, "50"))
    import_rows(make_cluster(), JOB)
    rate_pending(actor=SYSTEM)
    before = charged()["two"][1]
    two.tiers.update(tier=one.tiers.get().tier)
    rate_pending(actor=SYSTEM)
    assert charged()["two"][1] * 2 == pytest.approx(before)


def test_a_void_receipt_over_a_share_charges_that_share_again(grants: tuple[Project, ...]) -> None:
    own, one, two = grants
    split(own, (one, "50"), (two, "50"))
    import_rows(make_cluster(), JOB)
    receipts = [
        create_receipt(project_id=payer.pk, window=OCTOBER, actor=SYSTEM) for payer in (one, two)
    ]
    before = charged()
    void_receipt(receipt_id=receipts[0].pk, actor=SYSTEM, reason="wrong address")
    connection.check_constraints()
    assert charged() == before
    generations = live_charges().filter(resource="cpu").order_by("project__code")
    assert list(generations.values_list("generation", flat=True)) == [2, 1]
    assert rate_pending(actor=SYSTEM).charges == 0


def test_an_inactive_share_leaves_the_job_without_price(grants: tuple[Project, ...]) -> None:
    own, one, two = grants
    Project.objects.filter(pk=two.pk).update(is_active=False)
    split(own, (one, "50"), (two, "50"))
    import_rows(make_cluster(), JOB)
    assert JobRating.objects.get().reason == "project_inactive"


def test_shares_add_up_and_stay(grants: tuple[Project, ...]) -> None:
    own, one, two = grants
    with pytest.raises(IntegrityError), transaction.atomic():
        _split_of_less(own, one, two)
    made = split(own, (one, "50"), (two, "50"))
    import_rows(make_cluster(), JOB)
    with pytest.raises(DatabaseError), transaction.atomic():
        made.delete()


def _split_of_less(own: Project, one: Project, two: Project) -> None:
    split(own, (one, "50"), (two, "49.9999"))
    connection.check_constraints()


def test_the_database_knows_the_same_bearers(grants: tuple[Project, ...]) -> None:
    own, one, two = grants
    day = timedelta(days=1)
    split(own, (one, "100"), starts_at=END, ends_at=END + day, fallback=two)
    split(own, (two, "60"), (one, "40"), starts_at=END + 2 * day, ends_at=END + 3 * day)
    split(own, (one, "100"), starts_at=END + 4 * day, ends_at=END + 4 * day, fallback=one)
    book = SplitBook([own])
    for hours in range(-24, 150, 12):
        moment = END + timedelta(hours=hours)
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM accounts_bearers(%s, %s)", [own.pk, moment])
            found = {tuple(row) for row in cursor.fetchall()}
        bearers: tuple[Bearer, ...] = book.at(own.pk, moment)
        assert found == {(who.project.pk, who.share_id, who.percent) for who in bearers}
    assert Charge.objects.count() == 0
