"""Jobs that are on documents and come out otherwise: what is corrected at once, and what waits."""

import pytest
from django.db import connection
from django.db.models import Sum

from accounts.models import Project
from hpcbilling.workflows import rate_pending
from pricing.models import JobRating
from pricing.selectors import live_charges
from receipts.selectors import uncredited_reversals
from receipts.services import (
    create_receipt,
    discard_draft,
    draft_receipt,
    issue_receipt,
    void_receipt,
)
from receipts.services.corrections import correct_jobs
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import split
from tests.pricing.test_due import change_tier, cpu_prices, due, due_by_comparing_everything
from usage.models import Cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def genomics() -> Project:
    return make_project("genomics")


@pytest.fixture
def cluster(genomics: Project) -> Cluster:
    return make_cluster()


def test_a_billed_job_that_changed_is_corrected_once_and_its_reversal_waits_for_a_note(
    genomics: Project, cluster: Cluster
) -> None:
    import_rows(cluster, Row(1), Row(2))
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    outcome = import_rows(cluster, Row(1, tres="cpu=8,node=1")).rating
    assert (outcome.waiting, outcome.rated, outcome.charges) == (0, 1, 3)
    import_rows(cluster, Row(1, tres="cpu=8,node=1"))
    assert rate_pending(actor=SYSTEM).charges == 0
    assert due() == due_by_comparing_everything() == set()
    back = uncredited_reversals()
    assert {row.reverses.job.job_id for row in back if row.reverses and row.reverses.job} == {1}
    now = live_charges().get(job__job_id=1)
    assert (now.quantity, now.generation) == (8 * 3600, 2)
    assert receipt.lines.aggregate(sum=Sum("amount"))["sum"] == receipt.net_amount
    connection.check_constraints()


def test_a_job_on_a_draft_waits_and_is_corrected_when_that_is_issued(
    genomics: Project, cluster: Cluster
) -> None:
    import_rows(cluster, Row(1), Row(2))
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert import_rows(cluster, Row(1, tres="cpu=8,node=1")).rating.waiting == 1
    for _round in range(2):
        assert due() == due_by_comparing_everything() == {1}
        outcome = rate_pending(actor=SYSTEM)
        assert (outcome.waiting, outcome.charges) == (1, 0)
    issue_receipt(receipt_id=draft.pk, actor=SYSTEM)
    assert rate_pending(actor=SYSTEM).rated == 1
    assert due() == due_by_comparing_everything() == set()
    assert uncredited_reversals().count() == 2
    connection.check_constraints()


def test_what_only_prices_say_waits_for_a_person(genomics: Project, cluster: Cluster) -> None:
    import_rows(cluster, Row(1))
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    change_tier(genomics)
    assert rate_pending(actor=SYSTEM).waiting == 1
    assert cpu_prices() == ["0.75"]
    job = JobRating.objects.get(due=True).pk
    assert correct_jobs(job_ids=[job], actor=SYSTEM).rated == 1
    assert cpu_prices() == ["3.00"]
    assert correct_jobs(job_ids=[job], actor=SYSTEM).charges == 0
    assert uncredited_reversals().count() == 2
    assert due() == due_by_comparing_everything() == set()
    connection.check_constraints()


def test_a_person_does_not_correct_what_is_on_a_draft(genomics: Project, cluster: Cluster) -> None:
    import_rows(cluster, Row(1))
    draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    change_tier(genomics)
    rate_pending(actor=SYSTEM)
    job = JobRating.objects.get(due=True).pk
    assert correct_jobs(job_ids=[job], actor=SYSTEM).waiting == 1
    assert cpu_prices() == ["0.75"]


def test_of_a_job_in_shares_one_draft_holds_all(genomics: Project, cluster: Cluster) -> None:
    climate = make_project("climate")
    split(genomics, (genomics, "50"), (climate, "50"))
    import_rows(cluster, Row(1))
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    draft = draft_receipt(project_id=climate.pk, window=OCTOBER, actor=SYSTEM)
    assert import_rows(cluster, Row(1, tres="cpu=8,node=1")).rating.waiting == 1
    discard_draft(receipt_id=draft.pk, actor=SYSTEM)
    assert rate_pending(actor=SYSTEM).rated == 1
    assert {row.project for row in uncredited_reversals()} == {genomics}
    assert {row.quantity for row in live_charges()} == {4 * 3600}
    connection.check_constraints()


def test_a_job_of_which_one_share_became_void_ends_clean(
    genomics: Project, cluster: Cluster
) -> None:
    climate = make_project("climate")
    split(genomics, (genomics, "50"), (climate, "50"))
    import_rows(cluster, Row(1))
    first = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    draft = draft_receipt(project_id=climate.pk, window=OCTOBER, actor=SYSTEM)
    import_rows(cluster, Row(1, tres="cpu=8,node=1"))
    void_receipt(receipt_id=first.pk, actor=SYSTEM, reason="the job changed")
    assert rate_pending(actor=SYSTEM).waiting == 1, "the other share is on a draft"
    issue_receipt(receipt_id=draft.pk, actor=SYSTEM)
    assert rate_pending(actor=SYSTEM).rated == 1
    assert due() == due_by_comparing_everything() == set()
    assert {row.project for row in uncredited_reversals()} == {climate}
    shares = live_charges().values_list("project__code", "quantity")
    assert set(shares) == {("genomics", 4 * 3600), ("climate", 4 * 3600)}
    connection.check_constraints()
