"""Rates by slabs price a project's month as a whole: charges add up to the price of it all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from hpcbilling.workflows import rate_pending
from pricing.models import Charge, Counter, JobRating, RatingReason
from pricing.selectors import live_charges
from receipts.services import create_receipt, void_receipt
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.pricing.lists import counters_add_up, flat, publish, slabs
from usage.models import Job

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 10, 1, 12, tzinfo=UTC)
CPU = slabs("cpu", ("10", "5"), ("20", "4"), (None, "3"))
MEM = flat("mem", "0")


def hours(number: int, cpus: int, day: int | None = None) -> Row:
    """A job of one hour on some CPUs, on the day of its number."""
    end = DAY + timedelta(days=number if day is None else day)
    return Row(number, end=end, tres=f"cpu={cpus},mem=1G,node=1")


def cpu_charges() -> list[tuple[int, int, Decimal]]:
    rows = live_charges().filter(resource="cpu").order_by("job__job_id")
    return [
        ((before or 0) // 3600, (after or 0) // 3600, amount)
        for before, after, amount in rows.filter(counter_after__isnull=False).values_list(
            "counter_before", "counter_after", "amount"
        )
    ]


def test_a_batch_is_priced_in_the_order_in_which_its_jobs_ended() -> None:
    make_project("genomics")
    publish(CPU, MEM)
    import_rows(make_cluster(), hours(3, 6), hours(1, 8), hours(2, 8))
    assert cpu_charges() == [(0, 8, Decimal(40)), (8, 16, Decimal(34)), (16, 22, Decimal(22))]
    assert not Charge.objects.filter(resource="cpu", unit_price__isnull=False).exists()
    counters_add_up()


def test_a_month_has_a_counter_of_its_own() -> None:
    make_project("genomics")
    publish(CPU, MEM)
    import_rows(make_cluster(), hours(1, 8), hours(2, 8, day=40))
    assert cpu_charges() == [(0, 8, Decimal(40)), (0, 8, Decimal(40))]
    months = Counter.objects.order_by("month").values_list("month", flat=True)
    assert [str(month) for month in months] == ["2026-10-01", "2026-11-01"]
    counters_add_up()


def test_the_month_is_that_of_the_site() -> None:
    make_project("genomics")
    publish(CPU, MEM)
    # Eight in the evening in UTC is the next day, and here the next month, in Bangkok.
    import_rows(make_cluster(), Row(1, end=datetime(2026, 10, 31, 20, tzinfo=UTC)))
    assert str(Counter.objects.get().month) == "2026-11-01"


def test_a_step_down_by_volume_is_a_negative_charge() -> None:
    make_project("genomics")
    publish(slabs("cpu", ("10", "5"), (None, "2"), model="volume"), MEM)
    import_rows(make_cluster(), hours(1, 10), hours(2, 2))
    assert cpu_charges() == [(0, 10, Decimal(50)), (10, 12, Decimal(-26))]
    counters_add_up()


def test_a_job_that_changed_is_taken_back_and_comes_last() -> None:
    make_project("genomics")
    publish(CPU, MEM)
    cluster = make_cluster()
    import_rows(cluster, hours(1, 8), hours(2, 8), hours(3, 6))
    import_rows(cluster, hours(1, 4), hours(3, 6))
    counters_add_up()
    assert Counter.objects.get().quantity == 18 * 3600
    assert cpu_charges()[0] == (14, 18, Decimal(16))
    adjustment = Charge.objects.get(kind="adjustment")
    # What was 8 dear hours is now the price of the 14 that are left, less what they had cost.
    assert adjustment.amount == Decimal(66) - Decimal(34 + 22)
    assert (adjustment.job, adjustment.quantity, adjustment.counter_before) == (None, 0, 14 * 3600)


def test_a_fee_at_zero_is_in_the_first_charge_and_stays() -> None:
    make_project("genomics")
    publish(slabs("cpu", ("10", "5", "7"), (None, "4"), fee_at_zero=True), MEM)
    cluster = make_cluster()
    import_rows(cluster, hours(1, 2))
    assert cpu_charges() == [(0, 2, Decimal(17))]
    import_rows(cluster, hours(1, 4))
    assert Counter.objects.get().amount == 27
    counters_add_up()


def test_a_void_receipt_is_charged_again_in_the_same_counter() -> None:
    project = make_project("genomics")
    publish(CPU, MEM)
    import_rows(make_cluster(), hours(1, 8), hours(2, 8), hours(3, 6))
    receipt = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert receipt.net_amount == 96
    void_receipt(receipt_id=receipt.pk, actor=SYSTEM, reason="wrong address")
    counters_add_up()
    assert Counter.objects.get().amount == 96
    assert [row[:2] for row in cpu_charges()] == [(0, 8), (8, 16), (16, 22)]
    again = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert again.net_amount == 96
    assert rate_pending(actor=SYSTEM).charges == 0


def test_part_of_a_month_that_is_void_leaves_the_rest_as_billed() -> None:
    project = make_project("genomics")
    publish(CPU, MEM)
    cluster = make_cluster()
    import_rows(cluster, hours(1, 8), hours(2, 8))
    first = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    import_rows(cluster, hours(3, 6))
    second = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert [first.net_amount, second.net_amount] == [74, 22]
    void_receipt(receipt_id=first.pk, actor=SYSTEM, reason="wrong address")
    counters_add_up()
    again = create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM)
    assert again.net_amount + second.net_amount == 96
    void_receipt(receipt_id=again.pk, actor=SYSTEM, reason="wrong again")
    counters_add_up()
    assert create_receipt(project_id=project.pk, window=OCTOBER, actor=SYSTEM).net_amount == 74


def test_a_minimum_per_job_is_a_charge_of_its_own() -> None:
    make_project("genomics")
    publish(flat("cpu", "1"), MEM, minimum_per_job=Decimal(3))
    import_rows(make_cluster(), hours(1, 2), hours(2, 4))
    minimum = Charge.objects.get(kind="minimum")
    assert minimum.job == Job.objects.get(job_id=1)
    assert (minimum.amount, minimum.resource) == (Decimal(1), "minimum")
    assert live_charges().aggregate(sum=Sum("amount"))["sum"] == 7


def test_free_jobs_and_states_that_are_not_billed_are_exempt() -> None:
    make_project("genomics")
    publish(
        flat("gpu", "1"), states={"NODE_FAIL": "0", "FAILED": "50"}, free_resources=["cpu", "mem"]
    )
    tres = "cpu=4,mem=1G,node=1,gres/gpu=2"
    import_rows(
        make_cluster(),
        Row(1),
        Row(2, tres=tres, state="NODE_FAIL"),
        Row(3, tres=tres, state="FAILED"),
    )
    ratings = JobRating.objects.order_by("job__job_id").values_list("status", "reason")
    assert list(ratings) == [
        ("exempt", RatingReason.FREE), ("exempt", RatingReason.STATE), ("rated", ""),
    ]  # fmt: skip
    assert Charge.objects.get().quantity == 3600
    assert rate_pending(actor=SYSTEM).charges == 0


def test_a_rate_for_a_partition_is_for_its_jobs() -> None:
    make_project("genomics")
    publish(flat("cpu", "1"), flat("cpu", "2", qos="high"), MEM)
    import_rows(make_cluster(), hours(1, 4))
    assert live_charges().get(resource="cpu").amount == 4


def test_what_is_too_large_waits() -> None:
    make_project("genomics")
    publish(slabs("cpu", ("1", "999999999999"), (None, "999999999999")), MEM)
    import_rows(make_cluster(), Row(1, tres="cpu=1000000,mem=1G,node=1"), hours(2, 1))
    ratings = JobRating.objects.order_by("job__job_id").values_list("reason", flat=True)
    assert list(ratings) == ["too_large", ""]
    assert cpu_charges() == [(0, 1, Decimal(999999999999))]
    counters_add_up()


def test_negotiated_prices_come_first_for_what_they_price() -> None:
    project = make_project("genomics")
    publish(flat("cpu", "1"), flat("mem", "1"))
    publish(flat("cpu", "0.5"), project=project, ends_at=DAY + timedelta(days=2))
    import_rows(make_cluster(), hours(1, 4), hours(2, 4))
    amounts = live_charges().order_by("job__job_id", "resource").values_list("amount", flat=True)
    assert list(amounts) == [Decimal(2), Decimal(1), Decimal(4), Decimal(1)]


def test_a_list_negotiated_for_the_past_counts_for_its_jobs() -> None:
    project = make_project("genomics")
    publish(flat("cpu", "1"), MEM)
    import_rows(make_cluster(), hours(1, 4), hours(2, 4))
    publish(CPU, project=project, at=DAY + timedelta(days=2))
    assert rate_pending(actor=SYSTEM).charges == 4
    assert cpu_charges() == [(0, 4, Decimal(20))]
    assert live_charges().get(job__job_id=1, resource="cpu").amount == 4
    counters_add_up()


def test_nobody_moves_a_counter_but_charges() -> None:
    make_project("genomics")
    publish(CPU, MEM)
    import_rows(make_cluster(), hours(1, 8))
    with pytest.raises(IntegrityError), transaction.atomic():
        Counter.objects.update(quantity=0, amount=0)


def test_a_trigger_of_ones_own_moves_no_counter() -> None:
    """Whoever may make temporary tables can be within a trigger at any time."""
    make_project("genomics")
    publish(CPU, MEM)
    import_rows(make_cluster(), hours(1, 8))
    rate_pending(actor=SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE mine (x integer)")
        cursor.execute(
            "CREATE FUNCTION pg_temp.reset() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " UPDATE public.pricing_counter SET quantity = 0, amount = 0; RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER reset AFTER INSERT ON mine FOR EACH ROW"
            " EXECUTE FUNCTION pg_temp.reset()"
        )
        with pytest.raises(IntegrityError, match="moves by the charges"), transaction.atomic():
            cursor.execute("INSERT INTO mine VALUES (1)")
    assert Counter.objects.get().quantity == 8 * 3600
