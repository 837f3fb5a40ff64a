"""Months close in their order, and what closed stays as it is unless two people open it again."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Period, PeriodReopening, User
from accounts.periods import (
    PeriodBook,
    earlier_open,
    ensure,
    first_open,
    last_closed,
    period_of,
)
from accounts.services import (
    Override,
    approve_reopening,
    close,
    decline_reopening,
    request_reopening,
)
from audit.models import AuditEvent
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.intervals import microseconds
from tests.factories import SYSTEM, make_user

pytestmark = pytest.mark.django_db

AUGUST, SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 1) for month in (8, 9, 10, 11))
FINDINGS = [{"code": "unpriced", "count": 3}]


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def seal(_period: Period) -> Mapping[str, Any]:
    return {"charges": 0}


def shut(month: date, actor: Actor = SYSTEM, override: Override | None = None) -> Period:
    return close(month=month, seal=seal, actor=actor, override=override)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def actions() -> list[str]:
    events = AuditEvent.objects.filter(action__startswith="period.").order_by("pk")
    return list(events.values_list("action", flat=True))


def test_a_month_is_open_until_it_is_closed() -> None:
    assert (last_closed(), first_open()) == (None, None)
    assert period_of(date(2026, 10, 21)).status == "open"
    assert not Period.objects.exists()
    closed = shut(date(2026, 10, 21))
    assert (closed.month, closed.is_closed, closed.seal) == (OCTOBER, True, {"charges": 0})
    assert closed.starts_at == at("2026-09-30T17:00")
    assert closed.ends_at == at("2026-10-31T17:00")
    assert (last_closed(), first_open()) == (closed, NOVEMBER)
    (event,) = AuditEvent.objects.filter(action="period.closed")
    assert event.target_id == "2026-10-01"


def booking_month(end: datetime) -> date:
    return date.fromisoformat(PeriodBook().of(microseconds(end)))


def test_the_booking_month_is_the_own_one_or_the_first_open_after_it() -> None:
    assert booking_month(at("2026-10-15T12:00")) == OCTOBER
    shut(SEPTEMBER)
    assert booking_month(at("2026-10-15T12:00")) == OCTOBER
    # The last of September in Bangkok ended at 17 o'clock UTC.
    assert booking_month(at("2026-09-30T17:00")) == OCTOBER
    assert booking_month(at("2026-09-30T16:59")) == OCTOBER
    assert booking_month(at("2019-01-15T12:00")) == OCTOBER
    shut(OCTOBER)
    assert booking_month(at("2026-10-15T12:00")) == NOVEMBER


def test_months_close_in_their_order_and_after_their_end() -> None:
    ensure(AUGUST)
    with pytest.raises(Conflict, match="Close 2026-08 first"):
        shut(SEPTEMBER)
    shut(AUGUST)
    with pytest.raises(Conflict, match="closed already"):
        shut(AUGUST)
    with pytest.raises(Conflict, match="not ended"):
        shut(timezone.localdate())
    shut(SEPTEMBER)
    assert not earlier_open(OCTOBER).exists()


def test_none_is_made_before_the_last_closed_one() -> None:
    shut(SEPTEMBER)
    with pytest.raises(IntegrityError, match="after all closed ones"), transaction.atomic():
        ensure(AUGUST)
    assert ensure(OCTOBER) == ensure(OCTOBER)


def test_an_override_has_a_name_a_reason_and_what_it_overrides(alice: User) -> None:
    person = Actor.of(alice)
    for actor, override, code in (
        (SYSTEM, Override("we know", FINDINGS), "person"),
        (person, Override("  ", FINDINGS), "reason"),
        (person, Override("x" * 501, FINDINGS), "reason"),
        (person, Override("we know", ()), "nothing"),
    ):
        with pytest.raises(Invalid) as refusal:
            shut(OCTOBER, actor, override)
        assert refusal.value.code == code
    closed = shut(OCTOBER, person, Override(" we know ", FINDINGS))
    closed.refresh_from_db()
    assert (closed.closed_by, closed.override_reason) == (alice, "we know")
    assert closed.overridden == FINDINGS
    assert '"override":"we know"' in AuditEvent.objects.latest("pk").payload


def test_two_people_open_the_last_closed_month_again(alice: User, bob: User) -> None:
    one, two = Actor.of(alice), Actor.of(bob)
    for month in (SEPTEMBER, OCTOBER):
        shut(month)
    with pytest.raises(Conflict, match="Only the last"):
        request_reopening(month=SEPTEMBER, reason="a late bill", actor=one)
    with pytest.raises(Invalid, match="name of a person"):
        request_reopening(month=OCTOBER, reason="a late bill", actor=SYSTEM)
    with pytest.raises(Invalid, match="Give a reason"):
        request_reopening(month=OCTOBER, reason=" ", actor=one)
    wish = request_reopening(month=OCTOBER, reason="a late bill", actor=one)
    with pytest.raises(Conflict, match="asked for this already"):
        request_reopening(month=OCTOBER, reason="another one", actor=two)
    with pytest.raises(Conflict, match="Another person"):
        approve_reopening(reopening_id=wish.pk, actor=one)
    assert approve_reopening(reopening_id=wish.pk, actor=two).status == "open"
    with pytest.raises(Conflict, match="answered already"):
        approve_reopening(reopening_id=wish.pk, actor=two)
    assert first_open() == OCTOBER
    assert actions() == [
        "period.closed",
        "period.closed",
        "period.reopening_requested",
        "period.reopened",
    ]
    shut(OCTOBER)
    again = request_reopening(month=OCTOBER, reason="once more", actor=one)
    decline_reopening(reopening_id=again.pk, actor=two)
    assert period_of(OCTOBER).is_closed


def test_a_wish_is_about_one_closing(alice: User, bob: User) -> None:
    """An approval given behind the services opens nothing but the closing it was asked for."""
    shut(OCTOBER)
    wish = request_reopening(month=OCTOBER, reason="a late bill", actor=Actor.of(alice))
    approve_reopening(reopening_id=wish.pk, actor=Actor.of(bob))
    shut(OCTOBER)
    nothing: dict[str, Any] = {"closed_at": None, "closed_by": None, "seal": None}
    with pytest.raises(IntegrityError, match="by two people"), transaction.atomic():
        Period.objects.filter(month=OCTOBER).update(status="open", **nothing)
    assert PeriodReopening.objects.get().approved_by == bob


def book(*ends: str) -> list[str]:
    with transaction.atomic():
        moments = [microseconds(at(end)) for end in ends]
        periods = PeriodBook(moments)
        return [periods.of(moment) for moment in moments]


def test_a_book_makes_the_periods_that_it_needs() -> None:
    assert book() == []
    found = book("2026-09-30T16:59:59", "2026-09-30T17:00", "2026-11-02T00:00", "2020-02-29T12:00")
    assert found == ["2026-09-01", "2026-10-01", "2026-11-01", "2020-02-01"]
    assert [period.month.isoformat() for period in Period.objects.order_by("month")] == [
        "2020-02-01",
        "2026-09-01",
        "2026-10-01",
        "2026-11-01",
    ]


def test_a_book_knows_what_is_closed() -> None:
    shut(SEPTEMBER)
    found = book("2020-02-29T12:00", "2026-09-30T16:59", "2026-09-30T17:00", "2026-12-24T00:00")
    assert found == ["2026-10-01", "2026-10-01", "2026-10-01", "2026-12-01"]
    assert Period.objects.count() == 3


def test_a_book_asked_for_what_it_was_not_told_makes_that_too() -> None:
    with transaction.atomic():
        periods = PeriodBook([microseconds(at("2026-10-15T00:00"))])
        assert periods.of(microseconds(at("2026-11-15T00:00"))) == "2026-11-01"
        assert periods.of(microseconds(at("2026-10-15T00:00"))) == "2026-10-01"


@pytest.fixture
def moved_west(settings: Settings) -> Iterator[None]:
    """October was made in Bangkok, and the site moved to London since."""
    settings.SITE_TIME_ZONE = "Asia/Bangkok"
    ensure(OCTOBER)
    settings.SITE_TIME_ZONE = "Europe/London"
    return iter(())


@pytest.mark.usefixtures("moved_west")
def test_a_site_that_changed_its_zone_has_no_gap_between_months() -> None:
    found = book("2026-10-31T17:00", "2026-10-31T16:59", "2026-09-30T17:00", "2026-09-30T16:59")
    assert found == ["2026-11-01", "2026-10-01", "2026-10-01", "2026-09-01"]
    edges = Period.objects.order_by("month").values_list("starts_at", "ends_at")
    assert [end for _start, end in edges][:-1] == [start for start, _end in edges][1:]


def test_the_rows_of_periods_cannot_be_bent() -> None:
    shut(OCTOBER)
    for change in (
        {"seal": {"charges": 1}},
        {"ends_at": at("2026-11-01T00:00") + timedelta(days=1)},
        {"closed_at": timezone.now()},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Period.objects.filter(month=OCTOBER).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_period")
