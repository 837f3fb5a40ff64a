"""The operator's file of connections: what stands in it, and what is said of what is wrong."""

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from hpcbilling.checks import connections_can_be_used
from usage.connections import (
    Address,
    ConnectionsInvalid,
    SacctConnection,
    SlurmrestdConnection,
    configured,
    parse_connections,
    read_connections,
    remarks,
)
from usage.sources.base import SourceFailed
from usage.sources.command import SacctCommand
from usage.sources.factory import make_source
from usage.sources.folder import Folder
from usage.sources.slurmrestd import Slurmrestd

REST: dict[str, Any] = {
    "kind": "slurmrestd", "url": "https://slurm.example.org:6820", "user": "billing",
    "token_env": "SLURM_TOKEN",
}  # fmt: skip
FILE = """
[main]
kind = "slurmrestd"
url = "https://slurm.example.org:6820/api/"
user = "billing"
token_file = "/etc/hpcbilling/slurm.jwt"
ca_file = "/etc/hpcbilling/ca.pem"
client_certificate = "/etc/hpcbilling/client.pem"
client_key = "/etc/hpcbilling/client.key"
timeout_seconds = 120
api = "v0.0.41"

[socket]
kind = "slurmrestd"
url = "unix:/run/slurmrestd.socket"

[login]
kind = "sacct"
command = ["ssh", "login1", "sacct"]
environment = { SLURM_CONF = "/etc/slurm/slurm.conf" }

[here]
kind = "sacct"
"""


def problems(**table: Any) -> list[str]:
    with pytest.raises(ConnectionsInvalid) as caught:
        parse_connections({"main": table})
    return caught.value.problems


def test_a_file_with_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "slurm.toml"
    path.write_text(FILE)
    found = read_connections(path)
    assert found == {
        "main": SlurmrestdConnection(
            "main",
            address=Address(secure=True, host="slurm.example.org", port=6820, path="/api"),
            user="billing",
            token_file="/etc/hpcbilling/slurm.jwt",
            ca_file="/etc/hpcbilling/ca.pem",
            client_certificate="/etc/hpcbilling/client.pem",
            client_key="/etc/hpcbilling/client.key",
            timeout_seconds=120,
            api="v0.0.41",
        ),
        "socket": SlurmrestdConnection("socket", address=Address(socket="/run/slurmrestd.socket")),
        "login": SacctConnection(
            "login",
            command=("ssh", "login1", "sacct"),
            environment=(("SLURM_CONF", "/etc/slurm/slurm.conf"),),
        ),
        "here": SacctConnection("here"),
    }


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://x", 443),
        ("http://localhost", 80),
        ("http://127.0.0.1:1", 1),
        ("http://[::1]:9", 9),
    ],
)
def test_addresses(url: str, port: int) -> None:
    made = parse_connections({"main": REST | {"url": url}})["main"]
    assert isinstance(made, SlurmrestdConnection)
    assert made.address.port == port


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": ""}, "url must be like"),
        ({"url": "slurm.example.org"}, "url must be like"),
        ({"url": "ftp://x"}, "url must be like"),
        ({"url": "https://eve:pw@x"}, "without user name"),
        ({"url": "https://x?a=1"}, "url must be like"),
        ({"url": "https://x:99999"}, "url must be like"),
        ({"url": "https://x/a b"}, "url must be like"),
        ({"url": "https://x\r\nHost: y"}, "url must be a text on one line"),
        ({"url": "unix:run/s"}, "absolute path"),
        ({"url": 3}, "url must be a text"),
        ({"user": ""}, "needs the user whose token it is"),
        ({"user": "a b"}, "user is not a user name"),
        ({"token_env": ""}, "needs token_env or token_file"),
        ({"token_file": "/x"}, "both given"),
        ({"token_env": "", "token_file": "jwt"}, "absolute path"),
        ({"client_key": "/k"}, "client_key needs client_certificate"),
        ({"url": "http://localhost", "ca_file": "/x"}, "need an https address"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": True}, "timeout_seconds"),
        ({"timeout_seconds": "60"}, "timeout_seconds"),
        ({"timeout_seconds": 10**9}, "timeout_seconds"),
        ({"api": "v0.0.37"}, "api must be one of v0.0.44"),
        ({"tokn_file": "/x"}, "'tokn_file' is not known here"),
        ({"kind": "rest"}, 'kind must be "slurmrestd" or "sacct"'),
        ({"kind": ""}, "kind must be"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], said: str) -> None:
    found = problems(**(REST | change))
    assert any(said in problem for problem in found)
    assert all(problem.startswith("[main] ") for problem in found)


