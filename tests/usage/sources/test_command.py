"""The sacct command: what it is asked, and what must not be taken for its answer."""

import os
import signal
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.intervals import Interval
from tests.usage.sacct_rows import NOW
from tests.usage.sources.fake_sacct import FakeSacct
from tests.usage.sources.recordings import jobs_of
from usage.connections import SacctConnection
from usage.sources.base import Fetched, SourceFailed, WindowTooLarge
from usage.sources.columns import STEP_COLUMNS
from usage.sources.command import COLUMNS, SacctCommand
from usage.sources.formats import open_reader

WINDOW = Interval(datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, 0, 0, 0, 1, UTC))


@pytest.fixture
def fake(tmp_path: Path) -> FakeSacct:
    return FakeSacct(tmp_path)


def fetch(
    fake: FakeSacct, *, reads_steps: bool = False, **connection: Any
) -> tuple[Fetched, bytes]:
    made = SacctConnection("login", command=(str(fake.sacct),), timeout_seconds=20)
    with tempfile.TemporaryFile() as into:
        source = SacctCommand(
            replace(made, **connection), cluster="demo25", reads_steps=reads_steps
        )
        fetched = source.fetch(WINDOW, into)
        into.seek(0)
        return fetched, into.read()


def failure(fake: FakeSacct, **connection: Any) -> SourceFailed:
    with pytest.raises(SourceFailed) as caught:
        fetch(fake, **connection)
    return caught.value


def test_it_asks_for_all_users_and_duplicates_in_epoch_seconds(fake: FakeSacct) -> None:
    fetched, content = fetch(fake)
    assert fetched == Fetched("sacct (login)")
    ((name, words, variables),) = fake.asked()
    assert name == "sacct"
    assert words == [
        "--allusers", "--duplicates", "--allocations", "--parsable2", "--noconvert",
        "--clusters=demo25", "--starttime=uts1795219200", "--endtime=uts1795305601",
        f"--format={','.join(COLUMNS)}",
    ]  # fmt: skip
    assert variables["TZ"] == "UTC"
    assert variables["SLURM_TIME_FORMAT"] == "%s"
    assert content.startswith(b"Cluster|JobIDRaw|")


def test_steps_are_asked_for_only_where_they_are_wanted(tmp_path: Path) -> None:
    fake, rows = FakeSacct(tmp_path), tmp_path / "rows.psv"
    first, *rest = rows.read_text().splitlines()
    told = [f"{first}|AveRSS|NTasks|ConsumedEnergyRaw", *(f"{line}|||0" for line in rest)]
    rows.write_text("\n".join(told) + "\n")
    for reads_steps in (False, True):
        _, content = fetch(fake, reads_steps=reads_steps)
        assert ("--allocations" in fake.asked()[-1][1]) != reads_steps
        header = tuple(content.decode().splitlines()[0].split("|"))
        assert header == ((*COLUMNS, *STEP_COLUMNS) if reads_steps else COLUMNS)


def test_job_names_are_not_asked_for() -> None:
    assert not {"JobName", "Comment", "SubmitLine", "WorkDir"} & set(COLUMNS)


def test_the_answer_is_read_in_the_clusters_name(fake: FakeSacct) -> None:
    rows = list(open_reader([fetch(fake)[1]], now=NOW, cluster_names=["demo25"]))
    assert len(jobs_of(rows)) == len(rows) == 80


