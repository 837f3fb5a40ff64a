"""How far a project is billed for good, and that what is billed is not read again."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Project
from accounts.services import approve_reopening, request_reopening
from core.intervals import Interval
from receipts.models import BilledUntil, Receipt
from receipts.selectors import first_unbilled_day, preview, unbilled_charges
from receipts.services import issue_receipt, runs
from receipts.services.billed import note_billed
from tests.factories import OCTOBER, Row, import_rows
from tests.receipts.test_run import MONTH, actor, run_all, shut, two_projects
from usage.models import Cluster

NOVEMBER = Interval(OCTOBER.end, OCTOBER.end + timedelta(days=30))


def billed_october() -> Cluster:
    """October is drafted, approved and issued, for both projects."""
    cluster = two_projects()
    shut()
    run = run_all()
    runs.approve(seen=runs.seen_in(run.entries.all()), actor=actor("clerk"))
    assert not runs.issue_approved(run_id=run.pk)
    return cluster


def rows_read() -> int:
    """How many charges PostgreSQL has fetched in this transaction, by whichever way."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_xact_tuples_returned('pricing_charge'::regclass)"
            " + pg_stat_get_xact_tuples_fetched('pricing_charge'::regclass)"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_issue_of_the_run_notes_how_far_projects_are_billed() -> None:
    billed_october()
    told = dict(BilledUntil.objects.values_list("project__code", "month"))
    assert told == {"genomics": MONTH, "climate": MONTH}
    assert note_billed(month=MONTH) == 0, "a second time tells nothing new"


@pytest.mark.django_db
def test_a_draft_or_an_open_month_is_not_billed() -> None:
    two_projects()
    assert note_billed(month=MONTH) == 0, "it is open"
    shut()
    run_all()
    assert note_billed(month=MONTH) == 0, "they are drafts"
    receipt = Receipt.objects.get(project__code="climate")
    issue_receipt(receipt_id=receipt.pk, actor=actor("clerk"))
    assert note_billed(month=MONTH) == 1
    assert BilledUntil.objects.get().project.code == "climate"


@pytest.mark.django_db
def test_what_comes_later_is_unbilled_whenever_the_job_ended() -> None:
    cluster = billed_october()
    assert not unbilled_charges().exists()
    late, new = OCTOBER.start + timedelta(days=4), NOVEMBER.start + timedelta(days=4)
    import_rows(cluster, Row(11, end=late), Row(12, end=new))
    genomics = Project.objects.get(code="genomics")
    jobs = set(unbilled_charges([genomics.pk]).values_list("job__job_id", flat=True))
    assert jobs == {11, 12} == set(unbilled_charges().values_list("job__job_id", flat=True))
    assert first_unbilled_day(genomics) == late.date()
    assert preview(genomics, NOVEMBER).jobs == 1


@pytest.mark.django_db
def test_what_is_unbilled_costs_what_it_is_and_not_what_was_billed() -> None:
    cluster = two_projects()
    start = OCTOBER.start + timedelta(days=10)
    jobs = [Row(n, end=start + timedelta(minutes=n)) for n in range(100, 500)]
    sure = transaction.savepoint()
    import_rows(cluster, *jobs)
    transaction.savepoint_rollback(sure)  # what an undone import leaves behind changes nothing
    import_rows(cluster, *jobs)
    shut()
    run = run_all()
    runs.approve(seen=runs.seen_in(run.entries.all()), actor=actor("clerk"))
    runs.issue_approved(run_id=run.pk)
    import_rows(cluster, Row(900, end=NOVEMBER.start + timedelta(days=4)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE pricing_charge")
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table so small would be read whole
    genomics = Project.objects.get(code="genomics")
    before = rows_read()
    found = list(unbilled_charges([genomics.pk]))
    assert {charge.job.job_id for charge in found if charge.job} == {900}
    assert rows_read() - before < 50, "of some 800 charges"


@pytest.mark.django_db
def test_the_database_refuses_to_call_billed_what_is_not() -> None:
    two_projects()
    shut()
    genomics = Project.objects.get(code="genomics")
    with pytest.raises(IntegrityError, match="no issued document"), transaction.atomic():
        BilledUntil.objects.create(project=genomics, month=MONTH)


@pytest.mark.django_db
def test_a_period_that_opens_again_is_looked_through_again() -> None:
    cluster = billed_october()
    asked = request_reopening(month=MONTH, reason="more of it came", actor=actor("clerk"))
    approve_reopening(reopening_id=asked.pk, actor=actor("other"))
    assert {row.month.month for row in BilledUntil.objects.all()} == {9}
    import_rows(cluster, Row(13, end=OCTOBER.start + timedelta(days=4)))
    assert set(unbilled_charges().values_list("job__job_id", flat=True)) == {13}
    shut()
    assert note_billed(month=MONTH) == 1, "but for the project of the new job"
    import_rows(cluster, Row(14, account="climate", end=NOVEMBER.start + timedelta(days=2)))
    assert set(unbilled_charges().values_list("job__job_id", flat=True)) == {13, 14}
