"""slurmrestd: tokens that change, are missing or expired, and certificates of both sides."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.usage.sacct_rows import NOW
from tests.usage.sources import fake_slurmrestd as fake
from tests.usage.sources.certificates import make_certificates
from tests.usage.sources.rest_client import ONE_JOB, Client
from usage.connections import SlurmrestdConnection, parse_connections
from usage.sources.base import SourceFailed
from usage.sources.tokens import current_token


def test_a_token_file_is_read_again_when_it_changes(client: Client, tmp_path: Path) -> None:
    token = tmp_path / "jwt"
    token.write_text("good\n")
    client.connection = replace(client.connection, token_env="", token_file=str(token))
    source = client.source()
    client.fetch(source)
    client.state.tokens = {"billing": "renewed"}
    with pytest.raises(SourceFailed, match="refused"):
        client.fetch(source)
    token.write_text("SLURM_JWT=renewed")
    assert client.fetch(source).empty is False


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two words", b"l1\nl2", b"\xff\xfe", b"a\r\nX: y"]
)
def test_files_without_a_token(client: Client, tmp_path: Path, content: bytes) -> None:
    token = tmp_path / "jwt"
    token.write_bytes(content)
    client.connection = replace(client.connection, token_env="", token_file=str(token))
    assert client.failure().code == "token"
    assert client.state.asked == []


def test_a_missing_token(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN")
    assert client.failure().code == "token"
    missing = replace(client.connection, token_env="", token_file=str(tmp_path / "none"))
    client.connection = missing
    assert client.failure().code == "token"


def jwt(claims: Any) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".sig"


def test_an_expired_token_is_told_before_slurm_hides_it(client: Client) -> None:
    os.environ["TOKEN"] = jwt({"exp": int(NOW.timestamp()) - 10**9, "sun": "billing"})
    found = client.failure()
    assert (found.code, "expired at 1995-" in found.message) == ("token", True)
    assert os.environ["TOKEN"] not in found.message


@pytest.mark.parametrize(
    "claims", [{"exp": 4_000_000_000}, {}, [], {"exp": "soon"}, {"exp": 1e300}]
)
def test_tokens_that_say_nothing_of_their_end_are_sent(client: Client, claims: Any) -> None:
    os.environ["TOKEN"] = jwt(claims)
    assert current_token(client.connection) == os.environ["TOKEN"]


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Client, Path]]:
    certificates = make_certificates(tmp_path)
    monkeypatch.setenv("TOKEN", "good")
    state = fake.State(jobs=ONE_JOB)
    with fake.running(state, tls=certificates.server_context()) as url:
        table = {"kind": "slurmrestd", "url": url, "user": "billing", "token_env": "TOKEN"}
        connection = parse_connections({"main": table | certificates.client_settings()})["main"]
        assert isinstance(connection, SlurmrestdConnection)
        yield Client(state, connection), tmp_path


def test_own_authority_and_client_certificate(secure: tuple[Client, Path]) -> None:
    client, _folder = secure
    assert client.fetch().empty is False


def test_a_server_signed_by_nobody_we_know_gets_no_token(secure: tuple[Client, Path]) -> None:
    client, _folder = secure
    client.connection = replace(client.connection, ca_file="")
    assert client.failure().code == "tls"
    assert client.state.asked == []


def test_a_server_of_another_name_gets_no_token(secure: tuple[Client, Path]) -> None:
    client, _folder = secure
    address = replace(client.connection.address, host="127.0.0.1")
    client.connection = replace(client.connection, address=address)
    assert client.failure().code == "tls"
    assert client.state.asked == []


def test_without_the_certificate_that_the_server_asks_for(secure: tuple[Client, Path]) -> None:
    client, _folder = secure
    client.connection = replace(client.connection, client_certificate="", client_key="")
    # TLS 1.3 tells the client only when it reads.
    assert client.failure().code in ("tls", "cut_off")
    assert client.state.asked == []


def test_certificates_that_can_not_be_used(secure: tuple[Client, Path]) -> None:
    client, folder = secure
    wrong = folder / "wrong.pem"
    wrong.write_text("no certificate")
    for spoilt in (
        replace(client.connection, ca_file=str(wrong)),
        replace(client.connection, client_certificate=str(wrong)),
    ):
        assert Client(client.state, spoilt).failure().code == "tls"
