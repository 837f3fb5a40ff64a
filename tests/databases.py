"""Test databases: migrated once by the owner, cloned for each worker and each race test.

They are made as templates and dropped, never flushed: the product's triggers refuse TRUNCATE.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql

TEMPLATE = "test_hpcbilling_template"
PATIENT_SECONDS = 30


@dataclass(frozen=True)
class Database:
    """One cloned database and how to reach it."""

    name: str

    @property
    def url(self) -> str:
        """As the application: it owns nothing."""
        return _with_name(os.environ["DATABASE_URL"], self.name)

    @property
    def owner_url(self) -> str:
        """As the owner of the tables, for tests that stand behind the application's back."""
        return _with_name(os.environ["DATABASE_OWNER_URL"], self.name)


def _with_name(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


@contextlib.contextmanager
def _administration() -> Iterator[psycopg.Connection]:
    """The owner's connection to the database that tests don't use."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        yield connection


def point_at(name: str) -> None:
    """Let Django's connections use the database `name` from now on."""
    for alias in connections.settings:
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name


def lead_to(name: str) -> None:
    """The same, but connections that use it already stay open."""
    if connections["default"].settings_dict["NAME"] != name:
        point_at(name)


def leave_to_parent() -> None:
    """In a forked process: have connections of its own to the same database.

    Of its parent's it may see others than the parent closed before: Django keeps some for a thread
    in which an event loop runs, as Playwright's does, and the loop does not run on in the child.
    """
    for connection in connections.all(initialized_only=True):
        del connections[connection.alias]


def clone(name: str, source: str = TEMPLATE) -> Database:
    drop(name)
    _patiently(
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(source)
        )
    )
    return Database(name)


def drop(name: str) -> None:
    """Drop a database, ending whatever of ours is still connected to it."""
    _patiently(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def go_with_their_server() -> bool:
    """Whether the server is our own throw-away one, which does not even write what it is given."""
    with _administration() as administration:
        return administration.execute("SHOW fsync").fetchone() == ("off",)


def _patiently(statement: sql.Composed) -> None:
    """Do to a database what nobody may be connected to it for.

    A connection that was closed may take a while to end, and the owner may not end an autovacuum
    worker that is at work there just then; both are gone soon.
    """
    give_up = time.monotonic() + PATIENT_SECONDS
    with _administration() as administration:
        while True:
            try:
                administration.execute(statement)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)
            else:
                return


def make_template() -> None:
    """Migrate the template once a run, however many workers ask for it at the same time."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with _administration() as administration:
        administration.execute("SELECT pg_advisory_lock(hashtext(%s))", [TEMPLATE])
        made = administration.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [TEMPLATE],
        ).fetchone()
        if made and made[0] == run:
            return
        drop(TEMPLATE)
        administration.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        point_at(TEMPLATE)
        call_command("migrate", verbosity=0, interactive=False)
        point_at(str(settings.DATABASES["default"]["NAME"]))
        administration.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(TEMPLATE), sql.Literal(run)
            )
        )
