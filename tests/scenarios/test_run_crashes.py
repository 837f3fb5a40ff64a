"""A month's end is killed with -9 at twenty places; in the end it is as if nothing had been."""

import os
import random
import signal
import traceback
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connections

from accounts.models import User
from audit.selectors import verify_chain
from core.actor import Actor
from hpcbilling.closing import month_end
from hpcbilling.state_digest import Part, parts
from hpcbilling.workflows import rate_pending
from receipts.models import LineCharge, Receipt, RunEntry
from receipts.services import runs
from tests import databases
from tests.databases import Database
from tests.factories import OCTOBER, SYSTEM, Row, import_rows, make_cluster, make_project
from tests.scenarios.mortal_worker import Death, arm

pytestmark = pytest.mark.slow
MONTH = date(2026, 10, 1)
PROJECTS = 60
SEED = 20261121


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many transactions of several documents each, and so many places to die in."""
    monkeypatch.setattr("receipts.services.runs.drafting.TOGETHER", 2)


def deaths() -> list[tuple[str, int]]:
    """Twenty places: closing, the beginning of the run, its drafts, approval, and the issue."""
    somewhere = random.Random(SEED)
    return [
        ('UPDATE "accounts_period"', 1),
        ("before commit", 1),
        ('INSERT INTO "receipts_billingrun"', 1),
        ('INSERT INTO "receipts_runentry"', 1),
        ("after commit", 2),
        ('INSERT INTO "receipts_receipt"', 1),
        ('INSERT INTO "receipts_line"', 3),
        ("INSERT INTO receipts_linecharge", 4),
        ('UPDATE "receipts_receipt"', 2),
        ('UPDATE "receipts_runentry"', 3),
        ("before commit", 4),
        ("after commit", 5),
        (".", somewhere.randint(60, 90)),
        ('UPDATE "receipts_billingrun"', 1),
        ('UPDATE "receipts_runentry" SET "approved_by', 1),
        ('UPDATE "receipts_series"', 2),
        ('UPDATE "receipts_receipt" SET "status"', 3),
        ("before commit", 5),
        ("after commit", 4),
        (".", somewhere.randint(60, 90)),
    ]


def build() -> None:
    for number in range(PROJECTS):
        make_project(f"p{number:02}")
    hour = timedelta(hours=1)
    numbers = range(1, 4 * PROJECTS)
    rows = (Row(n, account=f"p{n % PROJECTS:02}", end=OCTOBER.start + n * hour) for n in numbers)
    import_rows(make_cluster(), *rows)
    rate_pending(actor=SYSTEM)
    User.objects.create_user("clerk")


def month() -> None:
    """What a clerk and the workers do; what is done already is left as it is."""
    run = month_end.close_and_draft(period=MONTH, actor=SYSTEM)
    clerk = Actor.of(User.objects.get(username="clerk"))
    runs.approve(seen=runs.seen_in(run.entries.all()), actor=clerk)
    runs.issue_approved(run_id=run.pk)


def live(death: Death) -> int:
    """Do the month in a process of its own until death; returns the signal that ended it."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            databases.leave_to_parent()
            arm(death)
            month()
        except Exception:  # noqa: BLE001 - the test goes on in the parent alone
            traceback.print_exc()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@pytest.fixture
def undisturbed(committed_db: Database) -> dict[str, Part]:
    """What the books say after the same month with nobody dying."""
    database = databases.clone(f"{committed_db.name}_calm")
    databases.point_at(database.name)
    build()
    month()
    found = parts()
    databases.point_at(committed_db.name)
    databases.drop(database.name)
    return found


def test_twenty_deaths_change_nothing(
    committed_db: Database, undisturbed: dict[str, Part], tmp_path: Path
) -> None:
    build()
    log = tmp_path / "deaths.txt"
    places = deaths()
    assert len(places) == 20
    for pattern, number in places:
        assert live(Death(pattern, number, log)) == signal.SIGKILL, pattern
    month()
    assert parts() == undisturbed
    assert verify_chain().broken is None
    assert Receipt.objects.filter(status="issued").count() == PROJECTS
    assert set(RunEntry.objects.values_list("state", flat=True)) == {"drafted"}
    assert LineCharge.objects.count() == 2 * (4 * PROJECTS - 1)
