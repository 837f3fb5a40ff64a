"""What is new goes straight into the table, and is what it would be by way of staging."""

import threading
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, connection

from core.errors import Conflict
from tests.factories import COLUMNS, Row, make_cluster, sacct
from tests.usage.loading import load, table
from usage import adding
from usage.merge import VALUE_FIELDS
from usage.models import Cluster, ImportRun, Job

pytestmark = pytest.mark.django_db

WIDE = (*COLUMNS, "Partition", "QOS", "Suspended")
ELSEWHERE = {"id", "cluster_id", "run_id", "first_seen_at", "raw_digest"}
"""What is another for each import or each cluster."""


def cells(number: int, **changes: str) -> dict[str, str]:
    row = Row(number, tres=f"cpu={number},mem=8193M,node=1,gres/gpu:a100={number}")
    rich = {"Partition": "p", "QOS": "normal", "Suspended": "0"}
    return dict(zip(COLUMNS, row.text().split("|"), strict=True)) | rich | changes


ODD = [
    cells(5),
    cells(2, User="ก ข\\n", Account="a\\tb", NodeList="n\\N"),
    cells(9, State="RUNNING", End="Unknown", ElapsedRaw="60"),
    cells(3, State="PENDING", Start="Unknown", End="Unknown", ElapsedRaw="0", AllocTRES=""),
    cells(7, ElapsedRaw="3000", Suspended="00:10:00", QOS=""),
    cells(4, Partition="x" * 200),
    cells(8, AllocTRES="cpu=1,mem=1M,node=1,license/x=3"),
]


def rows_of(cluster: Cluster) -> list[dict[str, Any]]:
    jobs = Job.objects.filter(cluster=cluster).order_by("job_id")
    return [
        {name: value for name, value in row.items() if name not in ELSEWHERE}
        for row in jobs.values(*(field.attname for field in Job._meta.concrete_fields))
    ]


def by_staging(content: bytes) -> list[dict[str, Any]]:
    cluster = make_cluster("staged")
    with mock.patch("usage.intake.beginning_of", return_value=b""):
        load(cluster, content)
    return rows_of(cluster)


def statements(cluster: Cluster, content: bytes, batch: int = 1000) -> tuple[ImportRun, list[str]]:
    """A run, and what was written straight into the table of jobs for it."""
    with mock.patch.object(adding, "add", wraps=adding.add) as add:
        run = load(cluster, content, batch=batch)
    return run, [str(call) for call in add.mock_calls]


@pytest.mark.parametrize("columns", [WIDE, COLUMNS, (*COLUMNS[:-1], "QOS")])
def test_a_new_job_is_the_same_with_and_without_staging(columns: tuple[str, ...]) -> None:
    rows = [row for row in ODD if "Suspended" in columns or row["Suspended"] == "0"]
    cluster, content = make_cluster(), table(columns, rows)
    run, direct = statements(cluster, content)
    assert (len(direct), run.jobs_new, run.quarantined) == (1, len(rows), 0)
    step = table(columns, [cells(5, JobIDRaw="5.batch", JobID="5.batch")]).split(b"\n", 1)[1]
    assert rows_of(cluster) == by_staging(content + step)
    assert not Job.objects.filter(raw_digest=None).exists()


def test_every_column_that_staging_fills_is_filled() -> None:
    assert {f.column for f in Job._meta.concrete_fields} - {"id"} >= set(adding.COLUMNS)
    assert set(VALUE_FIELDS) <= set(adding.COLUMNS)


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_a_row_of_a_known_job_sends_the_rest_through_staging(batch: int) -> None:
    cluster = make_cluster()
    load(cluster, sacct(Row(6), Row(8)))
    changed = Row(8, tres="cpu=8,mem=8192M,node=1")
    content = sacct(*(Row(number) for number in range(1, 6)), Row(6), Row(7), changed, Row(9))
    run = load(cluster, content, batch=batch)
    assert (run.status, run.rows_read) == ("complete", 9)
    assert (run.jobs_new, run.jobs_changed, run.jobs_unchanged) == (7, 1, 1)
    assert list(Job.objects.order_by("job_id").values_list("job_id", flat=True)) == list(
        range(1, 10)
    )
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_a_job_that_stands_far_below_again_is_the_same_job() -> None:
    rows = [Row(number) for number in range(1, 8)]
    run, direct = statements(make_cluster(), sacct(*rows, rows[0]), batch=2)
    assert len(direct) == 4
    assert (run.jobs_new, run.jobs_unchanged, Job.objects.count()) == (7, 1, 7)


def test_other_errors_are_not_taken_for_a_known_job() -> None:
    with (
        mock.patch.object(adding, "COLUMNS", ("cluster_id",)),
        pytest.raises(IntegrityError, match="not-null"),
    ):
        load(make_cluster(), sacct(Row(1)))
    assert not Job.objects.exists()


def test_a_batch_whose_import_went_on_elsewhere_is_given_up() -> None:
    """As when the lock was lost with its connection, and another worker took over."""
    cluster = make_cluster()
    taken: list[int] = []

    def take_over(lines: Sequence[bytes]) -> None:
        adding_add(lines)
        if not taken:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE usage_importrun SET rows_read = 1, jobs_new = 1")
                taken.append(cursor.rowcount)

    adding_add = adding.add
    with (
        mock.patch.object(adding, "add", take_over),
        pytest.raises(Conflict, match="by someone else"),
    ):
        load(cluster, sacct(Row(1), Row(2), Row(3)), batch=2)
    assert (taken, Job.objects.count()) == ([1], 0)
