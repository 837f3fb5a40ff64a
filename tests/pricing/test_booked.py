"""Charges are priced by the end of their job, and booked into the earliest open month after it."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Period, Project
from accounts.periods import ensure
from accounts.services import approve_reopening, close, request_reopening
from core import bulk
from core.actor import Actor
from hpcbilling.closing.seal import seal_of
from pricing import batches
from pricing.closing import true_up
from pricing.models import Charge, Sku
from pricing.replacing import reverse_and_replace
from pricing.selectors import live_charges
from pricing.services.items import charge_item, reverse_item
from tests import scenes
from tests.databases import Database
from tests.factories import SYSTEM, Row, import_rows, make_cluster, make_project, make_user
from tests.pricing.lists import flat, publish, slabs
from tests.racing import race
from tests.rules.attacks.making import copy_of
from usage.models import Cluster

SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 1) for month in (9, 10, 11))
END = datetime(2026, 9, 15, 12, tzinfo=UTC)
LATER = datetime(2026, 10, 15, 12, tzinfo=UTC)
MEMORY = flat("mem", "0")


@scenes.standing
def genomics() -> Project:
    """A project that pays 1 for a CPU-hour until September's end, and 2 after it."""
    publish(flat("cpu", "1"), MEMORY)
    publish(flat("cpu", "2"), MEMORY, at=datetime(2026, 9, 30, 17, tzinfo=UTC))
    return make_project("genomics")


@pytest.fixture
def cluster(genomics: Project) -> Cluster:
    return make_cluster()


def shut(month: date) -> None:
    close(month=month, seal=seal_of, actor=SYSTEM)


def booked(*resources: str) -> list[tuple[date, Any]]:
    rows = Charge.objects.filter(resource__in=resources or ("cpu",)).order_by("pk")
    return [(charge.period_id, charge.amount) for charge in rows]


def test_a_charge_is_booked_into_the_month_of_its_job(cluster: Cluster) -> None:
    edge = datetime(2026, 9, 30, 17, tzinfo=UTC)
    import_rows(
        cluster, Row(1, end=END), Row(2, end=LATER), Row(3, end=edge - timedelta(seconds=1)),
        Row(4, end=edge),
    )  # fmt: skip
    assert booked() == [(SEPTEMBER, 4), (OCTOBER, 8), (SEPTEMBER, 4), (OCTOBER, 8)]
    assert Charge.objects.filter(period__ends_at=edge).count() == 4


def test_late_usage_goes_into_the_open_month_at_the_price_of_its_own_end(cluster: Cluster) -> None:
    shut(SEPTEMBER)
    import_rows(cluster, Row(1, end=END), Row(2, end=datetime(2025, 3, 1, tzinfo=UTC)))
    assert booked() == [(OCTOBER, 4), (OCTOBER, 4)]


def test_a_job_that_changes_after_the_close_is_reversed_in_the_open_month(cluster: Cluster) -> None:
    import_rows(cluster, Row(1, end=END))
    shut(SEPTEMBER)
    sealed = seal_of(Period.objects.get(month=SEPTEMBER))
    import_rows(cluster, Row(1, end=END, tres="cpu=8,mem=8192M,node=1"))
    assert booked() == [(SEPTEMBER, 4), (OCTOBER, -4), (OCTOBER, 8)]
    assert Charge.objects.get(reverses__isnull=False, resource="cpu").job_end == END
    assert seal_of(Period.objects.get(month=SEPTEMBER)) == sealed
    assert sealed["amounts"] == {"THB": "4.000000"}


def test_counters_go_by_the_month_of_the_end_wherever_it_is_booked(cluster: Cluster) -> None:
    publish(slabs("cpu", ("4", "10"), (None, "1")), MEMORY, at=END - timedelta(days=14))
    import_rows(cluster, Row(1, end=END))
    shut(SEPTEMBER)
    import_rows(cluster, Row(2, end=END + timedelta(days=1)))
    assert booked() == [(SEPTEMBER, 40), (OCTOBER, 4)]


def test_what_has_no_job_is_booked_alike(genomics: Project, cluster: Cluster) -> None:
    clerk = Actor.of(make_user("clerk"))
    poster = Sku.objects.create(code="poster", name="Poster", unit="piece")
    publish(
        flat("cpu", "1"), MEMORY, flat("sku:poster", "30"), at=END - timedelta(days=14),
        commitment=Decimal(100),
    )  # fmt: skip
    import_rows(cluster, Row(1, end=END))
    shut(SEPTEMBER)
    made = charge_item(
        project=genomics, sku=poster, quantity=Decimal(1), at=END, reason="a conference",
        expected=Decimal(30), actor=clerk,
    )  # fmt: skip
    true_up(project_id=genomics.pk, month=SEPTEMBER, actor=SYSTEM)
    assert booked("sku:poster", "true_up") == [(OCTOBER, 30), (OCTOBER, 66)]
    assert reverse_item(charge_id=made.pk, reason="not taken", actor=clerk).period_id == OCTOBER


@pytest.mark.usefixtures("genomics")
def test_a_replacement_is_booked_into_the_open_month(cluster: Cluster) -> None:
    import_rows(cluster, Row(1, end=END))
    shut(SEPTEMBER)
    with transaction.atomic():
        reverse_and_replace(charges=list(live_charges()), actor=SYSTEM)
    assert booked() == [(SEPTEMBER, 4), (OCTOBER, -4), (OCTOBER, 4)]


