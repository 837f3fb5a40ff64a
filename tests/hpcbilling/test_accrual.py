"""What a month earned that no document asks for: unbilled charges, and work that still ran."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Period, Project
from accounts.periods import period_of
from hpcbilling.closing import close_period
from hpcbilling.closing.accrual import Accrual, accrual
from receipts.models import Receipt
from receipts.services import create_receipt
from tests import scenes
from tests.console import streamed, url, visitor
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import flat, publish, slabs
from usage.models import Cluster, ImportRun

pytestmark = pytest.mark.django_db
MONTH = date(2026, 10, 1)
END = datetime(2026, 10, 15, 12, tzinfo=UTC)
MONTH_END = datetime(2026, 10, 31, 17, tzinfo=UTC)
TRES = "cpu=4,mem=8192M,node=1"


def build() -> tuple[Project, Cluster]:
    """A project and a cluster with a job that cost 4."""
    publish(flat("cpu", "1"), flat("mem", "0"))
    project, cluster = make_project("genomics"), make_cluster()
    import_rows(cluster, Row(1, end=END))
    return project, cluster


priced = scenes.standing(build)


@pytest.fixture
def genomics(priced: tuple[Project, Cluster]) -> Project:
    return priced[0]


@pytest.fixture
def cluster(priced: tuple[Project, Cluster]) -> Cluster:
    return priced[1]


def figures(found: Accrual) -> list[tuple[str, str, Decimal, Decimal]]:
    return [(line.project.code, line.resource, line.unbilled, line.running) for line in found.lines]


def now() -> list[tuple[str, str, Decimal, Decimal]]:
    return figures(accrual(period_of(MONTH)))


@pytest.mark.usefixtures("cluster")
def test_what_is_charged_and_on_no_issued_document() -> None:
    assert now() == [("genomics", "cpu", Decimal(4), Decimal(0))]
    assert accrual(period_of(date(2026, 9, 1))).lines == ()


@pytest.mark.usefixtures("cluster")
def test_what_was_billed_within_the_month_is_not_in_it_but_what_was_billed_later_is(
    genomics: Project,
) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert now() == [("genomics", "cpu", Decimal(4), Decimal(0))]
    november = accrual(period_of(date(2026, 11, 1)))
    assert figures(november) == []
    assert Receipt.objects.get(pk=receipt.pk).issued_at is not None


def test_late_usage_is_in_the_month_that_it_is_booked_into(cluster: Cluster) -> None:
    close_period(month=MONTH, actor=SYSTEM)
    import_rows(cluster, Row(2, end=END, tres="cpu=10,mem=1024M,node=1"))
    assert now() == [("genomics", "cpu", Decimal(4), Decimal(0))]
    assert figures(accrual(period_of(date(2026, 11, 1)))) == [
        ("genomics", "cpu", Decimal(14), Decimal(0))
    ]


def test_a_job_that_went_on_counts_by_its_time_before_the_months_end(cluster: Cluster) -> None:
    import_rows(cluster, Row(2, end=MONTH_END + timedelta(hours=6), seconds=24 * 3600, tres=TRES))
    assert now() == [("genomics", "cpu", Decimal(4), Decimal(72))]
    found = accrual(period_of(MONTH))
    assert (found.jobs, found.unpriced) == (1, 0)
    assert [(sum_.currency, sum_.total) for sum_ in found.sums] == [("THB", Decimal(76))]


def test_a_job_that_still_runs_counts_by_what_it_comes_to_so_far(cluster: Cluster) -> None:
    """It was seen ten hours after its start, of which four lie before the month's end."""
    end = MONTH_END + timedelta(hours=6)
    import_rows(cluster, Row(2, end=end, seconds=36_000, tres=TRES, state="RUNNING"))
    run = ImportRun.objects.latest("pk")
    with_seen = (run.created_at - (end - timedelta(hours=10))) / timedelta(hours=1)
    wanted = (Decimal(40) * 4 / Decimal(with_seen)).quantize(Decimal("0.01"))
    (line,) = accrual(period_of(MONTH)).lines
    assert abs(line.running - wanted) <= Decimal("0.01")
    assert 0 < line.running < 40


def test_a_running_job_by_slabs_belongs_to_the_project_that_pays(cluster: Cluster) -> None:
    publish(slabs("cpu", ("5", "2"), (None, "1")), flat("mem", "0"))
    import_rows(cluster, Row(2, end=END + timedelta(days=1), tres=TRES, state="RUNNING"))
    found = accrual(period_of(MONTH))
    assert found.jobs == 1
    assert [line.project.code for line in found.lines if line.running] == ["genomics"]


def test_running_work_without_a_price_is_told_of(cluster: Cluster) -> None:
    import_rows(cluster, Row(2, end=END, account="nowhere", state="RUNNING"))
    found = accrual(period_of(MONTH))
    assert (found.jobs, found.unpriced) == (1, 1)
    assert now() == [("genomics", "cpu", Decimal(4), Decimal(0))]


@pytest.mark.usefixtures("cluster")
def test_the_page_and_the_file_say_the_same() -> None:
    clerk = visitor("finance")
    period = Period.objects.get(month=MONTH)
    page = clerk.get(url(period, "accrues", period.pk))
    assert "4.00" in page.content.decode()
    text = streamed(clerk.get(url(period, "accrues", period.pk), {"csv": ""}))
    assert text.splitlines()[1] == ("2026-10,genomics,Genomics,,cpu,CPU,THB,4.00,0.00,4.00")
    assert visitor("operator").get(url(period, "accrues", period.pk)).status_code == 403
