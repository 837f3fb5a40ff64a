"""Months as a site lives them: each closes by the book, and the books balance after every step."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Department, Membership, Period, Project
from core.errors import Conflict
from hpcbilling.workflows import rate_pending
from payments.selectors import balance_of
from pricing.models import Charge
from receipts.models import BillingProfile, DepartmentBilling, Receipt
from receipts.selectors import receipts_visible_to, uncredited_reversals
from receipts.services import create_receipt, hash_of, void_receipt
from receipts.services.corrections import settle_corrections
from tests.factories import make_user, publish_prices
from tests.scenarios.story import (
    AUGUST,
    OCTOBER,
    SEPTEMBER,
    SYSTEM,
    Story,
    moment,
    span,
)

pytestmark = pytest.mark.django_db
S = Receipt.Status


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_normal_month(story: Story) -> None:
    for code in ("genomics", "climate"):
        story.project(code)
    story.usage(
        story.job("genomics", moment(AUGUST, 3), hours=10),
        story.job("genomics", moment(AUGUST, 30), hours=5),
        story.job("climate", moment(AUGUST, 9), hours=2),
    )
    run = story.close(AUGUST)
    assert story.documents("genomics") == [("receipt", S.PENDING, Decimal(150))]
    story.approve(run)
    assert story.documents("genomics") == [("receipt", S.ISSUED, Decimal(150))]
    assert story.documents("climate") == [("receipt", S.ISSUED, Decimal(20))]
    story.books_balance()

    for receipt in Receipt.objects.all():
        story.pay(receipt)
    assert set(Receipt.objects.values_list("status", flat=True)) == {S.PAID}
    assert story.close(AUGUST) == run, "closing again changes nothing"
    assert Receipt.objects.count() == 2
    story.books_balance()


def test_late_usage_is_priced_by_its_end_and_billed_in_the_next_month(story: Story) -> None:
    story.project("genomics")
    story.usage(story.job("genomics", moment(AUGUST, 3), hours=10))
    publish_prices("mu", moment(SEPTEMBER, 1, 0), cpu="2")
    story.approve(story.close(AUGUST))
    august = Receipt.objects.get()
    before = hash_of(august)

    story.usage(
        story.job("genomics", moment(AUGUST, 20), hours=3),
        story.job("genomics", moment(SEPTEMBER, 20), hours=1),
    )
    late = Charge.objects.get(job_end=moment(AUGUST, 20), resource="cpu")
    assert (late.period_id, late.unit_price) == (SEPTEMBER, Decimal(1))
    story.books_balance()
    story.approve(story.close(SEPTEMBER))
    september = Receipt.objects.get(period=SEPTEMBER)
    assert september.total == 3 * 10 * 1 + 1 * 10 * 2
    assert september.first_day == date(2026, 8, 20)
    august.refresh_from_db()
    assert hash_of(august) == before == august.sha256
    story.books_balance()


def test_a_price_that_changes_in_the_middle_of_a_month_makes_two_lines(story: Story) -> None:
    story.project("genomics")
    publish_prices("mu", moment(AUGUST, 16, 0), cpu="1.5")
    story.usage(
        story.job("genomics", moment(AUGUST, 15, 23)),
        story.job("genomics", moment(AUGUST, 16, 0)),
        story.job("genomics", moment(AUGUST, 16, 1)),
    )
    story.approve(story.close(AUGUST))
    receipt = Receipt.objects.get()
    lines = receipt.lines.values_list("unit_price", "jobs", "amount")
    assert list(lines) == [(Decimal(1), 1, Decimal(10)), (Decimal("1.5"), 2, Decimal(30))]
    assert len(receipt.particulars["price_lists"]) == 2
    story.books_balance()


def _department(code: str) -> tuple[Department, Project]:
    department = Department.objects.create(code=code, name=code.title())
    office = Project.objects.create(code=f"{code}-office", name=code, department=department)
    DepartmentBilling.objects.create(department=department, project=office)
    return department, office


def test_the_pi_leaves_and_the_project_moves_to_another_department(story: Story) -> None:
    science, science_office = _department("science")
    medicine, medicine_office = _department("medicine")
    genomics = story.project("genomics")
    BillingProfile.objects.create(project=genomics, grouping="department")
    genomics.department = science
    genomics.save()
    old, new = make_user("old_pi"), make_user("new_pi")
    seat = Membership.objects.create(project=science_office, user=old, role="pi")
    story.usage(story.job("genomics", moment(AUGUST, 3)))
    story.approve(story.close(AUGUST))
    (august,) = receipts_visible_to(old)
    assert august.parties["buyer"]["department"] == "Science"

    seat.delete()
    genomics.department = medicine
    genomics.save()
    Membership.objects.create(project=medicine_office, user=new, role="pi")
    story.usage(story.job("genomics", moment(SEPTEMBER, 3), hours=2))
    story.approve(story.close(SEPTEMBER))
    assert list(receipts_visible_to(old)) == []
    (september,) = receipts_visible_to(new)
    assert (september.project, september.total) == (medicine_office, Decimal(20))
    assert september.lines.get().project == genomics
    august.refresh_from_db()
    assert (august.project, hash_of(august)) == (science_office, august.sha256)
    story.books_balance()


def test_a_part_payment_then_a_credit_note(story: Story, settings: Settings) -> None:
    settings.CORRECTION_THRESHOLD = {"THB": Decimal(1000)}
    project = story.project("genomics")
    first = story.job("genomics", moment(AUGUST, 3), hours=6)
    story.usage(first, story.job("genomics", moment(AUGUST, 4), hours=4))
    story.approve(story.close(AUGUST))
    receipt = Receipt.objects.get()
    story.pay(receipt, Decimal(70))
    assert receipt.status == S.PART_PAID
    story.books_balance()

    story.usage(story.on_half_the_cores(first))
    assert uncredited_reversals().exists(), "below the threshold it waits for the run"
    assert story.documents("genomics") == [("receipt", S.PART_PAID, Decimal(100))]
    story.books_balance()
    story.approve(story.close(SEPTEMBER))
    # 60 are credited, of which 30 were paid already: these pay the 30 that the job costs now.
    assert story.documents("genomics") == [
        ("receipt", S.PAID, Decimal(100)),
        ("credit_note", S.ISSUED, Decimal(-60)),
        ("receipt", S.PAID, Decimal(30)),
    ]
    assert balance_of(project, "THB") == 0
    story.books_balance()


def test_a_large_change_makes_its_documents_by_itself_and_once(story: Story) -> None:
    project = story.project("genomics")
    job = story.job("genomics", moment(AUGUST, 3), hours=60)
    story.usage(job)
    story.approve(story.close(AUGUST))
    story.pay(Receipt.objects.get())
    for _again in range(2):
        story.usage(story.on_half_the_cores(job))
        settle_corrections(actor=SYSTEM)
        rate_pending(actor=SYSTEM)
    assert story.documents("genomics") == [
        ("receipt", S.PAID, Decimal(600)),
        ("credit_note", S.ISSUED, Decimal(-600)),
        ("receipt", S.PAID, Decimal(300)),
    ]
    assert balance_of(project, "THB") == 300
    assert not uncredited_reversals().exists()
    story.books_balance()


def test_a_storm_of_requeues_bills_each_attempt_once(story: Story) -> None:
    story.project("genomics")
    storm = [
        story.job(
            "genomics",
            moment(AUGUST, 3) + timedelta(minutes=30 * attempt),
            job_id=7,
            state="NODE_FAIL" if attempt < 49 else "COMPLETED",
        )
        for attempt in range(50)
    ]
    for _again in range(2):
        story.usage(*storm)
    story.approve(story.close(AUGUST))
    story.usage(*reversed(storm))
    line = Receipt.objects.get().lines.get()
    assert (line.jobs, line.amount) == (50, Decimal(500))
    story.books_balance()


def test_the_night_in_which_the_clocks_go_back(settings: Settings) -> None:
    settings.SITE_TIME_ZONE = "Europe/Berlin"
    berlin = ZoneInfo("Europe/Berlin")
    with timezone.override(berlin):
        story = Story()
        project = story.project("genomics")
        # From midnight to six by the clock of that night are seven hours.
        morning = datetime(2026, 10, 25, 6, tzinfo=berlin).astimezone(UTC)
        last = datetime(2026, 10, 31, 23, 30, tzinfo=berlin).astimezone(UTC)
        story.usage(
            story.job("genomics", morning, hours=7),
            story.job("genomics", last),
            story.job("genomics", last + timedelta(hours=1)),
        )
        run = story.close(OCTOBER)
        period = Period.objects.get(month=OCTOBER)
        assert period.ends_at - period.starts_at == timedelta(days=31, hours=1)
        story.approve(run)
        receipt = Receipt.objects.get(project=project)
        assert (receipt.total, receipt.lines.get().jobs) == (Decimal(80), 2)
        assert receipt.last_day == date(2026, 10, 31)
        story.books_balance()


def test_numbers_begin_anew_with_the_fiscal_year(story: Story, settings: Settings) -> None:
    settings.SITE_FISCAL_YEAR_START = 10
    project = story.project("genomics")
    story.usage(*(story.job("genomics", moment(AUGUST, day)) for day in (1, 2, 3)))

    def issue(day: int) -> Receipt:
        start = moment(AUGUST, day, 0)
        window = type(span(AUGUST))(start, start + timedelta(days=1))
        return create_receipt(project_id=project.pk, window=window, actor=story.clerk)

    with time_machine.travel(moment(SEPTEMBER, 30, 23), tick=False):
        numbers = [issue(1).number, issue(2).number]
    with time_machine.travel(moment(OCTOBER, 1, 0), tick=False):
        third = issue(3)
        void_receipt(receipt_id=third.pk, actor=story.clerk, reason="wrong window")
    note = Receipt.objects.get(kind="credit_note")
    assert [*numbers, third.number, note.number] == [
        "RC-2026-000001",
        "RC-2026-000002",
        "RC-2027-000001",
        "CN-2027-000001",
    ]
    story.books_balance()


def test_a_month_that_nobody_explains_stays_open(story: Story) -> None:
    story.usage(story.job("nobody-knows", moment(AUGUST, 3)))
    with pytest.raises(Conflict, match="has no price"):
        story.close(AUGUST)
    assert not Period.objects.filter(status="closed").exists()
    story.close(AUGUST, reason="a test account of the vendor")
    period = Period.objects.get(month=AUGUST)
    assert (period.override_reason, period.closed_by_id) == (
        "a test account of the vendor",
        story.clerk.user_id,
    )
    story.books_balance()
