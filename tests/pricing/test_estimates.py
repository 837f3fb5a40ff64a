"""Running jobs are shown with what they come to so far, and never charged until they end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from hpcbilling.workflows import rate_pending
from pricing.estimates import accrued, estimates
from pricing.models import Charge, JobRating
from tests.factories import (
    SYSTEM,
    Row,
    exempt,
    import_rows,
    make_cluster,
    make_project,
    make_user,
)
from usage.models import Cluster, Job

pytestmark = pytest.mark.django_db


def running(job_id: int = 1, hours: int = 2, account: str = "genomics") -> Row:
    now = datetime.now(UTC).replace(microsecond=0)
    seconds = hours * 3600
    begun = {"Submit": "1792060000", "Start": "1792060000"}
    return Row(job_id, account=account, end=now, seconds=seconds, state="RUNNING", extra=begun)


@pytest.fixture
def cluster() -> Cluster:
    make_project("genomics", pi=make_user("alice"))
    return make_cluster()


def test_a_running_job_is_estimated_by_the_engine_that_charges(cluster: Cluster) -> None:
    import_rows(cluster, running(1), Row(2, seconds=7200))
    job = Job.objects.get(job_id=1)
    found = estimates(Job.objects.select_related("run"))
    assert set(found) == {job.pk}
    charged = sum(Charge.objects.filter(job__job_id=2).values_list("amount", flat=True))
    assert found[job.pk].amount == charged > 0
    assert (found[job.pk].currency, found[job.pk].reason) == ("THB", "")
    assert found[job.pk].seen_at == job.run.created_at


def test_a_running_job_is_never_charged(cluster: Cluster) -> None:
    import_rows(cluster, running(1))
    for _ in range(2):
        assert accrued(Job.objects.all()).jobs == 1
        rate_pending(actor=SYSTEM)
    assert not Charge.objects.exists()
    assert not JobRating.objects.exists()


def test_usage_so_far_grows_and_is_charged_once_when_the_job_ends(cluster: Cluster) -> None:
    begun = {"Submit": "1792060000", "Start": "1792060000"}
    before = Decimal(0)
    for hours in (1, 2, 3):
        import_rows(cluster, running(1, hours))
        amounts = accrued(Job.objects.all()).amounts
        assert amounts["THB"] > before
        before = amounts["THB"]
        assert not Charge.objects.exists()
    end = datetime.fromtimestamp(1792060000, UTC) + timedelta(hours=3)
    import_rows(cluster, Row(1, end=end, seconds=3 * 3600, extra=begun))
    assert accrued(Job.objects.all()).jobs == 0
    assert sum(Charge.objects.values_list("amount", flat=True)) == before


def test_what_has_no_price_says_why(cluster: Cluster) -> None:
    import_rows(cluster, running(1, account="nowhere"), running(2))
    found = accrued(Job.objects.all())
    assert (found.jobs, found.unpriced, found.more) == (2, 1, False)
    nobody = Job.objects.select_related("run").get(job_id=1)
    assert estimates([nobody])[nobody.pk].reason == "no_project"
    exempt(cluster, account="genomics", starts_at=datetime.now(UTC) - timedelta(days=1))
    assert accrued(Job.objects.all()).amounts == {}


def test_pages_show_it_as_an_estimate(cluster: Cluster, client: Client) -> None:
    import_rows(cluster, running(1))
    job = Job.objects.get()
    clerk = make_user("clerk", groups=("finance",))
    client.force_login(clerk, backend="django.contrib.auth.backends.ModelBackend")
    console_page = client.get(f"/admin/usage/job/{job.pk}/change/").content.decode()
    assert "nothing is charged yet" in console_page
    assert "(an estimate)" in console_page
    alice = User.objects.get(username="alice")
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("insights:job", args=[job.pk])).content.decode()
    assert "(an estimate)" in page
    home = client.get(reverse("insights:home")).content.decode()
    assert "Running now" in home
    assert "≈" in home
    listed = client.get(reverse("insights:usage") + "?period=month").content.decode()
    assert "so far" in listed
