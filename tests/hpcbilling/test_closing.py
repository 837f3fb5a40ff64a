"""A month closes when all of it is explained, or when a named person says why not."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Period, Project
from accounts.periods import period_of
from core.actor import Actor
from core.errors import Conflict, Invalid
from hpcbilling import workflows
from hpcbilling.closing import Finding, close_period, true_up_all, true_ups, unexplained
from hpcbilling.closing.findings import told
from hpcbilling.closing.seal import seal_of
from hpcbilling.closing.services import Unexplained
from insights.journal import journal
from insights.models import LedgerAccount
from pricing.models import Charge
from pricing.replacing import reverse_and_replace
from pricing.selectors import live_charges
from receipts.services import draft_receipt
from tests import scenes
from tests.console import last_event
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    make_user,
    sacct,
)
from tests.pricing.lists import flat, publish, split
from usage.models import Cluster, Reconciliation, Source
from usage.services import prepare_import, run_import

pytestmark = pytest.mark.django_db
MONTH = date(2026, 10, 1)
END = datetime(2026, 10, 15, 12, tzinfo=UTC)
BAD = Row(99, extra={"ElapsedRaw": "an hour"})
PRICES = (flat("cpu", "1"), flat("mem", "0"))


def build() -> tuple[Project, Cluster]:
    """One priced job of October, and nothing that waits."""
    publish(*PRICES)
    project, cluster = make_project("genomics"), make_cluster()
    import_rows(cluster, Row(1, end=END))
    workflows.rate_pending(actor=SYSTEM)
    assert found() == {}
    return project, cluster


priced = scenes.standing(build)


@pytest.fixture
def genomics(priced: tuple[Project, Cluster]) -> Project:
    return priced[0]


@pytest.fixture
def cluster(priced: tuple[Project, Cluster]) -> Cluster:
    return priced[1]


@pytest.fixture
def unused() -> Project:
    """A project whose jobs would have a price, and that has none."""
    publish(*PRICES)
    return make_project("genomics")


def findings() -> list[Finding]:
    return unexplained(period_of(MONTH))


def found() -> dict[str, int]:
    return {finding.code.value: finding.count for finding in findings()}


def test_a_job_without_a_price(cluster: Cluster) -> None:
    import_rows(cluster, Row(2, end=END, account="nowhere"), Row(3, end=END, account="nowhere"))
    (finding,) = findings()
    assert (finding.code, finding.count) == ("unpriced", 2)
    assert "2 jobs have no price" in finding.text
    assert finding.url == "/admin/pricing/jobrating/"
    import_rows(cluster, Row(4, end=END + timedelta(days=31), account="nowhere"))
    assert found() == {"unpriced": 2}


def test_rows_that_cannot_be_read_and_the_jobs_held_back_with_them(cluster: Cluster) -> None:
    import_rows(cluster, Row(2, end=END), BAD)
    assert found() == {"quarantined": 1, "held": 1}
    assert "Look at what is missing" in findings()[1].text


def test_a_file_of_another_month_is_another_months_matter(cluster: Cluster) -> None:
    run = import_rows(cluster, Row(2, end=END + timedelta(days=31)), BAD).run
    assert (run.quarantined, found()) == (1, {})


def test_jobs_that_were_not_rated_yet(cluster: Cluster) -> None:
    run = prepare_import(
        cluster=cluster, stream=io.BytesIO(sacct(Row(2, end=END))), origin="x", actor=SYSTEM,
        confirmed=True,
    )  # fmt: skip
    run_import(run_id=run.pk, actor=SYSTEM)
    assert found() == {"unrated": 1}


@pytest.mark.usefixtures("cluster")
def test_prices_that_changed_since_the_jobs_were_rated() -> None:
    publish(flat("cpu", "5"), flat("mem", "0"))
    assert set(found()) == {"recheck"}
    workflows.rate_pending(actor=SYSTEM)
    assert found() == {}


def test_a_job_that_changed_while_it_is_on_a_document(genomics: Project, cluster: Cluster) -> None:
    draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    import_rows(cluster, Row(1, end=END, tres="cpu=8,mem=8192M,node=1"))
    assert found() == {"due": 1}
    assert "changed after it was billed" in findings()[0].text


def test_a_share_without_a_charge(genomics: Project, cluster: Cluster) -> None:
    grant = make_project("grant")
    split(genomics, (genomics, "75"), (grant, "25"))
    import_rows(cluster, Row(2, end=END))
    workflows.rate_pending(actor=SYSTEM)
    draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    import_rows(cluster, Row(2, end=END, tres="cpu=8,mem=8192M,node=1"))
    assert found() == {"due": 1}
    reverse_and_replace(charges=list(live_charges().filter(project=grant)), actor=SYSTEM)
    assert found() == {"shares": 1}


@pytest.mark.usefixtures("cluster")
def test_what_has_no_ledger_account_while_it_can_still_get_one() -> None:
    revenue = LedgerAccount.objects.filter(role="revenue")
    revenue.update(ends_on=MONTH)
    (finding,) = findings()
    assert (finding.code, finding.count) == ("unmapped", 1)
    assert "has no ledger account. Add one now" in finding.text
    assert finding.url == "/admin/insights/journalexport/journal/?month=2026-10"
    for actor, reason in ((SYSTEM, ""), (Actor.of(make_user("clerk")), "it must close")):
        with pytest.raises(Unexplained, match="no ledger account"):
            close_period(month=MONTH, actor=actor, reason=reason)
    LedgerAccount.objects.create(role="revenue", detail="cpu", account="4200", starts_on=MONTH)
    assert found() == {}
    close_period(month=MONTH, actor=SYSTEM)
    assert {line.account for line in journal(MONTH)} == {"1130", "4200"}


def test_days_that_were_not_read(cluster: Cluster) -> None:
    Cluster.objects.update(reads_from=date(2026, 10, 30))
    (finding,) = findings()
    assert (finding.code, finding.count, finding.cluster) == ("unread", 2, "alpha")
    assert finding.text.startswith("alpha: 2 days were not read whole.")
    assert finding.url == f"/admin/usage/cluster/{cluster.pk}/calendar/?month=2026-10"
    Cluster.objects.update(reads_from=date(2026, 11, 2))
    assert found() == {}


def test_a_cluster_that_was_not_compared_with_slurm(cluster: Cluster) -> None:
    Source.objects.create(cluster=cluster, kind="sacct", place="here")
    assert found() == {"uncompared": 1}
    period = period_of(MONTH)
    values: dict[str, Any] = {"cluster": cluster, "start": period.starts_at, "end": period.ends_at}
    early = period.ends_at - timedelta(days=2)
    Reconciliation.objects.create(**values, until=early, outcome="agreed")
    assert found() == {"uncompared": 1}
    Reconciliation.objects.create(**values, until=period.ends_at, outcome="failed", error="no")
    assert found() == {"failed": 1}
    Reconciliation.objects.create(
        **values, until=period.ends_at, outcome="unexplained", unexplained=7, jobs_differing=7
    )
    (finding,) = findings()
    assert (finding.code, finding.count) == ("differs", 7)
    Reconciliation.objects.create(**values, until=period.ends_at, outcome="agreed")
    assert found() == {}


# Closing


@pytest.mark.usefixtures("cluster")
def test_a_month_that_is_explained_closes(genomics: Project) -> None:
    period = close_period(month=MONTH, actor=SYSTEM)
    assert (period.is_closed, period.override_reason) == (True, "")
    assert period.seal == seal_of(Period.objects.get(month=MONTH))
    assert period.seal["charges"] == Charge.objects.filter(project=genomics).count() == 2
    assert close_period(month=MONTH, actor=SYSTEM) == period


def test_it_is_rated_first(cluster: Cluster) -> None:
    publish(flat("cpu", "5"), flat("mem", "0"))
    close_period(month=MONTH, actor=SYSTEM)
    assert [charge.amount for charge in live_charges().filter(resource="cpu")] == [20]


def test_what_is_unexplained_is_refused_unless_a_person_says_why(cluster: Cluster) -> None:
    import_rows(cluster, Row(2, end=END, account="nowhere"))
    with pytest.raises(Unexplained, match="1 job has no price") as refusal:
        close_period(month=MONTH, actor=SYSTEM)
    assert [finding.code for finding in refusal.value.findings] == ["unpriced"]
    with pytest.raises(Invalid, match="name of a person"):
        close_period(month=MONTH, actor=SYSTEM, reason="it waits for a grant")
    alice = make_user("alice")
    period = close_period(month=MONTH, actor=Actor.of(alice), reason="it waits for a grant")
    assert (period.closed_by, period.override_reason) == (alice, "it waits for a grant")
    assert [told(finding) for finding in period.overridden] == [
        "1 job has no price. Give it a project, a tier or a price, or exempt it."
    ]
    assert last_event("period.closed")["overridden"] == [{"code": "unpriced", "count": 1}]


def test_what_was_let_pass_is_not_told_again_but_what_came_since_is(cluster: Cluster) -> None:
    import_rows(cluster, Row(2, end=END, account="nowhere"))
    close_period(month=MONTH, actor=Actor.of(make_user("alice")), reason="it waits for a grant")
    november = period_of(date(2026, 11, 1))
    assert unexplained(november) == []
    import_rows(cluster, Row(3, end=END, account="nowhere"))
    assert [finding.count for finding in unexplained(november)] == [1]


@pytest.mark.usefixtures("cluster")
def test_a_reason_with_nothing_to_override_is_refused() -> None:
    with pytest.raises(Invalid, match="Nothing stands against"):
        close_period(month=MONTH, actor=Actor.of(make_user("alice")), reason="why not")
    with pytest.raises(Conflict, match="not ended"):
        close_period(month=date(2099, 1, 1), actor=SYSTEM)


# True-ups


def test_all_projects_are_trued_up_once_and_late_months_once_more(
    unused: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(*PRICES, commitment=Decimal(100))
    make_project("idle")
    make_project("other", tier="gov")
    cluster = make_cluster()
    import_rows(cluster, Row(1, end=END))
    seen: list[tuple[int, int]] = []
    done = true_up_all(
        month=MONTH, actor=SYSTEM, progress=lambda done, total: seen.append((done, total))
    )
    assert (done.projects, done.charged, done.amounts) == (2, 2, {"THB": Decimal(196)})
    assert seen == [(1, 2), (2, 2)]
    again = true_up_all(month=MONTH, actor=SYSTEM)
    assert (again.projects, again.charged) == (2, 0)
    close_period(month=MONTH, actor=SYSTEM)
    import_rows(cluster, Row(2, end=END), Row(3, end=END + timedelta(days=31)))
    late = live_charges().filter(period=date(2026, 11, 1), resource="cpu").order_by("job_end")
    assert [charge.job_end for charge in late] == [END, END + timedelta(days=31)]
    monkeypatch.setattr(true_ups, "true_up", lambda **asked: looked_at.append(asked))
    looked_at: list[dict[str, Any]] = []
    true_up_all(month=date(2026, 11, 1), actor=SYSTEM)
    months = [(asked["project_id"], asked["month"]) for asked in looked_at]
    assert months[0] == (unused.pk, MONTH)
    assert {month for _project, month in months[1:]} == {date(2026, 11, 1)}


def test_a_true_up_that_no_account_takes_stands_against_closing(unused: Project) -> None:
    publish(*PRICES, commitment=Decimal(100))
    import_rows(make_cluster(), Row(1, end=END))
    LedgerAccount.objects.filter(role="revenue").update(detail="cpu")
    workflows.rate_pending(actor=SYSTEM)
    assert found() == {}
    with pytest.raises(Unexplained, match="no ledger account"):
        close_period(month=MONTH, actor=SYSTEM)
    assert not period_of(MONTH).is_closed


def test_where_no_list_asks_for_it_no_project_is_looked_at(cluster: Cluster) -> None:
    assert true_up_all(month=MONTH, actor=SYSTEM).projects == 0


def test_the_seal_tells_any_change(cluster: Cluster) -> None:
    period = close_period(month=MONTH, actor=SYSTEM)
    sealed = json.loads(json.dumps(seal_of(period)))
    assert sealed == period.seal
    assert set(sealed) == {"charges", "amounts", "sha256"}