@pytest.mark.parametrize(
    "change",
    [
        {"command": "sacct"}, {"command": []}, {"command": [""]}, {"command": ["a", 1]},
        {"command": ["a\nb"]}, {"environment": {"A": "x; rm -rf"}}, {"environment": {"A B": "x"}},
        {"environment": {"A": 1}}, {"environment": ["A"]}, {"sacctmgr": []}, {"url": "x"},
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_command(change: dict[str, Any]) -> None:
    assert len(problems(kind="sacct", **change)) == 1


def test_everything_that_is_wrong_is_said_at_once() -> None:
    tables = {"a b": REST, "main": "text", "rest": {"kind": "slurmrestd"}, "sacct": {"kind": "x"}}
    with pytest.raises(ConnectionsInvalid) as caught:
        parse_connections(tables)
    found = caught.value.problems
    assert {problem.split(" ")[0] for problem in found} == {"[a", "[main]", "[rest]", "[sacct]"}


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"[main", "not TOML"), (b"\xff", "not TOML"), (b"x" * (2 << 20), "larger than")],
)
def test_files_that_can_not_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "slurm.toml"
    path.write_bytes(content)
    with pytest.raises(ConnectionsInvalid, match=said):
        read_connections(path)
    with pytest.raises(ConnectionsInvalid, match="can't be read"):
        read_connections(tmp_path / "none.toml")


def test_tokens_in_clear_and_secrets_that_others_read_are_remarked(tmp_path: Path) -> None:
    token = tmp_path / "jwt"
    token.write_text("x")
    token.chmod(0o644)
    table = {k: v for k, v in REST.items() if k != "token_env"} | {"token_file": str(token)}
    clear = parse_connections({"main": table | {"url": "http://slurm.example.org:6820"}})
    first, second = remarks(clear)
    assert "unencrypted to slurm.example.org" in first
    assert "by everybody" in second
    token.chmod(0o600)
    assert list(remarks(parse_connections({"main": table}))) == []
    token.unlink()
    (said,) = remarks(parse_connections({"main": table}))
    assert "can't be read" in said


def test_a_check_says_what_is_wrong(settings: Settings, tmp_path: Path) -> None:
    settings.SLURM_CONNECTIONS = ""
    assert connections_can_be_used() == []
    assert configured() == {}
    settings.SLURM_CONNECTIONS = str(tmp_path / "slurm.toml")
    (tmp_path / "slurm.toml").write_text('[a]\nkind = "sacct"\nx = 1\n[b]\nkind = "y"\n')
    assert [message.id for message in connections_can_be_used()] == ["hpcbilling.E002"] * 2
    (tmp_path / "slurm.toml").write_text(
        '[a]\nkind = "slurmrestd"\nurl = "http://far"\nuser = "b"\ntoken_env = "T"\n'
    )
    assert [message.id for message in connections_can_be_used()] == ["hpcbilling.W002"]


# --- The factory ----------------------------------------------------------------------------------


@pytest.fixture
def connections(settings: Settings, tmp_path: Path) -> Path:
    path = tmp_path / "slurm.toml"
    path.write_text(FILE)
    settings.SLURM_CONNECTIONS = str(path)
    settings.DROP_FOLDER_ROOT = tmp_path
    return path


@pytest.mark.parametrize(
    ("kind", "place", "made"),
    [
        ("slurmrestd", "main", Slurmrestd),
        ("slurmrestd", "socket", Slurmrestd),
        ("sacct", "login", SacctCommand),
        ("folder", "alpha", Folder),
    ],
)
def test_sources_are_made_by_kind(connections: Path, kind: str, place: str, made: type) -> None:
    source = make_source(kind, place, slurm_name="alpha", time_zone="Asia/Bangkok")
    assert isinstance(source, made)
    assert source.kind == kind


@pytest.mark.parametrize(
    ("kind", "place", "name"),
    [
        ("slurmrestd", "nowhere", "alpha"),
        ("slurmrestd", "login", "alpha"),
        ("sacct", "main", "alpha"),
        ("ftp", "main", "alpha"),
        ("folder", "../x", "alpha"),
        ("sacct", "login", "alpha; rm -rf /"),
        ("sacct", "login", "--help"),
        ("slurmrestd", "main", ""),
    ],
)
def test_sources_that_are_not_configured(
    connections: Path, kind: str, place: str, name: str
) -> None:
    with pytest.raises(SourceFailed) as caught:
        make_source(kind, place, slurm_name=name)
    assert caught.value.code == "connection"


def test_a_broken_file_fails_each_source_and_says_why(connections: Path) -> None:
    connections.write_text('[main]\nkind = "x"\n')
    with pytest.raises(SourceFailed, match="kind must be"):
        make_source("slurmrestd", "main", slurm_name="alpha")
