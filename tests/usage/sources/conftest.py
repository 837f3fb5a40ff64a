"""What tests of sources share."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.usage.sources import fake_slurmrestd as fake
from tests.usage.sources.rest_client import ONE_JOB, Client
from usage.connections import SlurmrestdConnection, parse_connections


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("TOKEN", "good")
    state = fake.State(jobs=ONE_JOB)
    with fake.running(state) as url:
        table = {"kind": "slurmrestd", "url": url, "user": "billing", "token_env": "TOKEN"}
        connection = parse_connections({"main": table})["main"]
        assert isinstance(connection, SlurmrestdConnection)
        yield Client(state, replace(connection, timeout_seconds=10))
