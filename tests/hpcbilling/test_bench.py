from receipts.models import Line
from tests import bench
from tests.databases import Database


def test_each_stage_does_its_work(committed_db: Database) -> None:
    watch = bench.measure(jobs=40)
    figures = watch.as_dict()
    # Every job uses CPUs and memory, and each third one GPUs too.
    charges, lines = 40 * 2 + 13, Line.objects.count()
    assert {name: found["count"] for name, found in figures.items()} == {
        "read": 40,
        "import": 40,
        "rate": 40,
        # A row for the job, one for its rating, and one for each of its charges.
        "bare COPY": 40 + 40 + charges,
        "import again": 40,
        "draft": charges,
        "bare INSERT": bench.PROJECTS + lines + charges,
        "issue": bench.PROJECTS,
        "audit_verify": figures["audit_verify"]["count"],
    }
    assert all(ratio > 0 for ratio in bench.ratios(watch).values())
    assert int(figures["audit_verify"]["count"]) > bench.PROJECTS
