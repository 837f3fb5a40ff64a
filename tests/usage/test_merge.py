"""However rows come — split, repeated, in any order, from poor sources — the jobs are the same."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.examples import few
from tests.factories import COLUMNS, Row, make_cluster
from tests.usage.loading import BATCHES, load, table
from usage.merge import VALUE_FIELDS
from usage.models import Cluster, ImportRun, Job
from usage.sources.formats import open_reader

ASKED = ("ReqTRES", "Reservation")
MEASURED = ("TotalCPU", "ConsumedEnergyRaw")
RICH = (*COLUMNS, "Partition", "QOS", "Suspended", *ASKED, *MEASURED)
POOR = (
    COLUMNS,
    (*COLUMNS, "QOS"),
    (*COLUMNS[:-2], "JobName", "Suspended"),
    (*COLUMNS, "Partition", "QOS", "Suspended"),
    (*COLUMNS, "Partition", "QOS", "Suspended", *ASKED),
    (*COLUMNS, "Suspended", *MEASURED),
)
NUMBERS = itertools.count(1)


def facts(job: int) -> dict[str, str]:
    """An ended job as a rich source tells it; each third was suspended for a while."""
    suspended = 600 * (job % 3 == 0)
    row = Row(job, seconds=3600 + job, tres=f"cpu={job},mem=8193M,node=1,gres/gpu:a100={job}")
    cells = dict(zip(COLUMNS, row.text().split("|"), strict=True))
    return cells | {
        "ElapsedRaw": str(3600 + job - suspended), "Suspended": str(suspended),
        "Partition": f"p{job % 2}", "QOS": "normal",
        "ReqTRES": f"cpu={job},mem=8G,node=1", "Reservation": "maint" * (job % 2),
        "TotalCPU": f"01:0{job % 10}.500", "ConsumedEnergyRaw": str(job * 1000),
    }  # fmt: skip


def while_it_ran(job: int) -> dict[str, str]:
    cells = facts(job)
    return cells | {"State": "RUNNING", "End": "Unknown", "ElapsedRaw": "60", "Suspended": "0"}


def jobs_of(cluster: Cluster) -> list[Any]:
    fields = ("job_id", "submit", "fingerprint", *(f for f in VALUE_FIELDS if f != "name"))
    return list(Job.objects.filter(cluster=cluster).order_by("job_id").values_list(*fields))


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[tuple[str, ...], list[dict[str, str]]]]:
    """Files with their columns. Each job is in some file as a rich source tells it at its end, and
    no file says two things of a job."""
    jobs = range(1, draw(st.integers(1, 6)) + 1)
    rows: list[tuple[tuple[str, ...], bool, int]] = [(RICH, False, job) for job in jobs]
    for job in draw(st.lists(st.sampled_from(jobs), max_size=8)):
        columns = draw(st.sampled_from((RICH, *POOR)))
        early = columns == RICH and draw(st.booleans())
        rows.append((columns, early, job))
    files: dict[tuple[tuple[str, ...], bool, int], list[dict[str, str]]] = {}
    for columns, early, job in draw(st.permutations(rows)):
        row = while_it_ran(job) if early else facts(job)
        files.setdefault((columns, early, draw(st.integers(0, 2))), []).append(row)
    order = draw(st.permutations(sorted(files)))
    return [(key[0], files[key]) for key in order]


class AnyOrder(TestCase):
    @settings(max_examples=few(8), deadline=None, suppress_health_check=list(HealthCheck))
    @given(files=deliveries(), batch=st.sampled_from(BATCHES))
    def test_any_split_and_order_of_rows_gives_the_same_jobs(
        self, files: list[tuple[tuple[str, ...], list[dict[str, str]]]], batch: int
    ) -> None:
        number = next(NUMBERS)
        told = {row["JobIDRaw"]: row for _, rows in files for row in rows}
        plain, mixed = make_cluster(f"plain{number}"), make_cluster(f"mixed{number}")
        load(plain, table(RICH, [facts(int(job)) for job in told], name=f"plain{number}"))
        for columns, rows in files:
            run = load(mixed, table(columns, rows, name=f"mixed{number}"), batch=batch)
            assert (
                run.rows_read == run.jobs_new + run.jobs_changed + run.jobs_unchanged == len(rows)
            )
        assert jobs_of(mixed) == jobs_of(plain)
        assert not Job.objects.exclude(run__status=ImportRun.Status.COMPLETE).exists()
        for job in Job.objects.filter(cluster=mixed):
            assert job.revisions.count() == job.revision - 1


@pytest.mark.django_db
def test_a_fingerprint_made_by_the_database_is_the_programs() -> None:
    """A poor row changes a rich job: the database makes the fingerprint that Python would make."""
    cluster = make_cluster()
    load(cluster, table(RICH, [facts(job) for job in (1, 2, 3)]))
    longer = [
        facts(job) | {"State": "FAILED", "JobName": "x", "User": "ก ข\\n|"} for job in (1, 2, 3)
    ]
    for row in longer:
        row["User"] = "ก ข\\n"
    run = load(cluster, table((*COLUMNS, "QOS"), longer[:2]))
    # The third was suspended: a source that does not say so has another elapsed time.
    assert (run.jobs_changed, run.jobs_unchanged) == (2, 0)
    reader = open_reader([table(RICH, longer[:2])], now=run.created_at)
    told = {row.job.job_id: row.job for row in reader if row.job}
    for job in Job.objects.filter(job_id__in=told):
        assert job.fingerprint == told[job.job_id].fingerprint
        held, types = told[job.job_id].held_seconds, told[job.job_id].tres.gpu_types
        assert job.gpu_type_seconds == {kind: count * held for kind, count in types}
        assert (job.state, job.partition, job.user_name) == (
            "FAILED",
            f"p{job.job_id % 2}",
            "ก ข\\n",
        )
