"""The demo's data: real rows multiplied without breaking them, made once, only where it belongs."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import QuerySet

from accounts.models import Period, Project, User
from accounts.periods import period_of
from audit.models import AuditEvent
from audit.selectors import verify_chain
from core.actor import Actor
from hpcbilling.books.results import breaks_by_check
from hpcbilling.closing import month_end
from hpcbilling.closing.findings import Code, unexplained
from hpcbilling.demo import closed, jobs, people, story
from hpcbilling.demo.accounts import CLUSTERS, DEMO, create_people
from hpcbilling.demo.generator import table
from hpcbilling.demo.money import Office
from hpcbilling.demo.recordings import submissions
from payments.models import OfficialCancellation, Refund
from payments.selectors import mismatches
from pricing.models import Charge, JobRating
from receipts.cases import case_rows, cases
from receipts.models import BillingRun, Receipt
from receipts.reviewing import progress_of
from receipts.services import runs
from tests.nights import pull_cluster
from usage.models import Cluster, Evidence, ImportRun, Job
from usage.selectors import runs_waiting
from usage.sources.sacct import Parsed, SacctReader

NOON = datetime(2026, 11, 20, 5, tzinfo=UTC)
THIN = 0.15


def running() -> QuerySet[Job]:
    return Job.objects.filter(start__isnull=False, end=None)


@pytest.fixture
def drop_root(settings: LazySettings, tmp_path: Path) -> Iterator[Path]:
    """Where files are dropped, at a fixed noon: what the generator makes follows from the day."""
    settings.DROP_FOLDER_ROOT = tmp_path
    with time_machine.travel(NOON):
        yield tmp_path


def read(content: bytes) -> list[Parsed]:
    return list(SacctReader(io.BytesIO(content), now=NOON))


def identities(rows: list[Parsed]) -> set[tuple[int, datetime]]:
    return {(row.job.job_id, row.job.submit) for row in rows if row.job}


@pytest.fixture(scope="module")
def whole() -> jobs.Usage:
    return jobs.Usage(NOON)


@pytest.mark.parametrize("version", CLUSTERS.values())
def test_every_recorded_row_is_used(version: str) -> None:
    rows = [row for item in submissions(version) for row in item.rows]
    assert len(rows) == {"22.05": 78, "25.05": 80}[version]
    assert len({(row["JobIDRaw"], row["Submit"]) for row in rows}) == len(rows)
    assert any("_" in row["JobID"] for row in rows)
    assert any("+" in row["JobID"] for row in rows)


def test_the_same_moment_gives_the_same_bytes(whole: jobs.Usage) -> None:
    again = jobs.Usage(NOON)
    for name in CLUSTERS:
        assert again.history(name) == whole.history(name)
    assert jobs.Usage(NOON.replace(day=19)).history("demo") != whole.history("demo")


def test_multiplied_rows_are_as_consistent_as_recorded_ones(whole: jobs.Usage) -> None:
    rows = [row for name in CLUSTERS for row in read(whole.history(name))]
    assert {row.kind for row in rows} == {"job"}
    assert 5000 < len(rows) < 7000
    found = [row.job for row in rows if row.job is not None]
    assert all(job.end is None or job.end <= whole.snapshot_at for job in found)
    assert 0 < sum(job.end is None for job in found) < 40
    states = {job.state for job in found}
    assert {"COMPLETED", "FAILED", "TIMEOUT", "REQUEUED", "PREEMPTED", "NODE_FAIL"} <= states
    # An instance of each submission keeps its own ids: no job attempt occurs twice.
    for name in CLUSTERS:
        attempts = [(row["JobIDRaw"], row["Submit"]) for row in whole.rows[name]]
        assert len(set(attempts)) == len(attempts)


def test_sizes_fit_on_the_nodes(whole: jobs.Usage) -> None:
    for row in whole.rows["demo"]:
        assert int(row["NCPUS"]) <= 64 * int(row["NNodes"])


def test_working_days_are_busier(whole: jobs.Usage) -> None:
    counts = [0] * 7
    for row in whole.rows["demo"]:
        submitted = datetime.fromtimestamp(int(row["Submit"]), whole.zone)
        counts[submitted.weekday()] += 1
    assert max(counts[5:]) < 0.6 * min(counts[:5])


def test_the_incomplete_file_has_one_bad_row(whole: jobs.Usage) -> None:
    rows = read(whole.incomplete())
    assert len(rows) == 12
    bad = [row.reason for row in rows if row.kind == "bad"]
    assert bad == ["end_before_start"]
    elsewhere = identities(read(whole.history(jobs.HELD_ON)))
    assert len(identities(rows)) == 11
    assert not elsewhere & identities(rows)


def test_the_update_ends_what_was_running(whole: jobs.Usage) -> None:
    before = read(whole.history("demo"))
    running = identities([row for row in before if row.job and row.job.end is None])
    assert identities(read(table(whole.update("demo")))) & running


@pytest.mark.django_db
def test_the_demo_has_something_in_every_queue(drop_root: Path) -> None:
    assert story.seed(density=THIN)
    assert ImportRun.objects.filter(status="complete").count() == 3
    assert Evidence.objects.count() == 4
    assert [run.quarantined for run in runs_waiting()] == [1]
    reasons = set(JobRating.objects.filter(status="unpriced").values_list("reason", flat=True))
    assert {"no_tier"} <= reasons <= {"no_tier", "no_project"}
    assert running().exists()
    assert {receipt.status for receipt in Receipt.objects.all()} == {
        "draft", "issued", "part_paid", "paid", "void", "written_off",
    }  # fmt: skip
    # The database's own clock is not stopped as the test's is: charges look later than closings;
    # and the log is chained at commit, which a test's transaction never comes to.
    broken = {name for name, count in breaks_by_check().items() if count}
    assert broken <= {"periods", "audit_chain"}
    assert Refund.objects.filter(status="requested").exists()
    assert OfficialCancellation.objects.exists()
    assert [event.reason for event in mismatches()] == ["amount"]
    assert Charge.objects.filter(job__account="cfd_legacy", project__code="pi_wichai").exists()
    assert Charge.objects.filter(job__account="", project__owner__username="prasert").exists()
    niran = Charge.objects.filter(project__code="pi_niran", reverses=None)
    tiers = set(niran.values_list("rate__price_list__tier__code", flat=True))
    assert tiers == {"mu", "gov"}
    prices = Charge.objects.filter(project__code="pi_suda", resource="cpu", reverses=None)
    assert set(prices.values_list("unit_price", flat=True)) == {Decimal("0.75"), Decimal("0.80")}
    connection.check_constraints()
    assert verify_chain().broken is None

    before = state()
    assert not story.seed(density=THIN)
    assert state() == before

    cluster = Cluster.objects.get(name="demo")
    was_running = running().filter(cluster=cluster).count()
    pull = pull_cluster(cluster, DEMO)
    files = len(list((drop_root / "demo").iterdir()))
    assert pull is not None
    assert (pull.error, pull.files) == ("", files)
    assert (running().filter(cluster=cluster).count() < was_running) is (files == 1)


@pytest.mark.django_db
def test_a_clerk_can_close_the_last_month(drop_root: Path) -> None:
    assert story.seed(density=THIN)
    last = date(2026, 10, 1)
    before = Period.objects.filter(month__lt=last)
    assert {(period.status, period.override_reason) for period in before} == {
        ("closed", closed.REASON)
    }
    assert {progress_of(run).is_done for run in BillingRun.objects.all()} == {True}
    # What stands against it is what the reason tells of.
    assert {finding.code for finding in unexplained(period_of(last))} == {Code.UNPRICED}
    ratings = JobRating.objects.filter(status="unpriced", job__end__lt=period_of(last).ends_at)
    assert set(ratings.values_list("job__account", flat=True)) == {"pi_kamon"}
    run = month_end.close_and_draft(
        period=last,
        actor=Actor.of(User.objects.get(username="clerk")),
        override_reason=closed.REASON,
    )
    assert progress_of(run).to_approve >= 4
    assert not progress_of(run).problems

    clerk2 = Actor.of(User.objects.get(username="clerk2"))
    seen = runs.seen_in(runs.to_approve(clerk2).filter(run=run))
    runs.approve(seen=seen, actor=clerk2)
    runs.issue_approved(run_id=run.pk)
    call_command("import_usage", "demo", path=str(drop_root / "changed.psv"), as_of=NOON)
    (case,) = (
        case for case in cases(case_rows(state="documented")) if case.project.code == "pi_niran"
    )
    assert case.after < case.before
    assert case.notes
    assert case.receipts


def state() -> list[int]:
    models = (AuditEvent, User, Project, Job, Charge, Receipt, ImportRun)
    return [model.objects.count() for model in models]


@pytest.mark.django_db
def test_a_making_that_broke_off_goes_on(drop_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(self: Office) -> None:
        self._pay_online(self._receipt("pi_suda", self.first, self.suda), self.suda)
        raise OSError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(Office, "work", power_cut)
        with pytest.raises(OSError, match="power cut"):
            story.seed(density=THIN)
    people_and_jobs = (User.objects.count(), Job.objects.count(), ImportRun.objects.count())
    assert story.seed(density=THIN)
    # The file with changed jobs comes last; nothing else is imported again.
    users, known, imports = people_and_jobs
    again = (User.objects.count(), Job.objects.count(), ImportRun.objects.count())
    assert again == (users, known, imports + 1)
    paid = Receipt.objects.filter(project__code="pi_suda", status="paid")
    assert paid.count() == 1


@pytest.mark.django_db
def test_the_demo_stays_out_of_production_and_of_other_peoples_data(
    settings: LazySettings, drop_root: Path
) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="not in production"):
        call_command("seed_demo")
    settings.PRODUCTION = False
    User.objects.create_user("charlie")
    with pytest.raises(CommandError, match="nothing is done"):
        call_command("seed_demo")
    assert not Cluster.objects.exists()


@pytest.mark.django_db
def test_each_login_that_is_shown_works() -> None:
    create_people()
    shown = people.logins()
    for person in people.PEOPLE:
        assert (f"  {person.username} " in shown) is bool(person.password)
        user = User.objects.get(username=person.username)
        assert user.check_password(person.password) is bool(person.password)
    assert {person.role for person in people.PEOPLE if person.role} == {
        "admin", "finance", "auditor", "operator",
    }  # fmt: skip
    staff = set(User.objects.filter(is_staff=True).values_list("username", flat=True))
    assert staff == {person.username for person in people.PEOPLE if person.role}
