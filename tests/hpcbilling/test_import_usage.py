"""The operators' commands around imports: exit codes, messages, JSON, and who releases."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from accounts.models import Project, ProjectTier, Tier, User
from audit.models import AuditEvent
from pricing.models import Charge, JobRating
from tests.databases import Database
from usage.models import Cluster, Evidence, ImportRun, Job, QuarantinedRow
from usage.selectors import IS_HELD

PROJECT = Path(__file__).resolve().parents[2]
RECORDING = PROJECT / "tests/fixtures/slurm/22.05/sacct-X-D-epoch.psv"

db = pytest.mark.django_db


@pytest.fixture
def bob(db: None) -> User:
    user = User.objects.create_user("bob", password="bob")
    user.groups.add(Group.objects.get(name="operator"))
    return user


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """The recording without the end of its 31st row."""
    path = tmp_path / "cut.psv"
    path.write_bytes(RECORDING.read_bytes()[:9000])
    return path


def run(*arguments: str, command: str = "import_usage") -> tuple[int, str]:
    """The exit code of a command, and what it said on both streams."""
    out = io.StringIO()
    try:
        call_command(command, *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def summary(*arguments: str) -> dict[str, Any]:
    _, said = run(*arguments, "--json")
    found: dict[str, Any] = json.loads(said.splitlines()[0])
    return found


@db
def test_an_unknown_cluster_says_how_to_make_it() -> None:
    Cluster.objects.create(name="other")
    code, said = run("demo", "--path", str(RECORDING))
    assert code == 2
    assert "no cluster “demo” (known: other)" in said
    assert "--create-cluster" in said
    assert not Cluster.objects.filter(name="demo").exists()


@db
def test_another_slurm_of_the_same_name_is_said_to_be_one(tmp_path: Path) -> None:
    run("demo", "--path", str(RECORDING), "--create-cluster")
    other = tmp_path / "other.psv"
    other.write_bytes(b"".join(RECORDING.read_bytes().splitlines(keepends=True)[:-1]))
    code, said = run("second", "--path", str(other), "--create-cluster")
    assert code == 1
    assert "--slurm-name demo" in said
    code, said = run("second", "--path", str(other), "--slurm-name", "no such name")
    assert code == 2
    code, said = run("second", "--path", str(other), "--slurm-name", "demo")
    assert (code, Cluster.objects.get(name="second").slurm_name) == (0, "demo")
    code, said = run("second", "--path", str(other), "--slurm-name", "third")
    assert code == 1
    assert "knows this cluster as “demo”" in said


@db
def test_a_whole_file_is_imported_and_rated() -> None:
    project = Project.objects.create(code="pi_suda", name="Genomics")
    ProjectTier.objects.create(
        project=project,
        tier=Tier.objects.get(code="mu"),
        starts_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    code, said = run(
        "demo", "--path", str(RECORDING), "--create-cluster", "--timezone", "Asia/Bangkok"
    )
    assert code == 0
    assert Cluster.objects.get(name="demo").time_zone == "Asia/Bangkok"
    assert "78 rows = 78 jobs (78 new, 0 changed, 0 unchanged) + 0 steps + 0 quarantined" in said
    rated = JobRating.objects.filter(status="rated").count()
    assert f"{rated} jobs rated; {Charge.objects.count()} charges over" in said


@db
def test_the_same_file_twice_says_that_nothing_changed() -> None:
    first = summary("demo", "--path", str(RECORDING), "--create-cluster")
    code, said = run("demo", "--path", str(RECORDING))
    assert code == 0
    assert "Nothing changed: this input was imported at" in said
    again = summary("demo", "--path", str(RECORDING))
    assert (again["run"], again["repeated"], first["repeated"]) == (first["run"], True, False)
    assert ImportRun.objects.count() == Evidence.objects.count() == 1


@db
def test_json_has_counts_that_add_up_and_exact_amounts() -> None:
    found = summary("demo", "--path", str(RECORDING), "--create-cluster")
    assert found["status"] == "complete"
    assert found["rows_read"] == found["jobs"] + found["steps"] + found["quarantined"] == 78
    assert found["rating"]["unpriced"] == JobRating.objects.filter(status="unpriced").count()
    assert len(found["sha256"]) == 64


@db
def test_a_cut_off_file_is_held_back_with_its_own_exit_code(cut_off: Path) -> None:
    code, said = run("demo", "--path", str(cut_off), "--create-cluster")
    assert code == 3
    assert "1 row is in quarantine (1 × truncated); the file is cut off within its last row" in said
    assert "--release REASON --by USER" in said
    assert Job.objects.filter(IS_HELD).count() == Job.objects.count() == 29
    assert not JobRating.objects.exists()
    assert run("demo", "--path", str(cut_off))[0] == 3


def test_a_named_person_releases_a_held_file(bob: User, cut_off: Path) -> None:
    run("demo", "--path", str(cut_off), "--create-cluster")
    code, said = run("demo", "--path", str(cut_off), "--release", "node log agrees", "--by", "bob")
    assert code == 0, said
    released = ImportRun.objects.get()
    assert (released.status, released.released_by) == ("released", bob)
    assert released.release_reason == "node log agrees"
    assert JobRating.objects.count() == 29
    event = AuditEvent.objects.get(action="import.released")
    assert event.actor_name == "bob"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--release", "because"), "needs a reason, and --by"),
        (("--release", " ", "--by", "bob"), "needs a reason, and --by"),
        (("--release", "because", "--by", "nobody"), "no active user “nobody”"),
        (("--release", "because", "--by", "charlie"), "“charlie” has no right"),
        (("--timezone", "Mars/Olympus"), "not a time zone"),
    ],
)
def test_wrong_use_is_told_apart_and_changes_nothing(
    bob: User, cut_off: Path, arguments: tuple[str, ...], message: str
) -> None:
    User.objects.create_user("charlie", password="charlie")
    code, said = run("demo", "--path", str(cut_off), "--create-cluster", *arguments)
    assert code == 2
    assert message in said
    assert not ImportRun.objects.exists()


@db
def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    code, said = run("demo", "--path", str(tmp_path / "nothing.psv"))
    assert code == 2
    assert "nothing.psv can't be read: No such file or directory." in said


@db
def test_a_refused_file_ends_its_run_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir\n")
    code, said = run("demo", "--path", str(path), "--create-cluster")
    assert code == 1
    assert "Refused: The first line has no column names." in said
    refused = ImportRun.objects.get()
    assert refused.status == "failed"
    assert refused.finished_at is not None
    assert refused.error in said


@db
def test_a_line_without_end_keeps_the_rows_before_it_for_release(tmp_path: Path) -> None:
    header, *rows = RECORDING.read_bytes().splitlines(keepends=True)
    path = tmp_path / "endless.psv"
    # The rows before it must fill a batch of their own: the reader looks one block ahead.
    path.write_bytes(header + b"".join(rows) * 60 + b"x" * (3 << 20))
    code, said = run("demo", "--path", str(path), "--create-cluster")
    assert code == 3
    assert "is longer than" in said
    run_ = ImportRun.objects.get()
    assert (run_.status, run_.truncated) == ("incomplete", True)
    assert run_.rows_read >= 2000
    assert Job.objects.filter(IS_HELD).count() == 78


@db
def test_dry_run_tells_what_would_change_and_writes_nothing(cut_off: Path) -> None:
    code, said = run("demo", "--path", str(RECORDING), "--dry-run")
    assert code == 0
    assert "78 new" in said
    code, said = run("demo", "--path", str(cut_off), "--dry-run")
    assert code == 3
    assert "line 32: truncated: the input ends within this row" in said
    assert not any(model.objects.exists() for model in (Cluster, Evidence, ImportRun, Job))
    run("demo", "--path", str(RECORDING), "--create-cluster")
    found = summary("demo", "--path", str(cut_off), "--dry-run")
    assert (found["jobs_new"], found["jobs_unchanged"], found["quarantined"]) == (0, 29, 1)
    assert found["bad"] == [[32, "truncated", "the input ends within this row"]]
    assert not QuarantinedRow.objects.exists()


@db
def test_a_dry_run_of_a_refused_file_fails(tmp_path: Path) -> None:
    path = tmp_path / "empty.psv"
    path.write_bytes(b"")
    code, said = run("demo", "--path", str(path), "--dry-run")
    assert code == 1
    assert "It would be refused: There is nothing in it" in said


@db
def test_standard_input_with_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    header, _, rest = RECORDING.read_bytes().partition(b"\n")
    stdin = io.TextIOWrapper(io.BytesIO(rest))
    monkeypatch.setattr(sys, "stdin", stdin)
    columns = header.decode().replace("|", ", ").upper()
    code, said = run("demo", "--path", "-", "--create-cluster", "--columns", columns)
    assert code == 0, said
    stored = ImportRun.objects.get()
    assert stored.origin == "standard input"
    assert stored.rows_read == 78


@db
def test_rate_prices_what_was_waiting_for_a_project() -> None:
    run("demo", "--path", str(RECORDING), "--create-cluster")
    assert not Charge.objects.exists()
    project = Project.objects.create(code="pi_niran", name="Climate")
    ProjectTier.objects.create(
        project=project,
        tier=Tier.objects.get(code="gov"),
        starts_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    assert run("--cluster", "nowhere", command="rate")[0] == 2
    code, said = run("--cluster", "demo", "--json", command="rate")
    assert code == 0
    found = json.loads(said)
    assert found["charges"] == Charge.objects.count() > 0
    assert found["rated"] == JobRating.objects.filter(status="rated").count()
    assert "0 jobs rated" in run(command="rate")[1]


def in_process(database: Database, *arguments: str, stderr: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_usage", *arguments],
        env=os.environ | {"DATABASE_URL": database.url, "DATABASE_OWNER_URL": "", "TERM": "xterm"},
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


@pytest.fixture
def on_a_terminal(committed_db: Database) -> Callable[..., tuple[int, str]]:
    def start(*arguments: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = in_process(committed_db, *arguments, stderr=theirs)
        os.close(theirs)
        shown = b""
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # Linux says so when the other side is closed
                break
            if not block:
                break
            shown += block
        os.close(ours)
        process.communicate()
        return process.returncode, shown.decode()

    return start


@pytest.mark.slow
def test_a_person_sees_bars_and_a_pipe_sees_none(
    committed_db: Database, on_a_terminal: Callable[..., tuple[int, str]], cut_off: Path
) -> None:
    code, shown = on_a_terminal("demo", "--path", str(RECORDING), "--create-cluster")
    assert code == 0
    assert "Reading" in shown
    assert "Writing jobs" in shown
    quiet = in_process(committed_db, "demo", "--path", str(cut_off), stderr=subprocess.PIPE)
    said, complaint = quiet.communicate()
    assert quiet.returncode == 3
    assert complaint.decode().startswith("CommandError: Held back:")
    assert complaint.count(b"\n") == 1
    assert b"30 rows = 29 jobs" in said
