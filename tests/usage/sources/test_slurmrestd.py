"""slurmrestd: which version, which question, who asks, and what each answer means."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.usage.sacct_rows import NOW
from tests.usage.sources import fake_slurmrestd as fake
from tests.usage.sources.recordings import SHAPES, jobs_of, recorded
from tests.usage.sources.rest_client import ALL_FLAGS, ONE_JOB, WINDOW, Client
from usage.connections import Address, SlurmrestdConnection, parse_connections
from usage.sources.base import Fetched, SourceFailed, WindowTooLarge
from usage.sources.formats import open_reader
from usage.sources.slurmrestd import ATTEMPTS
from usage.sources.versions import API_VERSIONS, REMEMBERED_SECONDS, Versions


def test_readers_that_follow_one_another_ask_for_the_version_once(client: Client) -> None:
    now = [0.0]
    versions = Versions(lambda: now[0])
    for _window in range(3):
        client.fetch(client.source(versions=versions))
    asked = ["/slurmdb/v0.0.41/clusters", "/slurmdb/v0.0.41/user/billing"]
    found = [path for path in client.state.targets() if "v0.0.41" in path]
    assert found == [*asked, *["/slurmdb/v0.0.41/jobs"] * 3]
    now[0] += REMEMBERED_SECONDS
    client.fetch(client.source(versions=versions))
    assert client.state.targets().count(asked[0]) == 2
    # A server that was exchanged, or that failed, is looked at anew.
    client.state.versions = ("v0.0.42",)
    assert "v0.0.42" in client.fetch(client.source(versions=versions)).label
    client.state.users = {"billing": ["None"]}
    client.state.tokens = {"billing": "other"}
    with pytest.raises(SourceFailed):
        client.fetch(client.source(versions=versions))
    client.state.tokens = {"billing": "good"}
    with pytest.raises(SourceFailed, match="no operator"):
        client.fetch(client.source(versions=versions))


def test_it_asks_for_the_window_of_the_cluster_with_all_flags(client: Client) -> None:
    assert client.fetch() == Fetched("slurmrestd v0.0.41 (main)")
    (query,) = client.asked_for_jobs()
    assert query == {
        "cluster": "demo25",
        "start_time": "uts1793491200",
        "end_time": "uts1793494800",
    } | dict.fromkeys(ALL_FLAGS, "true")
    assert client.content == ONE_JOB


def test_the_oldest_version_knows_one_flag_and_refuses_others(client: Client) -> None:
    client.state.versions = ("v0.0.37", "v0.0.38")
    client.state.users = {"billing": "Operator"}
    assert client.fetch().label == "slurmrestd v0.0.38 (main)"
    (query,) = client.asked_for_jobs()
    assert query.keys() & ALL_FLAGS == {"skip_steps"}


@pytest.mark.parametrize("version", ["v0.0.38", "v0.0.41"])
def test_where_steps_are_wanted_they_are_not_skipped(client: Client, version: str) -> None:
    """The flags that are left are still sent: any of them turns the others' defaults off."""
    client.state.versions = (version,)
    client.state.users = {"billing": "Operator"}
    client.fetch(client.source(reads_steps=True))
    (query,) = client.asked_for_jobs()
    flags = set() if version == "v0.0.38" else ALL_FLAGS - {"skip_steps"}
    assert query.keys() & ALL_FLAGS == flags


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_version_is_spoken(client: Client, version: str) -> None:
    client.state.versions = (version, "v0.0.36", "v0.0.45")
    shape = SHAPES.get(version, SHAPES["v0.0.43"])
    client.state.clusters = ("demo25", "demo")
    client.state.jobs = recorded(shape)
    assert client.fetch().label == f"slurmrestd {version} (main)"
    assert len(jobs_of(list(open_reader([client.content], now=NOW)))) >= 74


def test_of_several_versions_the_newest_is_spoken(client: Client) -> None:
    client.state.versions = ("v0.0.40", "v0.0.43", "v0.0.41", "v0.0.99")
    assert client.fetch().label == "slurmrestd v0.0.43 (main)"


def test_a_version_may_be_pinned(client: Client) -> None:
    client.state.versions = ("v0.0.40", "v0.0.43")
    client.connection = replace(client.connection, api="v0.0.40")
    assert client.fetch().label == "slurmrestd v0.0.40 (main)"
    client.connection = replace(client.connection, api="v0.0.42")
    assert client.failure().code == "no_api"


