"""Who pays for a share of a job sees the job and that share, and of the others nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, User
from insights.buckets import Bucket, bucket
from insights.filters import UsageFilter
from insights.periods import Days
from insights.selectors import cost_by, find_jobs, rows_of, totals_of
from receipts.services import create_receipt
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
from tests.pricing.lists import flat, publish, split
from usage.models import Job

pytestmark = pytest.mark.django_db
END = datetime(2026, 10, 15, 12, tzinfo=UTC)


@pytest.fixture
def people() -> tuple[User, User, User]:
    """Alice leads genomics, whose costs Charlie's grant bears a quarter of; Bob ran the job."""
    publish(flat("cpu", "1"), flat("mem", "0"))
    alice, bob, charlie = (make_user(name) for name in ("alice", "bob", "charlie"))
    genomics, grant = make_project("genomics", pi=alice), make_project("grant", pi=charlie)
    join(genomics, bob)
    split(genomics, (genomics, "75"), (grant, "25"))
    import_rows(make_cluster(), Row(1, user="bob", end=END))
    return alice, bob, charlie


def seen_by(viewer: User, status: str = "") -> tuple[Any, ...]:
    """The amounts of the job's charges, their sum, and where the job stands."""
    days = Days(date(2026, 10, 1), date(2026, 10, 31))
    jobs = find_jobs(viewer, UsageFilter(days=days, status=status))
    rows = rows_of(list(jobs), viewer)
    sums = {day[1]: day[-1] for day in cost_by(jobs, "project__code", monthly=True, viewer=viewer)}
    assert totals_of(jobs, viewer).amounts["THB"] == sum(sums.values(), Decimal(0))
    charges = [charge.amount for row in rows for charge in row.charges if charge.amount]
    return charges, sums, rows[0].bucket if rows else ""


def test_each_sees_the_own_share(people: tuple[User, User, User]) -> None:
    alice, bob, charlie = people
    assert seen_by(alice) == ([3], {"genomics": 3}, Bucket.UNBILLED)
    assert seen_by(charlie) == ([1], {"grant": 1}, Bucket.UNBILLED)
    assert seen_by(bob) == seen_by(alice)
    assert seen_by(make_user("mallory")) == ([], {}, "")


def test_the_pages_of_a_share_say_nothing_of_the_others(people: tuple[User, User, User]) -> None:
    job = Job.objects.get()
    for viewer, own, other in (
        (people[0], "3.000000", "1.000000"),
        (people[2], "1.000000", "3.000000"),
    ):
        client = Client()
        client.force_login(viewer)
        for name in ("insights:job", "insights:why"):
            page = client.get(reverse(name, args=[job.pk])).text
            assert own in page
            assert other not in page


def test_a_share_is_billed_by_itself(people: tuple[User, User, User]) -> None:
    alice, _bob, charlie = people
    genomics = Project.objects.get(code="genomics")
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert seen_by(alice)[2] == Bucket.BILLED
    assert seen_by(charlie)[2] == Bucket.UNBILLED
    assert seen_by(charlie, "billed") == ([], {}, "")
    job = Job.objects.annotate(bucket=bucket()).get()
    assert job.bucket == Bucket.UNBILLED  # for who sees all shares, one of them still waits
