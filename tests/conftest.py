"""Fixtures for all tests. Databases are real PostgreSQL; see tests/databases.py."""

import gc
import os
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.utils import translation
from hypothesis import settings
from pytest_django import DjangoDbBlocker

from hpcbilling import catalogues
from tests import campus, databases, scenes
from tests.examples import SUITE


def pytest_configure() -> None:
    """Texts are compiled before Django reads them.

    Querysets and migrations leave so much behind that Python's collector took a sixth of the run.
    """
    gc.set_threshold(50_000, 20, 20)
    catalogues.compile_all()


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end: the collector need not look through them each time."""
    gc.collect()
    gc.freeze()


# The machine that runs the suite is shared: how long one example takes says nothing. Examples are
# kept few, because each run finds others; `HYPOTHESIS_PROFILE=thorough` looks longer.
settings.register_profile("suite", deadline=None, max_examples=SUITE)
settings.register_profile("deep", deadline=None, max_examples=10 * SUITE)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def worker_database(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of this worker's own clone of the migrated template."""
    name = f"test_hpcbilling_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with django_db_blocker.unblock():
        databases.make_template()
        databases.clone(name)
        databases.point_at(name)
    yield name
    with django_db_blocker.unblock():
        databases.point_at("none")
        if not databases.go_with_their_server():
            scenes.drop_all()
            databases.drop(name)


@pytest.fixture(scope="session")
def django_db_setup(worker_database: str) -> None:
    """What pytest-django's `db` waits for: connections log in as the application's own role."""


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> None:
    """Before pytest-django begins a transaction: lead to the test's scene or the empty database."""
    is_class = fixturedef.argname == "_django_setup_unittest" and request.cls is not None
    if is_class or fixturedef.argname == "_django_db_helper":
        blocker: DjangoDbBlocker = request.getfixturevalue("django_db_blocker")
        plain: str = request.getfixturevalue("worker_database")
        with blocker.unblock():
            databases.lead_to(plain if is_class else scenes.database_for(request.node, plain))


@pytest.fixture
def committed_db(
    request: pytest.FixtureRequest, worker_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[databases.Database]:
    """A database of its own with real commits, for races between connections and processes.

    It is a fresh clone of the migrated template; `url` and `owner_url` let other processes in. It
    is dropped afterwards. Not to be combined with `db`.
    """
    if "db" in request.fixturenames or request.node.get_closest_marker("django_db"):
        pytest.fail("committed_db really commits: use it without db and django_db", pytrace=False)
    name = f"{worker_database}_race"
    with django_db_blocker.unblock():
        database = databases.clone(name)
        databases.point_at(name)
        yield database
        databases.point_at(worker_database)
        databases.drop(name)


# Two projects, their people and jobs.
people = scenes.standing(campus.build)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A page in Thai leaves no test after it in Thai."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Each test starts with an empty cache; each worker has a Redis database of its own."""
    yield
    cache.clear()