def test_no_version_that_is_understood(client: Client) -> None:
    client.state.versions = ("v0.0.36", "v0.0.99")
    assert client.failure().code == "no_api"
    assert len(client.state.asked) == len(API_VERSIONS)


def test_the_version_is_looked_for_again_after_an_upgrade(client: Client) -> None:
    source = client.source()
    assert client.fetch(source).label == "slurmrestd v0.0.41 (main)"
    asked = len(client.state.asked)
    client.fetch(source)
    assert len(client.state.asked) == asked + 1
    client.state.versions = ("v0.0.43",)
    assert client.fetch(source).label == "slurmrestd v0.0.43 (main)"


def test_a_path_before_the_api(client: Client) -> None:
    address = replace(client.connection.address, path="/site")
    client.connection = replace(client.connection, address=address)
    client.fetch()
    assert client.state.targets()[-1] == "/site/slurmdb/v0.0.41/jobs"


@pytest.mark.parametrize("level", ["None", ["None"], "Not Set", [], None, 3])
def test_an_ordinary_user_would_be_shown_a_part(client: Client, level: Any) -> None:
    client.state.users = {"billing": level}
    found = client.failure()
    assert found.code == "role"
    assert "adminlevel=Operator" in found.message
    assert client.asked_for_jobs() == []


@pytest.mark.parametrize("version", ["v0.0.38", "v0.0.43"])
def test_a_user_whom_slurm_does_not_know(client: Client, version: str) -> None:
    client.state.versions, client.state.users = (version,), {}
    assert client.failure().code == "role"


@pytest.mark.parametrize("level", ["Operator", "Administrator", ["Administrator"]])
def test_operators_are_shown_everything(client: Client, level: Any) -> None:
    client.state.users = {"billing": level}
    assert client.fetch().empty is False


def test_root_needs_no_entry(client: Client) -> None:
    client.state.users, client.state.tokens = {}, {"root": "good"}
    client.connection = replace(client.connection, user="root")
    assert client.fetch().empty is False


def test_an_unknown_cluster_is_named(client: Client) -> None:
    client.state.clusters = ("alpha", "beta")
    found = client.failure()
    assert (found.code, found.message.count("alpha, beta")) == ("unknown_cluster", 1)


@pytest.mark.parametrize(
    ("fault", "code", "tries"),
    [
        (fake.status(401, b"Authentication failure"), "refused", 1),
        (fake.status(403), "refused", 1),
        (fake.status(404), "no_api", 2),
        (fake.status(422, b'{"errors": [{"error_number": 9202}]}'), "error_answer", 1),
        (fake.status(500), "error_answer", ATTEMPTS),
        (fake.status(502, b"<html>Bad Gateway</html>", "text/html"), "error_answer", ATTEMPTS),
        (fake.status(204), "error_answer", 1),
        (fake.redirect, "redirect", 1),
        (fake.errors(1007, "Protocol authentication error"), "refused", 1),
        (fake.errors(7000, "Failed to open connection, authentication error", 502), "refused", 1),
        (fake.errors(7000, "Unable to connect to database"), "error_answer", ATTEMPTS),
        (fake.errors(7000, "Unable to connect to database", 500), "error_answer", ATTEMPTS),
        (fake.errors(9000, "Query empty or not RFC7320 compliant", 500), "error_answer", 1),
        (fake.errors(0, "something"), "error_answer", 1),
        (fake.cut, "cut_off", ATTEMPTS),
        (fake.cut_without_length, "cut_off", ATTEMPTS),
        (fake.status(200, b"<html>Please log in</html>", "text/html"), "not_json", 1),
        (fake.status(200, b""), "cut_off", ATTEMPTS),
        (fake.status(200, b'{"jobs": {"a": 1}}'), "not_json", 1),
        (fake.status(200, b'{"meta": {}}'), "not_json", 1),
        (fake.status(200, b'{"jobs": [{"a": 1, "a": 2}]}'), "not_json", 1),
        (fake.status(200, b'{"jobs": [' + b"[" * 100_000), "not_json", 1),
    ],
)
def test_failures(
    client: Client, fault: Callable[[fake.Handler], None], code: str, tries: int
) -> None:
    client.state.fault = fault
    found = client.failure()
    assert found.code == code
    assert not isinstance(found, WindowTooLarge)
    assert len(client.asked_for_jobs()) == tries


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (fake.errors(7007, "Too wide of a date range in query"), "too_large"),
        (fake.errors(7007, "Too wide of a date range in query", 500), "too_large"),
        (fake.errors(7006, "Query result exceeds size limit", 500), "too_large"),
        (fake.status(504, b"<html>Gateway Timeout</html>", "text/html"), "timeout"),
        (fake.hang, "timeout"),
        (fake.drip_body, "timeout"),
        (fake.drip_headers, "timeout"),
    ],
)
def test_windows_that_are_too_large(
    client: Client, fault: Callable[[fake.Handler], None], code: str
) -> None:
    client.connection = replace(client.connection, timeout_seconds=2)
    client.state.fault = fault
    begun = datetime.now(UTC)
    found = client.failure()
    assert isinstance(found, WindowTooLarge)
    assert found.code == code
    assert len(client.asked_for_jobs()) == 1
    assert datetime.now(UTC) - begun < timedelta(seconds=12)


