"""Rows added by COPY are as rows added by the ORM, and its refusals are Django's."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Department
from core.bulk import COPY_FROM, insert_many
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
