"""Rows added by COPY are as rows added by the ORM, and its refusals are Django's."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Department
from core.bulk import COPY_FROM, LINES_AT_ONCE, any_of, copy_lines, in_batches, insert_many
from pricing.models import Charge, JobRating
from tests.factories import Row, import_rows, make_cluster, make_project
from usage.merge import VALUE_FIELDS
from usage.models import Cluster, Job

pytestmark = pytest.mark.django_db


def departments(count: int) -> list[Department]:
    return [Department(code=f"D{number}", name=f'คณะ "{number}"\t\\N') for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, COPY_FROM - 1, COPY_FROM, 3 * COPY_FROM])
def test_few_and_many_rows_arrive_as_they_are(count: int) -> None:
    rows = departments(count)
    with CaptureQueriesContext(connection) as captured:
        insert_many(rows)
    stored = Department.objects.order_by("pk").values_list("code", "name")
    assert list(stored) == [(row.code, row.name) for row in rows]
    inserts = [query for query in captured if "INSERT" in query["sql"]]
    assert len(inserts) == (1 if 0 < count < COPY_FROM else 0)


def test_constraints_refuse_as_with_any_insert() -> None:
    rows = [*departments(COPY_FROM), Department(code="D0", name="again")]
    with pytest.raises(IntegrityError, match="unique"), transaction.atomic():
        insert_many(rows)
    assert not Department.objects.exists()


@pytest.mark.parametrize("count", [0, 1, LINES_AT_ONCE, LINES_AT_ONCE + 1])
def test_lines_arrive_in_blocks_of_any_number(count: int) -> None:
    lines = (f"D{number}\tName {number}\n" for number in range(count))
    assert copy_lines("accounts_department", ("code", "name"), lines) == bool(count)
    names = Department.objects.order_by("pk").values_list("name", flat=True)
    assert list(names) == [f"Name {number}" for number in range(count)]


@pytest.mark.parametrize("at", [0, LINES_AT_ONCE + 1])
def test_a_question_to_the_database_amid_lines_is_refused_instead_of_hanging(at: int) -> None:
    def lines() -> Iterator[str]:
        for number in range(at + 1):
            if number == at:
                Department.objects.count()
            yield f"D{number}\tx\n"

    with pytest.raises(RuntimeError, match="busy"), transaction.atomic():
        copy_lines("accounts_department", ("code", "name"), lines())
    assert not Department.objects.exists()


@pytest.mark.parametrize("count", [2, 50, 300])
def test_rows_are_found_by_any_number_of_keys(count: int) -> None:
    insert_many(departments(2 * count))
    keys = list(Department.objects.order_by("pk").values_list("pk", flat=True))
    # Close together, and with one that is far away.
    for wanted in (keys[:count], keys[::2]):
        for more in ([], [keys[-1] + 10**6]):
            found = Department.objects.filter(any_of("pk", [*wanted, *more])).order_by("pk")
            assert [row.pk for row in found] == wanted
    assert not Department.objects.filter(any_of("pk", [])).exists()


def test_batches_hold_everything_in_order() -> None:
    assert list(in_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_batches([], 2)) == []


CHARGE = ("job__job_id", "resource", "generation", "quantity", "unit_price", "amount", "job_end")


def said(cluster: Cluster) -> list[list[tuple[object, ...]]]:
    jobs = Job.objects.filter(cluster=cluster).order_by("job_id")
    charges = Charge.objects.filter(job__cluster=cluster).order_by("job__job_id", "resource")
    ratings = JobRating.objects.filter(job__cluster=cluster).order_by("job__job_id")
    return [
        list(jobs.values_list("job_id", "submit", "revision", "fingerprint", *VALUE_FIELDS)),
        list(charges.values_list(*CHARGE)),
        list(ratings.values_list("job__job_id", "status", "reason", "project", "generation")),
    ]


def test_jobs_and_charges_are_the_same_in_one_batch_and_in_many() -> None:
    make_project("genomics")
    gpu = "cpu=8,mem=64G,node=1,billing=8,gres/gpu=2,gres/gpu:a100=2,license/matlab=1"
    rows = [
        Row(job_id=number, tres=gpu if number % 3 else Row.tres, name=f'"ก|{number}\\N')
        for number in range(1, COPY_FROM + 51)
    ]
    whole, pieces = make_cluster("whole"), make_cluster("pieces")
    import_rows(whole, *rows)
    for start in range(0, len(rows), 30):
        import_rows(pieces, *rows[start : start + 30])
    assert said(whole) == said(pieces)
    assert Job.objects.filter(cluster=whole, first_seen_at__lte=datetime.now(UTC)).count() == 150
