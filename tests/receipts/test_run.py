"""The monthly run: a document for each addressee, once, whatever breaks off; then a review."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Department, Project, User
from accounts.services import approve_reopening, close, request_reopening
from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Conflict, Invalid
from pricing.models import Charge
from receipts.addressees import addressees_of, billed_to
from receipts.models import (
    BillingProfile,
    BillingRun,
    DepartmentBilling,
    LineCharge,
    PurchaseOrder,
    Receipt,
    RunEntry,
    TaxProfile,
)
from receipts.selectors import unbilled_charges
from receipts.services import create_receipt, discard_draft, issue_receipt, runs
from receipts.services.drafting import write_drafts
from tests.databases import Database
from tests.factories import (
    OCTOBER,
    SYSTEM,
    Row,
    import_rows,
    make_cluster,
    make_project,
    publish_prices,
)
from tests.racing import race, times
from usage.models import Cluster

MONTH = date(2026, 10, 1)
E = RunEntry.State
S = Receipt.Status


def actor(name: str) -> Actor:
    return Actor.of(User.objects.get_or_create(username=name)[0])


def shut(month: date = MONTH) -> None:
    close(month=month, seal=lambda _period: {}, actor=SYSTEM)


def two_projects() -> Cluster:
    """Three jobs of genomics and one of climate in October."""
    make_project("genomics")
    make_project("climate", tier="gov")
    cluster = make_cluster()
    import_rows(
        cluster,
        *(Row(n, end=OCTOBER.start + timedelta(days=n)) for n in (1, 2, 3)),
        Row(4, account="climate", end=OCTOBER.start + timedelta(days=9)),
    )
    return cluster


def run_all(month: date = MONTH) -> BillingRun:
    run = runs.start_run(month=month, actor=SYSTEM)
    assert not runs.advance(run_id=run.pk, actor=SYSTEM)
    run.refresh_from_db()
    return run


def states(run: BillingRun) -> dict[str, str]:
    return dict(run.entries.values_list("project__code", "state"))


def seen_in(run: BillingRun, entry: RunEntry) -> dict[int, runs.Seen]:
    """What a person sees who looks at one document of a run now."""
    return runs.seen_in(run.entries.filter(pk=entry.pk))


@pytest.mark.django_db
def test_each_project_with_charges_has_one_document_that_waits_for_approval() -> None:
    two_projects()
    make_project("idle")
    shut()
    run = run_all()
    assert states(run) == {"genomics": E.DRAFTED, "climate": E.DRAFTED}
    assert run.status == BillingRun.Status.DRAFTED
    for receipt in Receipt.objects.all():
        assert (receipt.status, receipt.submitted_by, receipt.period) == (S.PENDING, None, MONTH)
        assert receipt.run_entry.total == receipt.total > 0
        assert (receipt.first_day, receipt.last_day) == (MONTH, date(2026, 10, 31))
    assert not unbilled_charges().exists()
    connection.check_constraints()


@pytest.mark.django_db
def test_starting_and_going_on_again_changes_nothing() -> None:
    two_projects()
    shut()
    run = run_all()
    before = AuditEvent.objects.count()
    assert runs.start_run(month=MONTH, actor=SYSTEM) == run
    assert not runs.advance(run_id=run.pk, actor=SYSTEM)
    assert Receipt.objects.count() == 2
    assert AuditEvent.objects.count() == before


@pytest.mark.django_db
def test_an_open_period_has_no_run() -> None:
    two_projects()
    with pytest.raises(Conflict) as refusal:
        runs.start_run(month=MONTH, actor=SYSTEM)
    assert refusal.value.code == "period_open"


@pytest.mark.django_db
def test_usage_that_was_billed_by_the_project_itself_is_not_in_the_run() -> None:
    two_projects()
    genomics = Project.objects.get(code="genomics")
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    shut()
    assert states(run_all()) == {"climate": E.DRAFTED}


@pytest.mark.django_db
def test_who_pays_as_they_go_is_left_out() -> None:
    two_projects()
    BillingProfile.objects.create(project=Project.objects.get(code="genomics"), in_run=False)
    shut()
    assert states(run_all()) == {"climate": E.DRAFTED}
    assert unbilled_charges().filter(project__code="genomics").exists()


@pytest.mark.django_db
def test_what_a_project_bills_while_the_run_goes_on_is_nothing_to_the_run() -> None:
    two_projects()
    shut()
    run = runs.start_run(month=MONTH, actor=SYSTEM)
    genomics = Project.objects.get(code="genomics")
    create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    runs.advance(run_id=run.pk, actor=SYSTEM)
    assert states(run) == {"genomics": E.NOTHING, "climate": E.DRAFTED}


def grouped() -> dict[str, Project]:
    """Two projects of a department are billed to a third one, one pays for another."""
    science = Department.objects.create(code="SC", name="Science")
    found = {}
    for code in ("office", "first", "second", "own", "paid", "payer"):
        found[code] = make_project(code)
    Project.objects.filter(code__in=("first", "second", "own")).update(department=science)
    DepartmentBilling.objects.create(department=science, project=found["office"])
    for code in ("first", "second"):
        BillingProfile.objects.create(project=found[code], grouping="department")
    BillingProfile.objects.create(project=found["paid"], grouping="payer", payer=found["payer"])
    return found


@pytest.mark.django_db
def test_addressees_are_those_that_the_database_names() -> None:
    found = grouped()
    wanted = {"first": "office", "second": "office", "paid": "payer"}
    for code, project in found.items():
        addressee = Project.objects.get(pk=addressees_of([project.pk])[project.pk])
        assert addressee.code == wanted.get(code, code)
        with connection.cursor() as cursor:
            cursor.execute("SELECT receipts_addressee(%s)", [project.pk])
            assert cursor.fetchone() == (addressee.pk,)
        assert project in billed_to([addressee.pk])
    billed = {key: {p.code for p in billed_to([found[key].pk])} for key in found}
    assert billed["office"] == {"office", "first", "second"}
    assert billed["first"] == set()
    assert billed["payer"] == {"payer", "paid"}
    assert len(addressees_of([project.pk for project in found.values()])) == len(found)


@pytest.mark.django_db
def test_a_department_and_a_payer_have_one_document_with_lines_by_project() -> None:
    grouped()
    codes = ("first", "second", "own", "paid", "payer")
    import_rows(make_cluster(), *(Row(n, account=code) for n, code in enumerate(codes, 1)))
    shut()
    run = run_all()
    assert states(run) == dict.fromkeys(("office", "own", "payer"), E.DRAFTED)
    receipt = Receipt.objects.get(project__code="office")
    assert set(receipt.lines.values_list("project__code", flat=True)) == {"first", "second"}
    assert issue_receipt(receipt_id=receipt.pk, actor=actor("clerk")).status == S.ISSUED


@pytest.mark.django_db
def test_late_usage_is_on_the_run_of_the_month_it_was_booked_into() -> None:
    cluster = two_projects()
    shut(date(2026, 9, 1))
    import_rows(cluster, Row(9, end=datetime(2026, 9, 20, tzinfo=UTC)))
    shut()
    run = run_all()
    receipt = Receipt.objects.get(project__code="genomics", run_entry__run=run)
    assert (receipt.first_day, receipt.last_day) == (date(2026, 9, 20), date(2026, 10, 31))
    assert issue_receipt(receipt_id=receipt.pk, actor=actor("clerk")).total == receipt.total


@pytest.mark.django_db
def test_the_database_refuses_a_charge_that_was_booked_later() -> None:
    cluster = two_projects()
    import_rows(cluster, Row(8, end=datetime(2026, 11, 3, tzinfo=UTC)))
    shut()
    run_all()
    later = Charge.objects.filter(period__gt=MONTH).first()
    assert later is not None
    receipt = Receipt.objects.get(project__code="climate", period=MONTH)
    Receipt.objects.filter(pk=receipt.pk).update(status=S.DRAFT, submitted_at=None)
    line = receipt.lines.earliest("pk")
    with pytest.raises(IntegrityError, match="charges join drafts only"), transaction.atomic():
        LineCharge.objects.create(line=line, charge=later)


@pytest.mark.django_db
def test_less_than_nothing_is_carried_forward_to_the_next_run() -> None:
    publish_prices("mu", datetime(2026, 9, 1, tzinfo=UTC), cpu="0", mem="0")
    cluster = two_projects()
    shut()
    run = run_all()
    assert states(run) == {"genomics": E.CARRIED, "climate": E.DRAFTED}
    assert run.entries.get(project__code="genomics").total == 0
    publish_prices("mu", datetime(2026, 10, 31, 17, tzinfo=UTC), cpu="1", mem="1")
    import_rows(cluster, Row(7, end=datetime(2026, 11, 3, tzinfo=UTC)))
    charges = Charge.objects.filter(project__code="genomics").count()
    assert charges == unbilled_charges().filter(project__code="genomics").count() == 8


@pytest.mark.django_db
def test_a_tax_profile_without_a_rate_is_told_and_tried_again() -> None:
    two_projects()
    profile = TaxProfile.objects.create(code="vat", name="VAT")
    BillingProfile.objects.create(project=Project.objects.get(code="genomics"), tax_profile=profile)
    shut()
    run = run_all()
    entry = run.entries.get(project__code="genomics")
    assert (entry.state, entry.problem["code"]) == (E.FAILED, "no_tax_rate")
    assert set(entry.problem["texts"]) == {"en", "th"}
    assert "vat" in entry.problem_text
    profile.rates.create(percent=7, starts_on=date(2026, 1, 1))
    assert runs.retry(entry_ids=[entry.pk], actor=actor("clerk")) == 1
    run.refresh_from_db()
    assert run.status == BillingRun.Status.DRAFTING
    assert not runs.advance(run_id=run.pk, actor=SYSTEM)
    entry.refresh_from_db()
    assert (entry.state, entry.problem) == (E.DRAFTED, {})
    assert entry.receipt is not None
    assert entry.receipt.tax_rate == 7


@pytest.mark.django_db
def test_a_purchase_order_that_does_not_cover_it_is_told_and_stops_the_issue() -> None:
    two_projects()
    genomics, clerk = Project.objects.get(code="genomics"), actor("clerk")
    order = PurchaseOrder.objects.create(
        project=genomics, number="PO-1", ceiling=Decimal("0.01"), currency="THB",
        starts_on=date(2020, 1, 1), expires_on=date(2099, 1, 1), created_by_id=clerk.user_id or 0,
    )  # fmt: skip
    shut()
    run = run_all()
    entry = run.entries.get(project=genomics)
    assert (entry.state, entry.problem["code"]) == (E.DRAFTED, "purchase_order_ceiling")
    assert runs.approve(seen=seen_in(run, entry), actor=clerk) == 1
    runs.issue_approved(run_id=run.pk)
    entry.refresh_from_db()
    assert (entry.approved_by, entry.problem["code"]) == (None, "purchase_order_ceiling")
    PurchaseOrder.objects.filter(pk=order.pk).update(ceiling=10**6)
    assert runs.approve(seen=seen_in(run, entry), actor=clerk) == 1
    runs.issue_approved(run_id=run.pk)
    assert Receipt.objects.get(run_entry=entry).status == S.ISSUED


@pytest.mark.django_db
def test_a_defect_stops_its_own_entry_only(monkeypatch: pytest.MonkeyPatch) -> None:
    two_projects()
    shut()
    real = write_drafts

    def broken(**values: Any) -> list[Receipt]:
        if any(each.project.code == "climate" for each in values["contents"]):
            raise RuntimeError("a defect")
        return real(**values)

    monkeypatch.setattr("receipts.services.runs.drafting.write_drafts", broken)
    run = run_all()
    assert states(run) == {"genomics": E.DRAFTED, "climate": E.FAILED}
    assert run.entries.get(project__code="climate").problem["code"] == "defect"


@pytest.mark.django_db
def test_approved_documents_are_issued_by_who_approved_them() -> None:
    two_projects()
    shut()
    run, clerk = run_all(), actor("clerk")
    seen = runs.seen_in(run.entries.all())
    assert runs.approve(seen=seen, actor=clerk) == 2
    assert runs.approve(seen=seen, actor=actor("other")) == 0
    assert not runs.issue_approved(run_id=run.pk)
    assert not runs.issue_approved(run_id=run.pk)
    receipts = Receipt.objects.order_by("sequence")
    assert [(r.status, r.issued_by_id, r.sequence) for r in receipts] == [
        (S.ISSUED, clerk.user_id, 1),
        (S.ISSUED, clerk.user_id, 2),
    ]
    event = AuditEvent.objects.get(action="run.approved")
    assert sorted(event.content["data"]["receipts"]) == sorted(r.pk for r in receipts)
    with pytest.raises(Invalid):
        runs.approve(seen=seen, actor=SYSTEM)


@pytest.mark.django_db
def test_what_is_sent_back_is_handed_in_again_and_approved_by_another() -> None:
    two_projects()
    shut()
    run = run_all()
    entry = run.entries.get(project__code="genomics")
    runs.send_back(entry_id=entry.pk, actor=actor("clerk"), reason="the wrong address")
    entry.refresh_from_db()
    assert (entry.problem_text, entry.problem["code"]) == ("the wrong address", "returned")
    assert entry.receipt is not None
    assert entry.receipt.status == S.DRAFT
    runs.hand_in(entry_id=entry.pk, actor=actor("clerk"))
    assert runs.approve(seen=seen_in(run, entry), actor=actor("clerk")) == 0
    assert runs.approve(seen=seen_in(run, entry), actor=actor("other")) == 1


@pytest.mark.django_db
def test_what_is_discarded_frees_its_charges_and_can_be_drafted_again() -> None:
    two_projects()
    shut()
    run = run_all()
    entry = run.entries.get(project__code="genomics")
    runs.discard(entry_id=entry.pk, actor=actor("clerk"), reason="billed otherwise")
    entry.refresh_from_db()
    assert (entry.state, entry.receipt) == (E.DISCARDED, None)
    assert unbilled_charges().filter(project__code="genomics").exists()
    runs.retry(entry_ids=[entry.pk], actor=actor("clerk"))
    runs.advance(run_id=run.pk, actor=SYSTEM)
    entry.refresh_from_db()
    assert entry.state == E.DRAFTED


@pytest.mark.django_db
def test_discarding_the_draft_on_its_own_page_tells_the_run() -> None:
    two_projects()
    shut()
    run = run_all()
    entry = run.entries.get(project__code="genomics")
    runs.send_back(entry_id=entry.pk, actor=actor("clerk"), reason="no")
    discard_draft(receipt_id=entry.receipt_id or 0, actor=actor("clerk"))
    assert states(run)["genomics"] == E.DISCARDED


@pytest.mark.django_db
def test_a_period_closed_again_has_a_run_of_its_own() -> None:
    cluster = two_projects()
    shut()
    first = run_all()
    wish = request_reopening(month=MONTH, reason="late", actor=actor("one"))
    approve_reopening(reopening_id=wish.pk, actor=actor("two"))
    entry = first.entries.get(project__code="climate")
    runs.discard(entry_id=entry.pk, actor=actor("clerk"), reason="again")
    runs.retry(entry_ids=[entry.pk], actor=actor("clerk"))
    runs.advance(run_id=first.pk, actor=SYSTEM)
    entry.refresh_from_db()
    assert (entry.state, entry.problem["code"]) == (E.FAILED, "reopened")
    import_rows(cluster, Row(11, end=OCTOBER.start + timedelta(days=20)))
    shut()
    second = run_all()
    assert second != first
    assert states(second) == {"genomics": E.DRAFTED, "climate": E.DRAFTED}
    assert not unbilled_charges().exists()


def race_scene() -> None:
    for number in range(12):
        make_project(f"p{number}")
    hour = timedelta(hours=1)
    rows = (Row(n, account=f"p{n % 12}", end=OCTOBER.start + n * hour) for n in range(1, 49))
    import_rows(make_cluster(), *rows)
    shut()


def test_two_starters_and_four_workers_make_each_document_once(committed_db: Database) -> None:
    race_scene()
    started = race(*times(4, lambda: runs.start_run(month=MONTH, actor=SYSTEM).pk))
    assert len(set(started)) == 1
    run_id = int(started[0])
    left = race(*times(4, lambda: runs.advance(run_id=run_id, actor=SYSTEM)))
    assert set(left) <= {"True", "False"}
    assert not runs.advance(run_id=run_id, actor=SYSTEM)
    assert Receipt.objects.count() == 12
    assert set(RunEntry.objects.values_list("state", flat=True)) == {E.DRAFTED}
    assert AuditEvent.objects.filter(action="run.started").count() == 1
    assert AuditEvent.objects.filter(action="run.drafted").count() == 1


def test_eight_workers_issue_what_was_approved_once(committed_db: Database) -> None:
    race_scene()
    run, clerk = run_all(), actor("clerk")
    seen = runs.seen_in(run.entries.all())
    counts = race(*times(8, lambda: runs.approve(seen=seen, actor=clerk)))
    assert sorted(map(int, counts)) == [0] * 7 + [12]
    assert race(*times(8, lambda: runs.issue_approved(run_id=run.pk))) == ["False"] * 8
    issued = Receipt.objects.order_by("sequence")
    assert [r.sequence for r in issued] == list(range(1, 13))
    assert {r.status for r in issued} == {S.ISSUED}
    assert not RunEntry.objects.exclude(problem={}).exists()
    assert AuditEvent.objects.filter(action="receipt.issued").count() == 12
    assert AuditEvent.objects.filter(action="run.approved").count() == 1
