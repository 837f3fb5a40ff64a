"""Receipts: exact totals, gapless numbers, one document however often it is asked for."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.models import Project, ProjectTier, Tier
from audit.models import AuditEvent
from core.canonical import sha256_of
from core.errors import Conflict, Invalid
from core.intervals import Interval
from core.money import round_money
from hpcbilling.workflows import rate_pending
from pricing.models import Charge
from receipts.models import Line, Receipt
from receipts.selectors import overdue, preview, unbilled_charges, unbilled_sums
from receipts.services import (
    content_of,
    create_receipt,
    discard_draft,
    draft_receipt,
    fiscal_year,
    issue_receipt,
    void_receipt,
)
from tests import scenes
from tests.factories import (
    LONG_AGO,
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    publish_prices,
)
from usage.models import Cluster


@scenes.standing
def genomics() -> Project:
    """A project with three jobs in October."""
    project = make_project("genomics")
    import_rows(
        make_cluster(),
        *(Row(n, end=OCTOBER.start + timedelta(days=n), seconds=n * 1000 + 1) for n in (1, 2, 3)),
    )
    return project


def test_lines_group_by_resource_and_price_and_add_up(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    lines = list(receipt.lines.all())
    assert [(line.resource, line.jobs) for line in lines] == [("cpu", 3), ("mem", 3)]
    for line in lines:
        charges = Charge.objects.filter(document_line__line=line)
        assert line.charged == sum(charge.amount for charge in charges)
        assert line.amount == round_money(line.charged, "THB")
    assert receipt.total == receipt.net_amount == sum(line.amount for line in lines)
    connection.check_constraints()


def test_tax_is_put_on_the_sum_of_lines(genomics: Project, settings: Settings) -> None:
    settings.SITE_TAX_RATE = Decimal(7)
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert receipt.tax_amount == round_money(receipt.net_amount * 7 / 100, "THB")
    assert receipt.total == receipt.net_amount + receipt.tax_amount


def test_the_preview_is_what_is_issued(genomics: Project) -> None:
    seen = preview(genomics, OCTOBER)
    receipt = create_receipt(
        project_id=genomics.pk, window=OCTOBER, actor=SYSTEM, expected_total=seen.totals.total
    )
    assert receipt.total == seen.totals.total
    assert seen.jobs == 3


@pytest.mark.django_db
def test_what_waits_and_what_is_then_billed_are_the_same_to_the_cent() -> None:
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1, seconds=16))
    seen = preview(project, OCTOBER)
    (waiting,) = unbilled_sums()
    assert waiting.amount == seen.totals.net
    exact = sum((line.charged for line in seen.lines), Decimal(0))
    assert waiting.amount != round_money(exact, "THB")


def test_usage_that_arrives_after_the_preview_stops_the_receipt(genomics: Project) -> None:
    seen = preview(genomics, OCTOBER)
    import_rows(make_cluster("beta"), Row(9))
    with pytest.raises(Conflict) as refusal:
        create_receipt(
            project_id=genomics.pk, window=OCTOBER, actor=SYSTEM, expected_total=seen.totals.total
        )
    assert refusal.value.code == "total_changed"
    assert not Receipt.objects.exists()
    assert unbilled_charges().filter(project=genomics).count() == 8


def test_the_window_is_half_open(genomics: Project) -> None:
    second = OCTOBER.start + timedelta(days=2)
    receipt = create_receipt(
        project_id=genomics.pk, window=Interval(OCTOBER.start, second), actor=SYSTEM
    )
    assert {line.jobs for line in receipt.lines.all()} == {1}


def test_nothing_is_billed_twice(genomics: Project) -> None:
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    with pytest.raises(Conflict) as refusal:
        create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert refusal.value.code == "nothing_to_bill"


def test_a_draft_reserves_its_charges_and_frees_them_when_discarded(genomics: Project) -> None:
    draft = draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert draft.number is None
    with pytest.raises(Conflict):
        draft_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    discard_draft(receipt_id=draft.pk, actor=SYSTEM)
    assert not Line.objects.exists()
    assert create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM).sequence == 1


def test_a_discarded_draft_takes_no_number(genomics: Project) -> None:
    numbers = []
    for day in (1, 2, 3):
        start = OCTOBER.start + timedelta(days=day)
        draft = draft_receipt(
            project_id=genomics.pk, window=Interval(start, start + timedelta(hours=1)), actor=SYSTEM
        )
        if day == 2:
            discard_draft(receipt_id=draft.pk, actor=SYSTEM)
        else:
            numbers.append(issue_receipt(receipt_id=draft.pk, actor=SYSTEM).sequence)
    assert numbers == [1, 2]


def test_a_receipt_over_nothing_is_paid_at_once(db: None) -> None:
    project = make_project("guests", tier="")
    free = Tier.objects.create(code="free", name="Free")
    ProjectTier.objects.create(project=project, tier=free, starts_at=LONG_AGO)
    publish_prices("free", LONG_AGO, cpu="0", mem="0")
    import_rows(make_cluster(), Row(account="guests"))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert (receipt.total, receipt.status) == (Decimal(0), "paid")


def test_issuing_twice_is_refused(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    with pytest.raises(Conflict):
        issue_receipt(receipt_id=receipt.pk, actor=SYSTEM)
    with pytest.raises(Conflict):
        discard_draft(receipt_id=receipt.pk, actor=SYSTEM)


def test_the_hash_on_the_receipt_is_that_of_its_content_read_back(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    again = Receipt.objects.get(pk=receipt.pk)
    assert sha256_of(content_of(again)) == receipt.sha256


def test_a_project_that_is_renamed_changes_no_document(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    Project.objects.filter(pk=genomics.pk).update(code="genetics")
    again = Receipt.objects.get(pk=receipt.pk)
    assert sha256_of(content_of(again)) == receipt.sha256


def test_the_parties_are_kept_as_they_were(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    Project.objects.filter(pk=genomics.pk).update(name="Renamed")
    receipt.refresh_from_db()
    assert receipt.parties["buyer"]["name"] == "Genomics"


def test_voiding_reverses_and_makes_billable_again(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    with pytest.raises(Invalid):
        void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="  ")
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong project")
    assert sum(c.amount for c in Charge.objects.all()) == sum(c.amount for c in unbilled_charges())
    (waiting,) = unbilled_sums()
    assert (waiting.project, waiting.jobs) == (genomics, 3)
    assert waiting.amount == preview(genomics, OCTOBER).totals.net
    with pytest.raises(Conflict):
        void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="again")
    again = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert (again.total, again.sequence) == (receipt.total, 2)
    connection.check_constraints()


def test_after_voiding_a_job_that_changed_is_billed_as_it_is_now(genomics: Project) -> None:
    old = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    end = OCTOBER.start + timedelta(days=1)
    smaller = Row(1, end=end, seconds=1001, tres="cpu=2,mem=8192M,node=1,billing=2")
    # With a job that ended no earlier than all that is known, the input is no older one.
    last = Row(3, end=OCTOBER.start + timedelta(days=3), seconds=3001)
    assert import_rows(Cluster.objects.get(), smaller, last).rating.rated == 1
    void_receipt(receipt_id=old.pk, actor=SYSTEM, reason="job 1 was corrected")
    assert unbilled_charges().count() == 6
    assert rate_pending(actor=SYSTEM).rated == 0
    charge = unbilled_charges().get(job__job_id=1, resource="cpu")
    assert (charge.quantity, charge.generation) == (2 * 1001, 2)
    again = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert again.total < old.total
    connection.check_constraints()


def test_each_step_is_in_the_log(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong project")
    events = AuditEvent.objects.filter(target_type="receipts.receipt").order_by("pk")
    assert [(event.action, event.content["data"]["kind"]) for event in events] == [
        ("receipt.drafted", "receipt"),
        ("receipt.issued", "receipt"),
        ("receipt.drafted", "credit_note"),
        ("receipt.issued", "credit_note"),
        ("receipt.voided", "receipt"),
    ]
    assert events[1].content["data"]["total"] == format(receipt.total, "f")


def test_overdue_is_derived(genomics: Project) -> None:
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert receipt.due_on is not None
    assert not overdue(receipt.due_on).exists()
    assert overdue(receipt.due_on + timedelta(days=1)).get() == receipt


@pytest.mark.parametrize(("start", "year"), [(1, 2026), (10, 2027), (12, 2026)])
def test_the_fiscal_year_is_named_by_its_end(start: int, year: int, settings: Settings) -> None:
    settings.SITE_FISCAL_YEAR_START = start
    assert fiscal_year(OCTOBER.start.date()) == year
