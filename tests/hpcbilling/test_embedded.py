"""The launcher: real servers, started and stopped for each of these tests."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from hpcbilling.embedded import account, binaries, servers, services
from hpcbilling.embedded.process import Server, ServerFailedError
from hpcbilling.environment import STATE_FILE, running_services, services_directory

PROJECT = Path(__file__).resolve().parents[2]
BARE = {
    name: value
    for name, value in os.environ.items()
    if name not in {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "ENVIRONMENT"}
}


def test_throw_away_services_vanish_with_their_data() -> None:
    with services.throw_away({}) as found:
        assert servers.answers(found["DATABASE_URL"], found["REDIS_URL"])
        with psycopg.connect(found["DATABASE_OWNER_URL"]) as connection:
            superuser = connection.execute(
                "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
        assert superuser == (False,)
    assert not servers.answers(found["DATABASE_URL"], found["REDIS_URL"])


def test_the_servers_want_their_passwords() -> None:
    with services.throw_away({}) as found:
        host = found["DATABASE_URL"].rpartition("@")[2]
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgres://{servers.OWNER}:guess@{host}")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(f"redis://{found['REDIS_URL'].rpartition('@')[2]}").ping()


def test_given_services_are_left_alone() -> None:
    with services.throw_away({"DATABASE_URL": "postgres://given", "REDIS_URL": "r"}) as found:
        assert found == {}


def test_binaries_inside_wheels_serve_a_machine_that_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "MACHINE_POSTGRES", ())
    monkeypatch.setattr(binaries, "MACHINE_REDIS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    assert "site-packages" in binaries.find_postgres().parts
    assert "site-packages" in binaries.find_redis().parts
    with services.throw_away({}) as found:
        assert servers.answers(found["DATABASE_URL"], found["REDIS_URL"])


def test_a_broken_server_on_the_machine_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("redis-server", "postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(binaries, "MACHINE_POSTGRES", (str(tmp_path),))
    monkeypatch.setattr(binaries, "MACHINE_REDIS", ())
    assert binaries.find_redis().parent != tmp_path
    assert binaries.find_postgres() != tmp_path


def test_a_machine_without_any_server_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "MACHINE_POSTGRES", ())
    monkeypatch.setattr(binaries, "MACHINE_REDIS", ())
    monkeypatch.setattr(binaries, "_package_dir", lambda _name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(binaries.ServerNotFoundError, match="make venv"):
        binaries.find_postgres()
    with pytest.raises(binaries.ServerNotFoundError, match="demo-reset"):
        binaries.find_postgres(wanted=9)
    with pytest.raises(binaries.ServerNotFoundError, match="make venv"):
        binaries.find_redis()


def test_kept_services_keep_data_and_tell_where_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with services.kept({}, tmp_path, {"PORT": "8100"}) as found:
        assert running_services(tmp_path) == {"PORT": "8100", **found}
        assert (services_directory(tmp_path) / STATE_FILE).stat().st_mode & 0o777 == 0o600
        with psycopg.connect(found["DATABASE_OWNER_URL"]) as connection:
            connection.execute("CREATE TABLE kept (id int)")
        with services.kept({}, tmp_path) as shared:
            assert shared["DATABASE_URL"] == found["DATABASE_URL"]
        assert servers.answers(found["DATABASE_URL"], found["REDIS_URL"])
        with pytest.raises(RuntimeError, match="running"):
            services.forget(tmp_path)
    assert services.answering(tmp_path) == {}
    with services.kept({}, tmp_path) as again:
        with psycopg.connect(again["DATABASE_OWNER_URL"]) as connection:
            rows = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert rows == (0,)
    services.forget(tmp_path)
    assert not services_directory(tmp_path).exists()


def test_passwords_are_readable_by_the_servers_user_alone(tmp_path: Path) -> None:
    place = servers.Place(tmp_path, None, throw_away=True)
    password = place.password("redis")
    assert len(password) >= 24
    assert place.password("redis") == password
    assert (tmp_path / "passwords" / "redis").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_command_and_servers(number: signal.Signals) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-m", "hpcbilling.embedded"],
        env=BARE,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout
    lines = dict(
        launcher.stdout.readline().strip().removeprefix("export ").split("=", 1) for _ in range(4)
    )
    database_url, redis_url = lines["DATABASE_URL"], lines["REDIS_URL"].strip("'")
    assert servers.answers(database_url, redis_url)
    launcher.send_signal(number)
    assert launcher.wait(20) in {0, 128 + signal.SIGTERM}
    assert not servers.answers(database_url, redis_url)


def test_a_command_sees_the_services_and_gives_its_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hpcbilling.embedded", "sh", "-c", "echo $ENVIRONMENT; exit 7"],
        env=BARE | {"DATABASE_URL": "postgres://given", "REDIS_URL": "redis://given"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    assert done.stdout == "development\n"


def test_a_server_that_fails_shows_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    server = Server.start(
        "Nonsense", ["sh", "-c", "echo broken; exit 3"], log=log, account=None, stop_signal=15
    )
    with pytest.raises(ServerFailedError, match="broken"):
        server.wait_until(lambda: False)


def test_a_server_that_ignores_the_signal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpcbilling.embedded.process.STOP_SECONDS", 0.2)
    server = Server.start(
        "Stubborn",
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"],
        log=tmp_path / "log",
        account=None,
        stop_signal=signal.SIGTERM,
    )
    server.wait_until(lambda: "ready" in server.log_tail())
    start = time.monotonic()
    server.stop()
    server.stop()
    assert server.process.returncode == -signal.SIGKILL
    assert time.monotonic() - start < 10


def test_a_program_under_a_closed_home_is_copied_to_where_it_can_be_run(tmp_path: Path) -> None:
    home = tmp_path / "home"
    package = home / "site-packages" / "server"
    (package / "bin").mkdir(parents=True)
    program = package / "bin" / "postgres"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    (home / "site-packages" / "server.libs").mkdir()
    (home / "site-packages" / "server.libs" / "lib.so").touch()
    stranger = account.Account(uid=54321, gid=54321)
    home.chmod(0o700)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    copied = account.within_reach(program, package, scratch, stranger)
    assert copied == scratch / "server" / "bin" / "postgres"
    assert copied.exists()
    assert (scratch / "server.libs" / "lib.so").exists()
    assert account.within_reach(program, package, scratch, None) == program