def test_our_secrets_are_not_passed_on(fake: FakeSacct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    fetch(fake)
    ((_name, _words, variables),) = fake.asked()
    assert variables["SECRET_KEY"] is None
    assert variables["SLURM_CONF"] == "/etc/slurm/slurm.conf"


def test_variables_of_the_connection(fake: FakeSacct) -> None:
    fetch(fake, environment=(("SLURM_CONF", "/opt/slurm.conf"),))
    assert fake.asked()[0][2]["SLURM_CONF"] == "/opt/slurm.conf"


def test_a_wrapper_that_passes_no_variables_on_is_given_them_as_words(fake: FakeSacct) -> None:
    """As ssh does: what it starts has an environment of its own."""
    wrapper = ("env", "-i", str(fake.sacct))
    fetch(fake, command=wrapper, environment=(("SLURM_CONF", "/opt/slurm.conf"),))
    assert fake.asked()[0][2] == {
        "TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "SLURM_CONF": "/opt/slurm.conf",
        "SECRET_KEY": None,
    }  # fmt: skip


def test_times_that_are_no_epoch_seconds_are_refused(fake: FakeSacct) -> None:
    rows = (fake.folder / "rows.psv").read_text().replace("|17952", "|2026-11-21T07:46:18")
    (fake.folder / "rows.psv").write_text(rows)
    assert failure(fake).code == "time_format"


def test_no_rows_are_believed_once_the_cluster_is_named(fake: FakeSacct) -> None:
    fake.tell(empty=True)
    assert fetch(fake)[0].empty
    assert [name for name, _words, _variables in fake.asked()] == ["sacct", "sacctmgr"]
    fake.tell(empty=True, clusters=["demo", "demo2"])
    assert failure(fake).code == "unknown_cluster"


def test_without_sacctmgr_no_rows_are_no_answer(fake: FakeSacct) -> None:
    fake.tell(empty=True, sacctmgr_status=1)
    assert failure(fake).code == "exit_status"
    fake.tell(empty=True)
    renamed = fake.sacct.rename(fake.folder / "our-sacct")
    assert failure(fake, command=(str(renamed),)).code == "unknown_cluster"
    manager = (str(fake.folder / "sacctmgr"),)
    assert fetch(fake, command=(str(renamed),), sacctmgr=manager)[0].empty


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"status": 1, "stderr": "sacct: error: slurm_persist_conn_open: refused"}, "exit_status"),
        ({"status": 1}, "exit_status"),
        ({"status": 255, "stderr": "ssh: connect to host login1: timed out"}, "exit_status"),
        ({"stderr": "sacct: error: Problem talking to the database"}, "stderr"),
        ({"stderr": "Warning: Permanently added 'login1' to known hosts."}, "stderr"),
        ({"cut": 1}, "cut_off"),
        ({"cut": 40}, "cut_off"),
        ({"cut": 10**9}, "not_sacct"),
        ({"before": "Welcome to login1!\n"}, "not_sacct"),
        ({"before": "\n"}, "not_sacct"),
        ({"before": "x" * 200_000}, "not_sacct"),
        ({"before": "{"}, "not_sacct"),
    ],
)
def test_failures(fake: FakeSacct, told: dict[str, Any], code: str) -> None:
    fake.tell(**told)
    found = failure(fake)
    expected = "cut_off" if told.get("cut") == 10**9 else code
    assert found.code == expected
    assert not isinstance(found, WindowTooLarge)


def test_a_command_that_prints_nothing_did_not_answer(fake: FakeSacct) -> None:
    assert failure(fake, command=("true",)).code == "cut_off"


@pytest.mark.parametrize(
    "words", ["Too wide of a date range in query", "Query result exceeds size limit"]
)
def test_windows_that_slurmdbd_refuses(fake: FakeSacct, words: str) -> None:
    fake.tell(status=95, stderr=f"sacct: error: {words}\n")
    found = failure(fake)
    assert isinstance(found, WindowTooLarge)
    assert found.code == "too_large"


def test_an_endless_answer_is_given_up(fake: FakeSacct) -> None:
    fake.tell(endless=True)
    connection = SacctConnection("login", command=(str(fake.sacct),))
    with tempfile.TemporaryFile() as into:
        source = SacctCommand(connection, cluster="demo25", max_bytes=1 << 20)
        with pytest.raises(WindowTooLarge):
            source.fetch(WINDOW, into)
        assert into.seek(0, 2) <= 1 << 20


def test_when_time_is_up_all_that_was_started_ends(fake: FakeSacct) -> None:
    fake.tell(sleep=60, child=True)
    begun = time.monotonic()
    found = failure(fake, timeout_seconds=2)
    assert isinstance(found, WindowTooLarge)
    assert time.monotonic() - begun < 15
    child = int((fake.folder / "child.pid").read_text())
    until = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
        if state == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_where_nothing_answers_smaller_windows_do_not_help(fake: FakeSacct) -> None:
    fake.tell(sleep=60, sacctmgr_sleep=60)
    found = failure(fake, timeout_seconds=2)
    assert (found.code, isinstance(found, WindowTooLarge)) == ("timeout", False)


def test_a_connection_left_open_behind_ssh_is_not_waited_for(fake: FakeSacct) -> None:
    """A shared ssh connection stays, with our stderr in its hands."""
    fake.folder.joinpath("wrap").write_text(
        f'#!/bin/sh\n"$@"\nsleep 60 >/dev/null &\necho $! > {fake.folder}/left.pid\n'
    )
    fake.folder.joinpath("wrap").chmod(0o755)
    begun = time.monotonic()
    fetched, _content = fetch(fake, command=(str(fake.folder / "wrap"), str(fake.sacct)))
    assert not fetched.empty
    assert time.monotonic() - begun < 15
    os.kill(int((fake.folder / "left.pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("command", ["/nonexistent/sacct", "/etc/passwd", "/"])
def test_commands_that_can_not_be_started(fake: FakeSacct, command: str) -> None:
    assert failure(fake, command=(command,)).code == "not_started"
