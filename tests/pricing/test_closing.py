"""A month's sum keeps to cap and commitment, by one charge without job that is made once."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from accounts.models import Period
from accounts.periods import PeriodBook
from core.errors import Invalid
from core.intervals import microseconds
from pricing.closing import true_up
from pricing.models import Charge, Counter
from receipts.services import create_receipt, void_receipt
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import flat, publish, slabs

pytestmark = pytest.mark.django_db

MONTH = date(2026, 10, 1)
END = datetime(2026, 10, 15, 12, tzinfo=UTC)
PRICES = (flat("cpu", "1"), flat("mem", "0"))


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("true_up", *arguments, stdout=out)
    connection.check_constraints()
    return out.getvalue()


def made() -> list[Decimal]:
    charges = Charge.objects.filter(kind="true_up").order_by("pk")
    return list(charges.values_list("amount", flat=True))


def test_a_commitment_is_filled_up_once() -> None:
    make_project("genomics")
    publish(*PRICES, commitment=Decimal(10))
    cluster = make_cluster()
    import_rows(cluster, Row(1, end=END))
    assert "true-up +6" in command("2026-10", "--dry-run")
    assert made() == []
    assert "true-up +6" in command("2026-10")
    assert command("2026-10") == "0 of 1 projects were trued up.\n"
    import_rows(cluster, Row(2, end=END + timedelta(hours=1)))
    command("2026-10", "--project", "genomics")
    assert made() == [6, -4]
    last = Charge.objects.filter(kind="true_up").latest("pk")
    assert (last.job, last.quantity, str(last.job_end)) == (
        None,
        0,
        "2026-10-31 16:59:59.999999+00:00",
    )


def test_a_cap_is_kept_and_is_on_the_receipt() -> None:
    project = make_project("genomics")
    publish(*PRICES, cap=Decimal(3))
    import_rows(make_cluster(), Row(1, end=END))
    (told,) = json.loads(command("2026-10", "--json"))
    assert (told["charged"], told["difference"]) == ("4.000000", "-1.000000")
    window = OCTOBER
    receipt = create_receipt(project_id=project.pk, window=window, actor=SYSTEM)
    assert receipt.net_amount == 3
    lines = receipt.lines.values_list("resource", "amount", "jobs")
    wanted = [("cpu", Decimal(4), 1), ("mem", Decimal(0), 1), ("true_up", Decimal(-1), 0)]
    assert list(lines) == wanted
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong address")
    connection.check_constraints()
    assert made() == [-1, 1, -1]
    assert create_receipt(project_id=project.pk, window=window, actor=SYSTEM).net_amount == 3
    assert command("2026-10") == "0 of 1 projects were trued up.\n"


def test_a_fee_is_due_without_usage() -> None:
    make_project("genomics")
    rate = slabs("cpu", ("10", "5", "7"), (None, "4"), fee_at_zero=True)
    publish(rate, flat("mem", "0"), commitment=Decimal(5))
    command("2026-10")
    assert made() == []
    charge = Charge.objects.get()
    assert (charge.kind, charge.amount) == ("adjustment", Decimal(7))
    assert charge.job is None
    assert Counter.objects.get().amount == 7
    assert command("2026-10") == "0 of 1 projects were trued up.\n"
    import_rows(make_cluster(), Row(1, end=END))
    connection.check_constraints()
    assert Counter.objects.get().amount == 27


def test_a_month_that_goes_on_is_not_closed() -> None:
    project = make_project("genomics")
    publish(*PRICES, commitment=Decimal(10))
    with pytest.raises(Invalid):
        true_up(project_id=project.pk, month=date(2100, 1, 1), actor=SYSTEM)
    with pytest.raises(CommandError):
        command("October")


def _raw(charge: Charge, **changes: object) -> None:
    """Insert a copy of a charge as somebody with psql would."""
    values = {"id": None, **changes}
    with transaction.atomic():
        for name, value in values.items():
            setattr(charge, name, value)
        charge._state.adding = True
        charge.save(force_insert=True)


def test_the_database_refuses_more_than_the_month_needs() -> None:
    genomics = make_project("genomics")
    capped = publish(*PRICES, cap=Decimal(1000))
    other = publish(*PRICES, tier="gov", commitment=Decimal(1000))
    import_rows(make_cluster(), Row(1, end=END))
    last = datetime(2026, 10, 31, 16, 59, 59, 999999, tzinfo=UTC)
    blank = {
        "project": genomics, "kind": "true_up", "resource": "true_up", "quantity": 0,
        "unit_size": 1, "currency": "THB", "period_id": MONTH,
    }  # fmt: skip
    for price_list, amount, end in (
        (capped, 5000, last),
        (capped, -4, last),
        (other, 996, last),
        (other, 996, last - timedelta(hours=1)),
        (capped, 996, END),
    ):
        with pytest.raises(IntegrityError, match="no further"):
            _raw(Charge(**blank, price_list=price_list, job_end=end, amount=Decimal(amount)))
    assert made() == []


def test_a_month_in_which_summer_time_ended_is_closed_too(settings: Settings) -> None:
    settings.SITE_TIME_ZONE = "Europe/Berlin"
    make_project("genomics")
    publish(*PRICES, commitment=Decimal(10))
    first, last = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 22, 59, tzinfo=UTC)
    import_rows(make_cluster(), Row(1, end=first), Row(2, end=last))
    assert "true-up +2" in command("2026-10")
    assert made() == [2]


def test_what_was_added_cannot_be_added_again() -> None:
    make_project("genomics")
    publish(*PRICES, commitment=Decimal(10))
    import_rows(make_cluster(), Row(1, end=END))
    command("2026-10")
    for hours in (0, 1, -1):
        charge = Charge.objects.get(kind="true_up")
        end = charge.job_end + timedelta(hours=hours)
        period = Period.objects.get(month=PeriodBook().of(microseconds(end)))
        with pytest.raises(IntegrityError, match="no further"):
            _raw(charge, job_end=end, period=period)
    assert made() == [6]


def test_what_was_added_is_not_taken_back_alone() -> None:
    make_project("genomics")
    publish(*PRICES, commitment=Decimal(10))
    import_rows(make_cluster(), Row(1, end=END))
    command("2026-10")
    charge = Charge.objects.get(kind="true_up")
    with pytest.raises(IntegrityError, match="no further"):
        _raw(charge, reverses_id=charge.pk, amount=-charge.amount)
    assert made() == [6]


def test_a_minimum_is_that_of_the_list_that_counts() -> None:
    make_project("genomics")
    publish(*PRICES)
    other = publish(*PRICES, tier="gov", minimum_per_job=Decimal(50))
    import_rows(make_cluster(), Row(1, end=END))
    charge = Charge.objects.get(resource="cpu")
    with pytest.raises(IntegrityError, match="that counts for the project"):
        _raw(
            charge, kind="minimum", resource="minimum", rate=None, price_list=other, quantity=0,
            unit_size=1, unit_price=None, amount=Decimal(46), generation=2,
        )  # fmt: skip
    assert Charge.objects.count() == 2
