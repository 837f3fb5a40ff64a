"""One Slurm for all tests of this folder, with a history of jobs of every kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from tests import databases
from tests.slurm.history import History
from tests.slurm.months import Months
from tests.slurm.packages import NoSlurmError, program
from tests.slurm.stack import OPERATOR, Stack, running


@pytest.fixture(scope="session")
def slurm() -> Iterator[Stack]:
    """The running stack."""
    try:
        with running() as stack:
            yield stack
    except NoSlurmError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def history(slurm: Stack) -> History:
    """The jobs that were run there, by what each stands for."""
    history = History(slurm)
    history.make()
    return history


@pytest.fixture(scope="session")
def months(history: History) -> Months:
    """The same jobs, moved into a month that is over, and others that span months and nights."""
    months = Months(history)
    months.make()
    return months


@pytest.fixture(scope="session")
def connections(slurm: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The operator's file, with ways to this Slurm: rest, socket and sacct."""
    folder = tmp_path_factory.mktemp("connections")
    token = folder / "token"
    token.write_text(slurm.token(), encoding="ascii")
    token.chmod(0o600)
    path = folder / "connections.toml"
    path.write_text(operators_file(slurm, token), encoding="utf-8")
    before, settings.SLURM_CONNECTIONS = settings.SLURM_CONNECTIONS, str(path)
    yield path
    settings.SLURM_CONNECTIONS = before


@pytest.fixture(scope="session")
def billing(
    worker_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[databases.Database]:
    """A database that all tests of this folder share, with real commits."""
    name = f"{worker_database}_slurm"
    with django_db_blocker.unblock():
        database = databases.clone(name)
        databases.point_at(name)
        yield database
        databases.point_at(worker_database)
        databases.drop(name)


def operators_file(slurm: Stack, token: Path) -> str:
    return f"""\
[rest]
kind = "slurmrestd"
url = "{slurm.rest_url}"
user = "{OPERATOR}"
token_file = "{token}"

[socket]
kind = "slurmrestd"
url = "{slurm.rest_socket_url}"

[sacct]
kind = "sacct"
command = ["{program("sacct")}"]
environment = {{ SLURM_CONF = "{slurm.environment()["SLURM_CONF"]}" }}
"""
