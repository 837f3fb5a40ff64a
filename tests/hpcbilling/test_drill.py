"""A backup brings everything back: rows, rules, rights, and an audit log that holds."""

import os
from pathlib import Path

import psycopg
import pytest
from django.db import connections

from hpcbilling.embedded import binaries, drill, services
from hpcbilling.embedded.process import ServerFailedError
from tests.databases import Database
from tests.rules import scene


@pytest.fixture
def variables(committed_db: Database) -> dict[str, str]:
    """How processes reach a database with one of everything."""
    scene.build()
    connections.close_all()  # a database that someone uses can't be dropped
    return {
        "ENVIRONMENT": "test",
        "DATABASE_URL": committed_db.url,
        "DATABASE_OWNER_URL": committed_db.owner_url,
        "REDIS_URL": os.environ["REDIS_URL"],
    }


@pytest.mark.slow
def test_what_was_dropped_comes_back_whole(variables: dict[str, str], tmp_path: Path) -> None:
    said = drill.rehearse(variables, tmp_path / "backup.dump")
    assert said.startswith("Audit log holds: ")
    found = drill.fingerprint(variables["DATABASE_OWNER_URL"])
    assert int(found.rows["pricing_charge"].split()[0]) > 50
    assert "audit_auditevent audit_chain" in found.rules
    # The application's role is as weak in the restored database as it was before.
    with psycopg.connect(variables["DATABASE_URL"]) as application:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("DELETE FROM pricing_charge")
        application.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("ALTER TABLE pricing_charge DISABLE TRIGGER ALL")


@pytest.mark.slow
def test_a_log_that_was_changed_is_noticed(variables: dict[str, str], tmp_path: Path) -> None:
    owner_url, backup = variables["DATABASE_OWNER_URL"], tmp_path / "backup.dump"
    with psycopg.connect(owner_url) as owner:
        owner.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER USER")
        owner.execute("UPDATE audit_auditevent SET actor_name = 'mallory' WHERE sequence = 7")
        owner.execute("ALTER TABLE audit_auditevent ENABLE TRIGGER USER")
    drill.dump(owner_url, backup)
    with pytest.raises(drill.DrillFailedError, match=r"BROKEN at event \d+, number 7"):
        drill.bring_back(backup, variables)


@pytest.mark.slow
def test_a_backup_older_than_expected_is_noticed(variables: dict[str, str], tmp_path: Path) -> None:
    backup = tmp_path / "backup.dump"
    drill.dump(variables["DATABASE_OWNER_URL"], backup)
    later = "9999:" + "0" * 64
    with pytest.raises(drill.DrillFailedError, match=r"number 9999 .* is not part of it"):
        drill.bring_back(backup, variables, expect=later)


def test_differences_are_named(variables: dict[str, str]) -> None:
    owner_url = variables["DATABASE_OWNER_URL"]
    before = drill.fingerprint(owner_url)
    assert before.differences(drill.fingerprint(owner_url)) == []
    with psycopg.connect(owner_url) as owner:
        owner.execute("UPDATE accounts_department SET name = 'Other'")
        owner.execute("ALTER TABLE pricing_charge DROP CONSTRAINT charge_sign")
        owner.execute("GRANT TRUNCATE ON usage_job TO PUBLIC")
        owner.execute("SELECT nextval('usage_cluster_id_seq')")
    found = before.differences(drill.fingerprint(owner_url))
    assert [line.partition(":")[0] for line in found] == [
        "rows of accounts_department",
        "rules of pricing_charge charge_sign",
        "rights of usage_job",
        "sequences of usage_cluster_id_seq",
    ]


def test_a_file_that_is_no_backup_is_refused(variables: dict[str, str], tmp_path: Path) -> None:
    backup = tmp_path / "backup.dump"
    backup.write_bytes(b"not a dump")
    with pytest.raises(drill.DrillFailedError, match="pg_restore failed"):
        drill.restore(backup, variables["DATABASE_OWNER_URL"])


def test_missing_tools_are_explained() -> None:
    with pytest.raises(binaries.ServerNotFoundError, match="apt install postgresql-client-99"):
        binaries.find_postgres_tools(99)


def test_the_given_database_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill drops its database, so it always starts one of its own."""
    asked: list[object] = []

    def throw_away(variables: object) -> None:
        asked.append(variables)
        raise ServerFailedError("none today")

    monkeypatch.setattr(services, "throw_away", throw_away)
    assert drill.main([]) == 1
    assert asked == [{}]
