"""Every job is in exactly one bucket, whatever state job, import, rating and document are in."""

import uuid
from itertools import product
from typing import Any

import psycopg
import pytest

from core.intervals import Interval
from insights import buckets
from insights.buckets import Bucket
from pricing.models import Charge
from receipts.models import Line
from receipts.services import draft_receipt, issue_receipt
from tests.databases import Database
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.rules.attacks.making import copy_of
from usage import stages
from usage.models import ImportRun, Job
from usage.stages import Stage

NO_ROWS = dict.fromkeys(("rows_read", "jobs_new", "jobs_changed", "jobs_unchanged"), 0)
THEN = "2026-11-01T00:00:00Z"
RUNS: dict[str, dict[str, Any]] = {
    "running": {"finished_at": None},
    "complete": {},
    "incomplete": {},
    "released": {"released_at": THEN, "release_reason": "because"},
    "failed": {},
}
RATINGS = (None, *product(("rated", "exempt", "unpriced"), (True, False)))
DOCUMENTS = (None, "draft", "issued")


class Forge:
    """Writes states that the product itself never comes to, as the owner of the tables could."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner = owner
        self.number = 1000
        for table in ("usage_importrun", "usage_job", "pricing_jobrating", "pricing_charge",
                      "receipts_linecharge"):  # fmt: skip
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())

    def run(self, status: str) -> int:
        changes = {**NO_ROWS, "status": status, "columns": [status], **RUNS[status]}
        changes["public_id"] = str(uuid.uuid4())
        return self._copy("usage_importrun", **changes)

    def job(
        self, run: int, *, ended: bool, rating: tuple[str, bool] | None, line: Line | None
    ) -> None:
        self.number += 1
        changes: dict[str, Any] = {"job_id": self.number, "run_id": run, "revision": 2}
        job = self._copy("usage_job", **changes, **({} if ended else {"end": None}))
        if rating is not None:
            status, fresh = rating
            self.owner.execute(
                "INSERT INTO pricing_jobrating (job_id, status, reason, project_id, job_revision,"
                " generation, since, due)"
                " SELECT %s, %s, %s, min(id), %s, 1, now(), false FROM accounts_project",
                [job, status, "" if status == "rated" else "no_usage", 2 if fresh else 1],
            )
        if rating is not None and rating[0] == "rated":
            charge = self._copy("pricing_charge", job_id=job)
            if line is not None:
                link = "INSERT INTO receipts_linecharge (line_id, charge_id) VALUES (%s, %s)"
                self.owner.execute(link, [line.pk, charge])

    def _copy(self, table: str, **changes: Any) -> int:
        row = self.owner.execute((copy_of(table, **changes) + " RETURNING id").encode()).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def every_state(committed_db: Database) -> int:
    """One job for each combination; returns how many jobs there are."""
    project = make_project("genomics")
    import_rows(make_cluster(), Row(1, end=OCTOBER.start), Row(2))
    documents: dict[str | None, Line | None] = {None: None}
    for status, window in (
        ("issued", Interval(OCTOBER.start, Row().end)),
        ("draft", OCTOBER),
    ):
        receipt = draft_receipt(project_id=project.pk, window=window, actor=SYSTEM)
        if status == "issued":
            issue_receipt(receipt_id=receipt.pk, actor=SYSTEM)
        documents[status] = receipt.lines.earliest("pk")
    assert Charge.objects.exists()
    with psycopg.connect(committed_db.owner_url) as owner:
        forge = Forge(owner)
        runs = [forge.run(status) for status in RUNS]
        states = product(runs, (True, False), RATINGS, DOCUMENTS)
        for run, ended, rating, document in states:
            forge.job(run, ended=ended, rating=rating, line=documents[document])
    return len(runs) * 2 * len(RATINGS) * len(DOCUMENTS) + 2


def test_every_job_is_in_exactly_one_stage_and_bucket(every_state: int) -> None:
    assert Job.objects.count() == every_state
    jobs = Job.objects.annotate(stage=stages.stage(), bucket=buckets.bucket()).order_by()
    for name, values, condition in (
        ("stage", Stage.values, stages.condition),
        ("bucket", Bucket.values, buckets.condition),
    ):
        said: dict[int, str] = dict(jobs.values_list("pk", name))
        assert set(said.values()) == set(values)
        for value in values:
            found = list(Job.objects.filter(condition(value)).values_list("pk", flat=True))
            assert sorted(found) == sorted(pk for pk, told in said.items() if told == value)


def test_held_follows_the_import_and_changed_jobs_are_looked_at_again(every_state: int) -> None:
    jobs = Job.objects.annotate(stage=stages.stage())
    rated = jobs.filter(stage="rated")
    assert set(rated.values_list("rating__status", flat=True)) == {"rated"}
    held = jobs.filter(stage="held").values_list("run__status", flat=True)
    assert set(held) == {"running", "incomplete", "failed"}
    pending = jobs.filter(stage="pending")
    assert set(pending.values_list("run__status", flat=True)) == {"complete", "released"}
    assert set(pending.values_list("rating__job_revision", flat=True)) == {None, 1}
    assert not jobs.filter(stage="pending", end=None).exists()
    assert ImportRun.objects.count() == 6
