import psycopg
import pytest
from django.db import ProgrammingError, connection

from accounts.models import User
from hpcbilling import database_roles
from tests.databases import Database


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


def test_a_committed_database_is_seen_by_other_connections(committed_db: Database) -> None:
    User.objects.create_user("alice")
    with psycopg.connect(committed_db.url) as other:
        assert other.execute("SELECT username FROM accounts_user").fetchall() == [("alice",)]


@pytest.mark.django_db
def test_a_committed_database_leaves_nothing_behind() -> None:
    assert not User.objects.exists()
