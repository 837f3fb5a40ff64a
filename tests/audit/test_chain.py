"""The audit chain: gapless, in the transaction of the change, and broken by a single byte."""

import json
import threading
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from audit.chain import GENESIS, link
from audit.models import AuditEvent, AuditHead
from audit.selectors import verify_chain
from audit.services import NotInTransaction, record
from core.actor import Actor
from tests.databases import Database

ACTOR = Actor(7, "alice")


def commit(action: str = "thing.done", **data: Any) -> None:
    with transaction.atomic():
        record(action, actor=ACTOR, data=data)


def as_owner(database: Database, statement: str) -> None:
    """Go behind the application: the owner puts the rules aside, as an intruder would."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER USER")
        owner.execute("ALTER TABLE audit_audithead DISABLE TRIGGER USER")
        assert owner.execute(statement.encode()).rowcount == 1


def test_events_are_chained_as_they_commit(committed_db: Database) -> None:
    before = AuditHead.objects.get(pk=1)
    commit(amount=1)
    commit(amount=2)
    first, second = AuditEvent.objects.order_by("sequence").filter(sequence__gt=before.sequence)
    assert (first.sequence, second.sequence) == (before.sequence + 1, before.sequence + 2)
    assert first.previous_hash == before.hash
    assert second.hash == link(first.hash or "", second.sequence or 0, second.payload)
    assert verify_chain().broken is None


def test_the_first_event_follows_the_genesis_hash(committed_db: Database) -> None:
    commit()
    assert AuditEvent.objects.get(sequence=1).previous_hash == GENESIS


def test_a_rolled_back_change_leaves_no_event_and_no_gap(committed_db: Database) -> None:
    events = AuditEvent.objects.count()
    with transaction.atomic():
        record("thing.undone", actor=ACTOR)
        transaction.set_rollback(True)
    commit()
    found = verify_chain()
    assert (found.events, found.broken) == (events + 1, None)


def test_an_event_outside_a_transaction_is_refused(committed_db: Database) -> None:
    with pytest.raises(NotInTransaction):
        record("thing.done", actor=ACTOR)


def test_many_writers_make_one_chain(committed_db: Database) -> None:
    events = AuditEvent.objects.count()

    def write() -> None:
        try:
            for number in range(10):
                commit(number=number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify_chain()
    assert (found.events, found.broken) == (events + 80, None)


TAMPERING: dict[str, tuple[str, str]] = {
    "one byte of the content": (
        (
            "UPDATE audit_auditevent SET payload = replace(payload, '100', '101')"
            " WHERE sequence = {at}"
        ),
        "its content does not match its hash",
    ),
    "a column": (
        "UPDATE audit_auditevent SET actor_name = 'mallory' WHERE sequence = {at}",
        "its columns do not match its hashed content",
    ),
    "the time": (
        "UPDATE audit_auditevent SET at = at + interval '1 microsecond' WHERE sequence = {at}",
        "its columns do not match its hashed content",
    ),
    "its hash": (
        "UPDATE audit_auditevent SET hash = repeat('0', 64) WHERE sequence = {at}",
        "its content does not match its hash",
    ),
    "a row is removed": ("DELETE FROM audit_auditevent WHERE sequence = {at}", "is missing"),
    "a row without a number": (
        (
            "INSERT INTO audit_auditevent (at, action, actor_id, actor_name, target_type,"
            " target_id, payload) VALUES (now(), 'x', '', 'x', '', '', '{{}}')"
        ),
        "it is not part of the chain",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found_and_named(committed_db: Database, what: str) -> None:
    for _ in range(3):
        commit(amount=100)
    at = (AuditHead.objects.get(pk=1).sequence) - 1
    statement, reason = TAMPERING[what]
    as_owner(committed_db, statement.format(at=at))
    broken = verify_chain().broken
    assert broken is not None
    assert reason in broken.reason
    if "SET" in statement:
        assert broken.sequence == at
    with pytest.raises(CommandError, match="BROKEN"):
        call_command("audit_verify")


def test_cutting_off_the_end_is_found(committed_db: Database, capsys: Any) -> None:
    commit()
    noted = AuditHead.objects.get(pk=1)
    as_owner(committed_db, f"DELETE FROM audit_auditevent WHERE sequence = {noted.sequence}")
    broken = verify_chain().broken
    assert broken is not None
    as_owner(
        committed_db,
        f"UPDATE audit_audithead SET sequence = {noted.sequence - 1}, hash = (SELECT hash FROM"
        f" audit_auditevent WHERE sequence = {noted.sequence - 1})",
    )
    assert verify_chain().broken is None
    with pytest.raises(CommandError, match="not part of it"):
        call_command("audit_verify", expect=f"{noted.sequence}:{noted.hash}")


def test_the_command_reports_as_json(committed_db: Database, capsys: Any) -> None:
    commit()
    call_command("audit_verify", "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is True
    assert result["events"] == AuditEvent.objects.count()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditevent SET action = 'x'",
        "DELETE FROM audit_auditevent",
        "TRUNCATE audit_auditevent",
        "UPDATE audit_audithead SET sequence = 0",
        "ALTER TABLE audit_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_chain ON audit_auditevent",
        "SET session_replication_role = 'replica'",
    ],
)
def test_the_applications_role_has_no_right_to(statement: str) -> None:
    with pytest.raises(Exception, match=r"permission denied|must be owner"), transaction.atomic():
        connection.cursor().execute(statement)


def test_a_caller_cannot_choose_its_place_in_the_chain(committed_db: Database) -> None:
    with transaction.atomic():
        event = record("thing.done", actor=ACTOR)
        event.pk, event.sequence, event.hash = None, 1, "f" * 64
        event.save(force_insert=True)
    assert verify_chain().broken is None
