from tests import bench
from tests.databases import Database


def test_each_stage_does_its_work(committed_db: Database) -> None:
    figures = bench.measure(jobs=40).as_dict()
    assert {name: found["count"] for name, found in figures.items()} == {
        "read": 40,
        "import": 40,
        "rate": 40,
        "import again": 40,
        "receipts": figures["receipts"]["count"],
        "audit_verify": figures["audit_verify"]["count"],
    }
    # Every job uses CPUs and memory, and each third one GPUs too.
    assert figures["receipts"]["count"] == 40 * 2 + 13
    assert int(figures["audit_verify"]["count"]) > bench.PROJECTS