def test_a_month_that_opened_again_takes_its_charges(cluster: Cluster) -> None:
    shut(SEPTEMBER)
    wish = request_reopening(
        month=SEPTEMBER, reason="a late bill", actor=Actor.of(make_user("alice"))
    )
    import_rows(cluster, Row(1, end=END))
    approve_reopening(reopening_id=wish.pk, actor=Actor.of(make_user("bob")))
    import_rows(cluster, Row(2, end=END))
    assert booked() == [(OCTOBER, 4), (SEPTEMBER, 4)]


def _forge(**changes: Any) -> None:
    """Book a copy of the first charge elsewhere, behind the application's back."""
    statement = copy_of("pricing_charge", "resource = 'cpu'", generation=2, **changes)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("month", [SEPTEMBER, NOVEMBER, date(2026, 8, 1), date(2027, 1, 1)])
def test_the_database_books_nowhere_else(cluster: Cluster, month: date) -> None:
    """Closed, open but not the earliest, before the end, and without a row."""
    import_rows(cluster, Row(1, end=END))
    shut(SEPTEMBER)
    for later in (OCTOBER, NOVEMBER):
        ensure(later)
    with pytest.raises(IntegrityError, match="earliest open period"):
        _forge(period_id=str(month))


def test_the_database_books_nothing_before_its_end(cluster: Cluster) -> None:
    import_rows(cluster, Row(1, end=END), Row(2, end=LATER))
    late = LATER.isoformat()
    with pytest.raises(IntegrityError, match="earliest open period"):
        _forge(period_id=str(SEPTEMBER), job_end=late)


# Closing while jobs are rated, over connections of their own


def october(cluster: Cluster, first: int, count: int = 30) -> Sequence[Row]:
    start = datetime(2026, 10, 2, tzinfo=UTC)
    return [
        Row(number, end=start + timedelta(hours=number % 600), account=f"p{cluster.pk}")
        for number in range(first, first + count)
    ]


def clusters_with_projects(count: int) -> list[Cluster]:
    publish(flat("cpu", "1"), MEMORY)
    found = [make_cluster(f"c{number}") for number in range(count)]
    for cluster in found:
        make_project(f"p{cluster.pk}")
    return found


@pytest.mark.parametrize("pause", [0.0, 0.15, 0.3, 0.6])
def test_nothing_is_booked_into_a_month_that_closes_meanwhile(
    committed_db: Database, pause: float
) -> None:
    clusters = clusters_with_projects(3)

    def rate(cluster: Cluster) -> int:
        for part in range(4):
            import_rows(cluster, *october(cluster, 1 + part * 30))
        return Charge.objects.filter(project__code=f"p{cluster.pk}", resource="cpu").count()

    def shut_then() -> str:
        time.sleep(pause)
        shut(OCTOBER)
        return "closed"

    results = race(*(lambda each=each: rate(each) for each in clusters), shut_then)
    assert results == ["120", "120", "120", "closed"]
    period = Period.objects.get(month=OCTOBER)
    assert period.seal == seal_of(period)
    months = Counter(Charge.objects.values_list("period_id", flat=True))
    assert set(months) <= {OCTOBER, NOVEMBER}
    assert sum(months.values()) == 3 * 120 * 2


@pytest.mark.usefixtures("committed_db")
def test_closing_waits_for_whoever_books(monkeypatch: pytest.MonkeyPatch) -> None:
    (cluster,) = clusters_with_projects(1)
    slow = bulk.copy_lines

    def slowly(*arguments: Any) -> bool:
        time.sleep(0.8)
        return slow(*arguments)

    monkeypatch.setattr(batches, "copy_lines", slowly)

    def rate() -> str:
        import_rows(cluster, *october(cluster, 1))
        return "rated"

    def shut_then() -> str:
        time.sleep(1)
        shut(OCTOBER)
        return "closed"

    assert race(rate, shut_then) == ["rated", "closed"]
    period = Period.objects.get(month=OCTOBER)
    assert period.seal is not None
    assert period.seal["charges"] == Charge.objects.filter(period=period).count() == 60
    assert period.closed_at is not None
    assert Charge.objects.latest("created_at").created_at < period.closed_at


def test_the_database_itself_lets_no_month_close_under_a_booking(committed_db: Database) -> None:
    """Without the application's locks: the rows of the periods are locked by the rule."""
    (cluster,) = clusters_with_projects(1)
    import_rows(cluster, *october(cluster, 1, count=1))
    closing = (
        "UPDATE accounts_period SET status = 'closed', closed_at = now(), seal = '{}'"
        " WHERE month = '2026-10-01'"
    )
    again = copy_of("pricing_charge", "resource = 'cpu'", job_id=None, kind="adjustment")
    with (
        psycopg.connect(committed_db.owner_url) as booking,
        psycopg.connect(committed_db.owner_url) as shutting,
    ):
        for rule in ("price", "quantity", "one_live", "terms", "counts"):
            booking.execute(f"DROP TRIGGER pricing_charge_{rule} ON pricing_charge".encode())
        for check in ("priced_one_way", "sign", "amount_recomputes"):
            booking.execute(f"ALTER TABLE pricing_charge DROP CONSTRAINT charge_{check}".encode())
        booking.commit()
        booking.execute(again.encode())
        shutting.execute("SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            shutting.execute(closing)
        shutting.rollback()
        booking.rollback()
        shutting.execute(closing)
        booking.execute("SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            booking.execute(again.encode())
        shutting.rollback()
        booking.rollback()
