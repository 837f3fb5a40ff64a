"""Ways around the rules of documents that were tried: each is refused, and stops nobody else."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Project
from core.actor import Actor
from core.errors import Conflict
from core.intervals import Interval
from receipts.models import BillingProfile, Receipt
from receipts.selectors import unbilled_charges
from receipts.services import Part, ask_credit, create_receipt, open_series, runs
from receipts.services.files import pdf_file
from receipts.services.numbering import fiscal_year
from receipts.services.openings import Opening, bring_opening
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.receipts.test_run import actor, run_all, shut, two_projects

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
UNPRINTABLE = "\ufeffa\u200db \u202e31.1\u202c \ue000 👩‍🔬 \x08"


def test_a_payer_who_changed_meanwhile_keeps_no_other_document_back() -> None:
    two_projects()
    genomics, payer = Project.objects.get(code="genomics"), make_project("payer")
    BillingProfile.objects.create(project=genomics, grouping="payer", payer=payer)
    shut()
    run = run_all()
    BillingProfile.objects.filter(project=genomics).update(grouping="project", payer=None)
    assert runs.approve(seen=runs.seen_in(run.entries.all()), actor=actor("head")) == 2
    assert not runs.issue_approved(run_id=run.pk)
    assert Receipt.objects.get(status="issued").project.code == "climate"
    refused = run.entries.get(project=payer)
    assert (refused.problem["code"], refused.approved_by) == ("addressee_changed", None)


def test_what_breaks_one_document_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    two_projects()
    shut()
    run = run_all()
    broken = run.entries.order_by("pk").first()

    def check(receipt: Receipt, _actor: Actor) -> None:
        if broken and receipt.pk == broken.receipt_id:
            raise ValueError("a defect")

    monkeypatch.setattr("receipts.services.issuing._check", check)
    runs.approve(seen=runs.seen_in(run.entries.all()), actor=actor("head"))
    assert not runs.issue_approved(run_id=run.pk)
    assert Receipt.objects.filter(status="issued").count() == 1
    assert [entry.problem.get("code") for entry in run.entries.order_by("pk")] == ["defect", None]


def test_two_projects_that_pay_for_each_other_are_billed_once() -> None:
    two_projects()
    genomics, climate = (Project.objects.get(code=code) for code in ("genomics", "climate"))
    BillingProfile.objects.create(project=genomics, grouping="payer", payer=climate)
    BillingProfile.objects.create(project=climate, grouping="payer", payer=genomics)
    shut()
    run_all()
    lines = Receipt.objects.order_by("project__code").values_list(
        "project__code", "lines__project__code"
    )
    assert set(lines) == {("climate", "genomics"), ("genomics", "climate")}
    assert not unbilled_charges().exists()
    connection.check_constraints()


def test_an_opening_number_that_a_series_comes_to_is_refused() -> None:
    genomics, year = make_project("genomics"), fiscal_year(timezone.localdate())

    def bring(number: str) -> bool:
        opening = Opening(genomics, number, date(2026, 1, 1), date(2026, 2, 1), Decimal(5), "THB")
        return bring_opening(opening=opening, actor=SYSTEM)

    for number in (f"RC-{year}-000002", f"CN-{year}-000001", f"RC-{year + 1}-000001"):
        with pytest.raises(Conflict) as refused:
            bring(number)
        assert refused.value.code == "number_of_series"
    open_series(
        code="RC", year=year, last_number=2, pattern="{code}-{year}-{number:06d}", actor=SYSTEM
    )
    assert bring(f"RC-{year}-000002")
    with pytest.raises(Conflict):
        bring(f"RC-{year}-000003")
    assert bring(f"RC-{year - 1}-000003")


def test_usage_too_small_for_the_currency_is_not_rounded_away_day_by_day() -> None:
    genomics = make_project("genomics")
    small = (
        Row(n, end=OCTOBER.start + n * DAY, seconds=1, tres="cpu=1,node=1") for n in range(1, 5)
    )
    import_rows(make_cluster(), *small)
    waiting = unbilled_charges().count()
    window = Interval(OCTOBER.start, OCTOBER.start + 2 * DAY)
    with pytest.raises(Conflict) as refused:
        create_receipt(project_id=genomics.pk, window=window, actor=SYSTEM)
    assert refused.value.code == "too_small"
    assert unbilled_charges().count() == waiting


def test_small_credits_add_up_to_one_that_needs_a_second_person(settings: Settings) -> None:
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(2)}
    genomics = make_project("genomics")
    import_rows(make_cluster(), Row(1, end=OCTOBER.start + DAY, seconds=36_000))
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    line = receipt.lines.get(resource="cpu")

    def give(amount: str) -> Receipt | None:
        parts = [Part(line.pk, Decimal(amount))]
        return ask_credit(
            receipt_id=receipt.pk, parts=parts, reason="slow disks", actor=actor("clerk")
        )

    assert give("1.50") is not None
    assert give("0.50") is not None
    assert give("0.01") is None


def test_what_can_not_be_printed_keeps_no_document_from_being_printed() -> None:
    genomics = make_project("genomics")
    Project.objects.filter(pk=genomics.pk).update(
        name=UNPRINTABLE, billing_name=UNPRINTABLE, billing_address=UNPRINTABLE
    )
    import_rows(make_cluster(), Row(1, end=OCTOBER.start + DAY, name="\ufeffjob\ue000"))
    receipt = create_receipt(project_id=genomics.pk, window=OCTOBER, actor=SYSTEM)
    assert bytes(pdf_file(receipt=receipt).content).startswith(b"%PDF")
