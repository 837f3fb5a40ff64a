"""Each rule of the database refuses its attack, and only the rule does: without it, it succeeds."""

from collections.abc import Iterator
from fnmatch import fnmatch

import psycopg
import pytest
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from tests import databases
from tests.rules import scene
from tests.rules.attacks import ATTACKS

# Made by the framework, or shown by tests of their own: what chains the log is in tests/audit.
ELSEWHERE = (
    "audit_chain",
    "pricing_notices_*",
    "audit_unchained",
    # It refuses nothing; see tests/receipts/test_billed_until.py.
    "receipts_billeduntil_goes_back",
    "*_check",
    "accounts_user_groups_*",
    "accounts_user_user_permi*",
)

CONSTRAINTS = """
    SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
     WHERE k.contype IN ('c', 'u', 'x') AND c.relname ~ %(ours)s
"""
TRIGGERS = """
    SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE NOT t.tgisinternal AND c.relname ~ %(ours)s
"""
INDEXES = """
    SELECT c.relname, i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
      JOIN pg_class c ON c.oid = x.indrelid
     WHERE x.indisunique AND x.indpred IS NOT NULL AND c.relname ~ %(ours)s
"""
OURS = {"ours": "^(accounts|audit|usage|pricing|receipts|payments|insights)_"}


@pytest.fixture(scope="module")
def owner(worker_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[psycopg.Connection]:
    """A connection as the owner of the tables, to a site with one of everything."""
    name = f"{worker_database}_rules"
    with django_db_blocker.unblock():
        database = databases.clone(name)
        databases.point_at(name)
        scene.build()
        databases.point_at(worker_database)
    with psycopg.connect(database.owner_url) as connection:
        yield connection
    databases.drop(name)


Rules = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def rules(owner: psycopg.Connection) -> Rules:
    """The rules by name, with their kind and table."""
    found = {
        name: (kind, table)
        for kind, query in (("CONSTRAINT", CONSTRAINTS), ("TRIGGER", TRIGGERS), ("INDEX", INDEXES))
        for table, name in owner.execute(query, OURS)
    }
    owner.rollback()
    return found


def run(connection: psycopg.Connection, statements: str) -> int:
    """Run an attack up to what a commit would check; returns how many rows the last one hit."""
    count = -1
    for statement in statements.split(";"):
        count = connection.execute(statement.encode()).rowcount
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return count


def put_aside(connection: psycopg.Connection, rules: Rules, name: str) -> None:
    kind, table = rules[name]
    drop = {
        "CONSTRAINT": "ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE",
        "TRIGGER": "DROP TRIGGER {name} ON {table}",
        "INDEX": "DROP INDEX {name}",
    }[kind]
    connection.execute(sql.SQL(drop).format(table=sql.Identifier(table), name=sql.Identifier(name)))


def test_every_rule_has_an_attack(rules: Rules) -> None:
    found = {name for name in rules if not any(fnmatch(name, p) for p in ELSEWHERE)}
    assert sorted(found - set(ATTACKS)) == []
    assert sorted(set(ATTACKS) - found) == []


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_the_rule_and_nothing_else_refuses(
    owner: psycopg.Connection, rules: Rules, name: str
) -> None:
    attack = ATTACKS[name]
    others = {rule for rule in rules for pattern in attack.also if fnmatch(rule, pattern)} - {name}
    try:
        for other in sorted(others):
            put_aside(owner, rules, other)
        with pytest.raises(psycopg.errors.IntegrityError), owner.transaction():
            run(owner, attack.sql)
        put_aside(owner, rules, name)
        assert run(owner, attack.sql) != 0, "the attack hits no row, so it shows nothing"
    finally:
        owner.rollback()
