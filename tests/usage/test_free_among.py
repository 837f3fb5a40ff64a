"""The jobs of a batch are looked up by their keys, however large their imports are."""

import pytest
from django.db import connection, transaction

from tests.factories import Row, import_rows, latest_run, make_cluster
from usage.models import ImportRun, Job
from usage.selectors import free_among, free_jobs

pytestmark = pytest.mark.django_db


def test_free_among_returns_what_free_jobs_does() -> None:
    cluster = make_cluster()
    import_rows(cluster, Row(1), Row(2))
    import_rows(cluster, Row(3), Row(99, tres="cpu=x"))
    assert latest_run().status == ImportRun.Status.INCOMPLETE
    keys = list(Job.objects.order_by("pk").values_list("pk", flat=True))
    assert len(keys) == 3
    free = list(free_jobs().order_by("pk").values_list("pk", flat=True))
    assert free == keys[:2]
    assert list(free_among(keys).order_by("pk").values_list("pk", flat=True)) == free
    assert not free_among([]).exists()


def test_the_imports_of_a_batch_are_not_read() -> None:
    """Where PostgreSQL joins runs with jobs it reads all jobs of those runs, for every batch."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plan = free_among(range(1, 10_000)).order_by("pk").explain()
        joined = free_jobs().explain()
    assert "Join" in joined or "Nested Loop" in joined
    assert "SubPlan" in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan
