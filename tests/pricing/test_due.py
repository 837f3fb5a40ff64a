"""No job is missed: what rating looks for is all that a comparison of everything would find."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, ProjectTier, Tier
from core.actor import Actor
from hpcbilling.workflows import rate_pending, release_and_rate
from pricing import rating
from pricing.models import Charge, JobRating, RatedRun, RatingReason, Recheck
from pricing.rating import rate_run
from pricing.selectors import jobs_to_rate, live_charges, runs_to_rate
from receipts.selectors import on_documents
from receipts.services import create_receipt, discard_draft, draft_receipt, void_receipt
from tests.factories import (
    LONG_AGO,
    OCTOBER,
    SYSTEM,
    Row,
    exempt,
    import_rows,
    latest_run,
    make_cluster,
    make_project,
    make_user,
    sacct,
)
from tests.rules.attacks.making import copy_of, negation
from usage.models import AccountMapping, Cluster, Exemption, ImportRun, Job
from usage.selectors import free_jobs
from usage.services import prepare_import, run_import

pytestmark = pytest.mark.django_db
BROKEN = Row(99, tres="cpu=x")


def due() -> set[int]:
    return set(jobs_to_rate().values_list("job_id", flat=True))


def due_by_comparing_everything() -> set[int]:
    unlike = Q(rating=None) | ~Q(rating__job_revision=F("revision")) | Q(rating__reason="changed")
    return set(free_jobs().filter(unlike).values_list("job_id", flat=True))


def bring(cluster: Cluster, *rows: Row) -> ImportRun:
    """Import without rating."""
    run = prepare_import(cluster=cluster, stream=io.BytesIO(sacct(*rows)), origin="x", actor=SYSTEM)
    return run_import(run_id=run.pk, actor=SYSTEM)


@pytest.fixture
def genomics() -> Project:
    return make_project("genomics")


@pytest.fixture
def cluster(genomics: Project) -> Cluster:
    return make_cluster()


def test_jobs_are_due_once_their_import_is_complete_and_then_no_more(cluster: Cluster) -> None:
    run = bring(cluster, Row(1), Row(2, state="RUNNING"))
    assert due() == due_by_comparing_everything() == {1}
    assert list(runs_to_rate()) == [run]
    assert rate_pending(actor=SYSTEM).rated == 1
    assert due() == due_by_comparing_everything() == set()
    assert RatedRun.objects.get().run == run


def test_a_pass_with_nothing_to_do_reads_no_job(cluster: Cluster) -> None:
    import_rows(cluster, Row(1), Row(2, account="nobody"))
    rate_pending(actor=SYSTEM)
    with CaptureQueriesContext(connection) as asked:
        rate_pending(actor=SYSTEM)
    assert len(asked) <= 5
    assert not [query for query in asked if "usage_job" in query["sql"]]


def test_an_incomplete_import_waits_and_its_release_makes_its_jobs_due(cluster: Cluster) -> None:
    run = bring(cluster, Row(1), BROKEN)
    assert due() == set()
    assert rate_run(run_id=run.pk, actor=SYSTEM, billed=on_documents).rated == 0
    assert not RatedRun.objects.exists()
    clerk = Actor.of(make_user("clerk"))
    assert release_and_rate(run_id=run.pk, actor=clerk, reason="known").rated == 1
    assert RatedRun.objects.get().run == run


def test_a_job_that_a_later_import_confirms_is_found_there(cluster: Cluster) -> None:
    bring(cluster, Row(1), BROKEN)
    bring(cluster, Row(1))
    assert due() == due_by_comparing_everything() == {1}
    assert rate_pending(actor=SYSTEM).rated == 1


def test_a_job_that_changes_is_found_by_the_import_that_changed_it(cluster: Cluster) -> None:
    import_rows(cluster, Row(1), Row(2))
    bring(cluster, Row(1, tres="cpu=8,node=1"))
    assert due() == due_by_comparing_everything() == {1}
    assert rate_pending(actor=SYSTEM).rated == 1
    assert due() == due_by_comparing_everything() == set()


def test_a_job_that_changes_between_two_batches_is_not_missed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rating, "BATCH_JOBS", 1)
    run = bring(cluster, Row(1), Row(2), Row(3))
    done: list[int] = []

    def change(count: int) -> None:
        if not done:
            bring(cluster, Row(1, tres="cpu=8,node=1"), Row(3, tres="cpu=8,node=1"))
        done.append(count)

    rate_run(run_id=run.pk, actor=SYSTEM, billed=on_documents, looked_at=change)
    assert due() == due_by_comparing_everything() == {1}
    assert rate_pending(actor=SYSTEM).rated == 1
    cpu = live_charges().filter(resource="cpu").order_by("job__job_id")
    assert [charge.quantity // 3600 for charge in cpu] == [8, 4, 8]
    assert RatedRun.objects.count() == 2


class Killed(BaseException):
    """What no code catches."""


def test_a_worker_that_dies_between_two_batches_leaves_the_rest_due(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rating, "BATCH_JOBS", 2)
    run = bring(cluster, *(Row(number) for number in range(1, 6)))

    def die(_count: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        rate_run(run_id=run.pk, actor=SYSTEM, billed=on_documents, looked_at=die)
    assert due() == due_by_comparing_everything() == {3, 4, 5}
    assert rate_pending(actor=SYSTEM).rated == 3
    assert Charge.objects.count() == 10


def test_an_import_with_unrated_jobs_is_not_marked_whatever_the_program_thinks(
    cluster: Cluster,
) -> None:
    run = bring(cluster, Row(1))
    with pytest.raises(IntegrityError, match="not rated as they are"), transaction.atomic():
        RatedRun.objects.create(run=run)


def test_a_draft_that_is_discarded_lets_its_changed_jobs_go(
    genomics: Project, cluster: Cluster
) -> None:
    import_rows(cluster, Row(1))
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    import_rows(cluster, Row(1, tres="cpu=8,node=1"))
    discard_draft(receipt_id=draft.pk, actor=SYSTEM)
    assert rate_pending(actor=SYSTEM).rated == 1
    assert not JobRating.objects.filter(due=True).exists()


def test_a_job_that_changed_in_nothing_priced_keeps_its_charges_billed_or_not(
    genomics: Project, cluster: Cluster
) -> None:
    import_rows(cluster, Row(1))
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    outcome = import_rows(cluster, Row(1, state="FAILED")).rating
    assert (outcome.waiting, outcome.charges, outcome.rated) == (0, 0, 1)
    rated = JobRating.objects.get()
    assert (rated.job_revision, rated.generation, rated.due) == (2, 1, False)
    assert due() == due_by_comparing_everything() == set()


def test_the_database_wants_charges_of_each_rated_job(cluster: Cluster) -> None:
    import_rows(cluster, Row(1))
    reversals = (
        "INSERT INTO pricing_charge (job_id, project_id, resource, generation, rate_id, job_end,"
        " period_id, quantity, unit_size, unit_price, amount, currency, estimated, reverses_id)"
        " SELECT job_id, project_id, resource, generation, rate_id, job_end, period_id, -quantity,"
        " unit_size, unit_price, -amount, currency, estimated, id FROM pricing_charge"
    )
    with pytest.raises(IntegrityError, match="no charge in force"), reversed_by(reversals):
        connection.check_constraints()


@contextmanager
def reversed_by(statement: str) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        yield


# What prices rest on changed


def change_tier(project: Project) -> None:
    ProjectTier.objects.filter(project=project).update(ends_at=OCTOBER.start)
    ProjectTier.objects.create(
        project=project, tier=Tier.objects.get(code="private"), starts_at=OCTOBER.start
    )


def cpu_prices() -> list[str]:
    charges = live_charges().filter(resource="cpu").order_by("job__job_id")
    return [f"{charge.unit_price:.2f}" for charge in charges]


def test_a_tier_dated_in_the_past_replaces_unbilled_charges(
    genomics: Project, cluster: Cluster
) -> None:
    before = OCTOBER.start - timedelta(days=1)
    import_rows(cluster, Row(1, end=before), Row(2), Row(3))
    change_tier(genomics)
    outcome = rate_pending(actor=SYSTEM)
    assert (outcome.rated, outcome.charges) == (2, 8)
    assert cpu_prices() == ["0.75", "3.00", "3.00"]
    assert not Recheck.objects.exists()
    assert rate_pending(actor=SYSTEM).charges == 0
    connection.check_constraints()


def test_what_is_billed_waits_for_its_document(genomics: Project, cluster: Cluster) -> None:
    import_rows(cluster, Row(1), Row(2, end=OCTOBER.end))
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    change_tier(genomics)
    outcome = rate_pending(actor=SYSTEM)
    assert (outcome.rated, outcome.waiting) == (1, 1)
    assert cpu_prices() == ["0.75", "3.00"]
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong tier")
    assert rate_pending(actor=SYSTEM).rated == 1
    assert cpu_prices() == ["3.00", "3.00"]


def test_an_override_of_some_days_touches_those_days(genomics: Project, cluster: Cluster) -> None:
    import_rows(cluster, *(Row(day, end=OCTOBER.start + timedelta(days=day)) for day in (1, 2, 3)))
    override = ProjectTier.objects.create(
        project=genomics,
        tier=Tier.objects.get(code="gov"),
        starts_at=OCTOBER.start + timedelta(days=2),
        ends_at=OCTOBER.start + timedelta(days=3),
        override=1,
        reason="contract",
    )
    assert rate_pending(actor=SYSTEM).rated == 1
    assert cpu_prices()[0] == cpu_prices()[2] == "0.75" != cpu_prices()[1]
    override.delete()
    assert rate_pending(actor=SYSTEM).rated == 1
    assert cpu_prices() == ["0.75"] * 3


def test_a_mapping_moves_unbilled_charges_to_its_project_and_back(cluster: Cluster) -> None:
    climate = make_project("climate")
    import_rows(cluster, Row(1), Row(2, account="climate"))
    mapping = AccountMapping.objects.create(cluster=cluster, account="genomics", project=climate)
    assert rate_pending(actor=SYSTEM).rated == 1
    assert {charge.project for charge in live_charges()} == {climate}
    mapping.delete()
    rate_pending(actor=SYSTEM)
    payers = live_charges().filter(resource="cpu").order_by("job__job_id")
    assert [charge.project.code for charge in payers] == ["genomics", "climate"]


def test_many_new_projects_are_one_look_and_touch_no_other_job(cluster: Cluster) -> None:
    import_rows(cluster, Row(1), Row(2, account="new-7"))
    rate_pending(actor=SYSTEM)

    def looked_at(*names: str) -> tuple[int, int]:
        """Questions asked, and jobs looked at."""
        for name in names:
            AccountMapping.objects.create(
                cluster=cluster, account=name, project=make_project(f"{name}-p")
            )
        seen = [0]
        with CaptureQueriesContext(connection) as asked:
            rate_pending(actor=SYSTEM, rated=seen.append)
        return len(asked), seen[-1]

    asked, seen = looked_at("unused")
    assert seen == 1  # the one without a price
    assert looked_at(*(f"other-{number}" for number in range(9))) == (asked, seen)
    assert looked_at(*(f"new-{number}" for number in range(9)))[1] == 2
    assert {charge.project.code for charge in live_charges()} == {"genomics", "new-7-p"}


def _activate(_cluster: Cluster) -> None:
    Project.objects.filter(code="asleep").update(is_active=True)


def _found(_cluster: Cluster) -> None:
    Project.objects.create(code="nobody", name="Nobody")
    ProjectTier.objects.create(
        project=Project.objects.get(code="nobody"),
        tier=Tier.objects.get(code="mu"),
        starts_at=LONG_AGO,
    )


def _mapped(cluster: Cluster) -> None:
    AccountMapping.objects.create(
        cluster=cluster, account="nobody", project=Project.objects.get(code="genomics")
    )


def _owned(_cluster: Cluster) -> None:
    Project.objects.filter(code="genomics").update(owner=make_user("mallory"))


def _tiered(_cluster: Cluster) -> None:
    ProjectTier.objects.create(
        project=Project.objects.get(code="untiered"),
        tier=Tier.objects.get(code="mu"),
        starts_at=LONG_AGO,
    )


@pytest.mark.parametrize("change", [_activate, _found, _mapped, _owned, _tiered])
def test_whatever_could_price_a_job_has_it_looked_at(cluster: Cluster, change: Any) -> None:
    make_project("untiered", tier="")
    make_project("asleep")
    Project.objects.filter(code="asleep").update(is_active=False)
    import_rows(
        cluster,
        Row(1, account="nobody"),
        Row(2, account="untiered"),
        Row(3, account="asleep"),
        Row(4, account="", user="mallory"),
    )
    rate_pending(actor=SYSTEM)
    assert JobRating.objects.filter(status="unpriced").count() == 4
    change(cluster)
    assert rate_pending(actor=SYSTEM).rated == 1
    assert not Recheck.objects.exists()


def test_the_command_looks_at_all_that_has_no_price(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    import_rows(cluster, Row(1, account="nobody"), Row(2))
    rate_pending(actor=SYSTEM)
    _mapped(cluster)
    Recheck.objects.all().delete()  # as if nobody had noticed
    assert rate_pending(actor=SYSTEM).rated == 0
    call_command("rate", "--json")
    assert json.loads(capsys.readouterr().out)["rated"] == 1
    assert not Recheck.objects.exists()


def test_an_exemption_frees_jobs_and_its_end_charges_them_again(cluster: Cluster) -> None:
    import_rows(cluster, Row(1), Row(2, state="NODE_FAIL"))
    exemption = exempt(cluster, state="NODE_FAIL", starts_at=OCTOBER.start)
    assert rate_pending(actor=SYSTEM).exempt == 1
    assert JobRating.objects.get(job__job_id=2).reason == RatingReason.EXEMPTED
    assert set(live_charges().values_list("job__job_id", flat=True)) == {1}
    import_rows(cluster, Row(3, state="NODE_FAIL"))
    assert JobRating.objects.get(job__job_id=3).status == "exempt"
    Exemption.objects.filter(pk=exemption.pk).update(ends_at=OCTOBER.start)
    assert rate_pending(actor=SYSTEM).rated == 2
    assert set(live_charges().values_list("job__job_id", flat=True)) == {1, 2, 3}
    assert latest_run().rated.run == latest_run()
    assert not Job.objects.filter(rating=None).exists()
    connection.check_constraints()


def test_nobody_charges_a_job_that_has_no_price(db: None) -> None:
    """As the application, around its code: in one statement, and with a rating that is taken back
    before the commit. That a job has no price any more is no crime: it is judged anew."""
    make_project("genomics")
    import_rows(make_cluster(), Row(1), Row(2))
    first = Job.objects.get(job_id=1)
    charge = f"job_id = {first.pk} AND reverses_id IS NULL AND resource = "
    mine = f"WHERE job_id = {first.pk}"
    unpriced = f"UPDATE pricing_jobrating SET status = 'unpriced', reason = 'no_rate' {mine}"
    rated = f"UPDATE pricing_jobrating SET status = 'rated', reason = '', generation = 2 {mine}"
    commit(negation(f"{charge}'cpu'"), negation(f"{charge}'mem'"), unpriced)
    again = copy_of("pricing_charge", f"{charge}'cpu'", generation=2)
    for statements in ([again], [again, rated, unpriced]):
        with pytest.raises(IntegrityError, match="rating"):
            commit(*statements)
    assert not live_charges().filter(job=first).exists()
    rate_pending(actor=SYSTEM)
    assert live_charges().filter(job=first).count() == 2, "what has a price is charged again"


def commit(*statements: str) -> None:
    """Run statements and what a commit would check, all or none."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.check_constraints()
