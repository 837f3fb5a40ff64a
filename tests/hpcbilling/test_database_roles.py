import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection
from pytest_django import Settings

from accounts.models import User
from hpcbilling import checks, database_roles
from tests import databases
from tests.databases import Database


def privileges(table: str) -> set[str]:
    """What the application's role may do with all rows of `table`."""
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind FROM unnest(%s::text[]) AS kind WHERE has_table_privilege(%s, kind)",
            [list(kinds), table],
        )
        return {kind for (kind,) in cursor.fetchall()}


@pytest.mark.django_db
def test_the_application_owns_nothing() -> None:
    assert database_roles.excess_of_power() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE accounts_user CASCADE",
        "ALTER TABLE accounts_user DISABLE TRIGGER ALL",
        "DROP TABLE accounts_user CASCADE",
        "CREATE TABLE extra (id int)",
        "DELETE FROM django_migrations",
        "UPDATE django_migrations SET name = 'x'",
        "SET ROLE hpcbilling_owner",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_cannot_get_around_the_rules(statement: str) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match=r"permission|must be owner"),
    ):
        cursor.execute(statement)


@pytest.mark.django_db
def test_every_table_gives_the_application_rows_and_nothing_more() -> None:
    frozen = {model._meta.db_table for model in database_roles.append_only_models()}
    assert {"audit_auditevent", "usage_evidence"} <= frozen
    tables = set(connection.introspection.table_names())
    assert {model._meta.db_table for model in apps.get_models()} <= tables
    for table in tables:
        if table in database_roles.READ_ONLY_TABLES:
            expected = {"SELECT"}
        elif table in frozen:
            expected = {"SELECT", "INSERT"}
        else:
            expected = {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert privileges(table) == expected, table


def test_migrating_again_takes_back_what_was_granted_by_hand(committed_db: Database) -> None:
    with psycopg.connect(committed_db.owner_url, autocommit=True) as owner:
        owner.execute("GRANT UPDATE, TRUNCATE ON audit_auditevent TO hpcbilling_app")
    assert "TRUNCATE" in privileges("audit_auditevent")
    call_command("migrate", "--plan", verbosity=0)
    assert "TRUNCATE" in privileges("audit_auditevent")
    call_command("migrate", verbosity=0)
    assert privileges("audit_auditevent") == {"SELECT", "INSERT"}


def test_a_strong_role_is_found_out_in_production(
    committed_db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.application_role_is_weak() == []
    settings.PRODUCTION = True
    assert checks.application_role_is_weak() == []

    monkeypatch.setattr(database_roles, "DEFAULT", "owner")
    monkeypatch.setattr(database_roles.excess_of_power, "__defaults__", ("owner",))
    (error,) = checks.application_role_is_weak()
    assert error.id == "hpcbilling.E001"
    assert "it owns" in error.msg


def test_an_unreachable_database_is_not_called_safe(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> list[str]:
        raise OperationalError("connection refused")

    settings.PRODUCTION = True
    monkeypatch.setattr(database_roles, "excess_of_power", refuse)
    (message,) = checks.application_role_is_weak()
    assert "could not be asked" in message.msg


def test_a_committed_database_is_seen_by_other_connections(committed_db: Database) -> None:
    User.objects.create_user("alice")
    with psycopg.connect(committed_db.url) as other:
        assert other.execute("SELECT username FROM accounts_user").fetchall() == [("alice",)]


@pytest.mark.django_db
def test_no_statement_of_ours_is_compiled() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")
        assert cursor.fetchone() == ("off",)
        cursor.execute("SELECT reset_val, source FROM pg_settings WHERE name = 'jit'")
        assert cursor.fetchone() == ("off", "client")


@pytest.mark.django_db
def test_a_committed_database_leaves_nothing_behind() -> None:
    assert not User.objects.filter(username="alice").exists()


def test_a_test_database_is_dropped_while_the_application_is_still_connected(
    worker_database: str,
) -> None:
    database = databases.clone(f"{worker_database}_left")
    with psycopg.connect(database.url) as forgotten:
        databases.drop(database.name)
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("SELECT 1")
