"""A site with one of everything, open to whoever owns its tables."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections, transaction
from pytest_django.plugin import DjangoDbBlocker

from tests import databases
from tests.rules import scene

UNGUARDED = """
    DO $$ DECLARE one record; BEGIN
        FOR one IN SELECT DISTINCT tgrelid::regclass AS name FROM pg_trigger
                    WHERE NOT tgisinternal LOOP
            EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', one.name);
        END LOOP;
        FOR one IN SELECT conrelid::regclass AS name, conname FROM pg_constraint
                    WHERE conrelid <> 0 AND contype IN ('c', 'u', 'x')
                      AND connamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', one.name, one.conname);
        END LOOP;
        FOR one IN SELECT indexrelid::regclass AS name FROM pg_index
                    WHERE indisunique AND NOT indisprimary AND indpred IS NOT NULL
                      AND indrelid::regclass::text ~ '^(pricing|receipts|payments)_' LOOP
            EXECUTE format('DROP INDEX %s', one.name);
        END LOOP;
    END $$
"""


@pytest.fixture(scope="module")
def scene_database(worker_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A site's database with all its rules, which Django's connection is pointed at."""
    name = f"{worker_database}_books"
    with django_db_blocker.unblock():
        databases.clone(name)
        databases.point_at(name)
        scene.build()
        yield name
        databases.point_at(worker_database)
        databases.drop(name)


@pytest.fixture(scope="module")
def unguarded(scene_database: str) -> Iterator[None]:
    """The same, with Django logged in as the owner of the tables, whose rules are put aside."""
    settings = connections["default"].settings_dict
    before = settings["USER"], settings["PASSWORD"]
    owner = urlsplit(os.environ["DATABASE_OWNER_URL"])
    connection.close()
    settings["USER"], settings["PASSWORD"] = owner.username, owner.password
    with connection.cursor() as cursor:
        cursor.execute(UNGUARDED)
    yield
    connection.close()
    settings["USER"], settings["PASSWORD"] = before


@pytest.fixture
def rolled_back(unguarded: None) -> Iterator[None]:
    """What a test does to the books is undone."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
