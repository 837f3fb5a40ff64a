"""The bench measures what it says: each stage does its work, and the rows are as they should be."""

import io

import pytest

from pricing.models import Charge
from receipts.models import Line, Receipt
from tests import bench, bench_rows, bench_run
from tests.databases import Database
from usage.models import Job
from usage.sources.formats import open_reader

JOBS = 60


def test_each_stage_does_its_work(committed_db: Database) -> None:
    watch = bench.measure(jobs=JOBS)
    figures = watch.as_dict()
    charges, lines, receipts = Charge.objects.count(), Line.objects.count(), Receipt.objects.count()
    assert charges > JOBS
    assert 1 < receipts <= bench_rows.PROJECTS
    assert {name: found["count"] for name, found in figures.items()} == {
        "read": JOBS,
        "import": JOBS,
        "rate": JOBS,
        "bare COPY of jobs": JOBS,
        # A row for the job, one for its rating, and one for each of its charges.
        "bare COPY of all": JOBS + JOBS + charges,
        "import again": JOBS,
        "one GROUP BY pass": charges,
        "study of a draft": charges,
        "draft": charges,
        "bare INSERT": receipts + lines + charges,
        "issue": receipts,
        "print": receipts,
        "audit_verify": figures["audit_verify"]["count"],
    }
    assert all(ratio > 0 for ratio in bench.ratios(watch).values())
    assert int(figures["audit_verify"]["count"]) > receipts
    assert Job.objects.filter(revision=1).count() == JOBS


def test_rows_are_real_and_the_same_from_the_same_seed() -> None:
    files = [io.BytesIO() for _ in range(3)]
    for seed, file in zip((1, 1, 2), files, strict=True):
        bench_rows.write(file, 5000, seed=seed, steps=True)
    first, same, other = (file.getvalue() for file in files)
    assert first == same != other
    rows = list(open_reader(files[0], now=bench_rows.WINDOW_END))
    jobs = [row.job for row in rows if row.job]
    assert len(jobs) == len({(job.job_id, job.submit) for job in jobs}) == 5000
    assert {row.kind for row in rows} == {"job", "step"}
    assert {"COMPLETED", "CANCELLED", "NODE_FAIL", "REQUEUED"} <= {job.state for job in jobs}
    assert len({job.job_id for job in jobs}) < 5000
    assert any(job.tres.gpu_types for job in jobs)
    assert any(not job.started for job in jobs)


def test_the_run_of_a_month_is_measured_whole(
    committed_db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    bench_run.build(3, 24)
    watch = bench_run.measure()
    counts = {name: found["count"] for name, found in watch.as_dict().items()}
    lines = Line.objects.count()
    assert counts == {
        "run": 24,
        "bare INSERT": 3 + lines + 24 + 3,
        "approve and issue": 3,
        "print": 3,
        "check_books": 0,
    }
    assert watch.work.keys() == counts.keys()
    bench_run.tell(watch)
    told = capsys.readouterr().out
    assert "drafts ÷ bare INSERT, clock" in told
    assert "PDF documents a minute" in told