def test_where_nothing_answers_smaller_windows_do_not_help(client: Client) -> None:
    client.connection = replace(client.connection, timeout_seconds=2)
    source = client.source()
    client.fetch(source)
    client.state.hangs = True
    with pytest.raises(SourceFailed) as caught:
        client.fetch(source)
    assert (caught.value.code, isinstance(caught.value, WindowTooLarge)) == ("timeout", False)
    assert client.pauses == []


def test_an_endless_answer_is_given_up(client: Client) -> None:
    client.state.fault = fake.endless
    with tempfile.TemporaryFile() as into:
        with pytest.raises(WindowTooLarge) as caught:
            client.source(max_bytes=1 << 20).fetch(WINDOW, into)
        assert caught.value.code == "too_large"
        assert into.seek(0, 2) <= 1 << 20


def test_nothing_found_is_an_empty_answer(client: Client) -> None:
    client.state.jobs = recorded("22.05/rest-db-jobs-empty.json.zst")
    assert client.fetch().empty
    client.state.fault = fake.status(500, client.state.jobs)
    assert client.failure().code == "error_answer"


def test_an_answer_in_chunks(client: Client) -> None:
    client.state.fault = fake.chunked
    client.state.jobs = recorded(SHAPES["v0.0.43"])
    client.fetch()
    assert client.content == client.state.jobs


def test_what_passes_is_tried_again_later_and_later(client: Client) -> None:
    client.state.fault = fake.times(ATTEMPTS - 1, fake.cut)
    assert client.fetch().empty is False
    assert client.content == ONE_JOB
    first, second, third = client.pauses
    assert 0.5 <= first <= 1.5
    assert 1 <= second <= 3
    assert 2 <= third <= 6


def test_a_server_that_is_not_there(client: Client) -> None:
    with fake.running(fake.State()) as url:
        port = int(url.rsplit(":", 1)[1])
    client.connection = replace(client.connection, address=Address(port=port))
    assert client.failure().code == "unreachable"
    assert len(client.pauses) == ATTEMPTS - 1


def test_nothing_of_the_environment_sends_us_elsewhere(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://localhost:1")
    (tmp_path / ".netrc").write_text("machine localhost login eve password stolen\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    client.fetch()
    assert all("Authorization" not in headers for _path, _query, headers in client.state.asked)


def test_user_and_token_are_sent_in_slurms_headers(client: Client) -> None:
    client.fetch()
    for _path, _query, headers in client.state.asked:
        assert headers["X-SLURM-USER-NAME"] == "billing"
        assert headers["X-SLURM-USER-TOKEN"] == "good"


def test_a_socket_needs_neither_user_nor_token() -> None:
    state = fake.State(jobs=ONE_JOB, tokens={})
    with (
        tempfile.TemporaryDirectory(prefix="src") as folder,
        fake.running(state, socket=Path(folder) / "s") as url,
    ):
        connection = parse_connections({"here": {"kind": "slurmrestd", "url": url}})["here"]
        assert isinstance(connection, SlurmrestdConnection)
        Client(state, connection).fetch()
    for _path, _query, headers in state.asked:
        assert "X-SLURM-USER-TOKEN" not in headers


# --- Tokens ---------------------------------------------------------------------------------------
