"""`make drill [BACKUP=FILE]`: show that a backup of the database can be restored.

Everything happens on throw-away services; `DATABASE_URL` is never used. Without BACKUP a database
with the demo's data is dumped, dropped and restored, and must then be the same in every row, rule
and right. With BACKUP that dump is restored instead, as after the loss of a server. Either way the
audit log of what was restored must hold.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from hpcbilling.embedded import services
from hpcbilling.embedded.binaries import ServerNotFoundError, find_postgres_tools
from hpcbilling.embedded.process import ServerFailedError
from hpcbilling.environment import DEVELOPMENT

LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
}


class DrillFailedError(RuntimeError):
    """A backup could not be made or restored, or what came back differs."""


@dataclass(frozen=True)
class Fingerprint:
    """All that a database says: rows of each table, rules, rights and the state of sequences."""

    rows: dict[str, str]
    rules: dict[str, str]
    rights: dict[str, str]
    sequences: dict[str, str]

    def differences(self, other: "Fingerprint") -> list[str]:
        """What differs between two databases, by kind and name; empty when they are the same."""
        found: list[str] = []
        for kind in (field.name for field in fields(self)):
            mine, theirs = getattr(self, kind), getattr(other, kind)
            found += (
                f"{kind} of {name}: {mine.get(name)} became {theirs.get(name)}"
                for name in sorted(mine.keys() | theirs.keys())
                if mine.get(name) != theirs.get(name)
            )
        return found


RULES = """
    SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT tgrelid::regclass || ' ' || tgname, tgenabled::text || ' ' || pg_get_triggerdef(oid)
      FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT oid::regprocedure::text, proowner::regrole || ' ' || pg_get_functiondef(oid)
      FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
RIGHTS = """
    SELECT relname, relowner::regrole || ' ' || array_to_string(ARRAY(
               SELECT unnest(relacl)::text ORDER BY 1), ' ')
      FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v')
"""
TABLES = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
"""
# A sum over the rows' hashes does not depend on their order and needs no memory.
ROWS = """
    SELECT count(*) || ' rows ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {} t
"""
SEQUENCES = """
    SELECT sequencename, coalesce(last_value::text, 'unused') FROM pg_sequences
     WHERE schemaname = 'public'
"""


def fingerprint(owner_url: str) -> Fingerprint:
    """Read the fingerprint of a database, as the owner of its tables."""
    with psycopg.connect(owner_url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        tables = [str(row[0]) for row in connection.execute(TABLES)]
        return Fingerprint(
            rows={
                table: str(_one(connection, sql.SQL(ROWS).format(sql.Identifier(table))))
                for table in tables
            },
            rules={str(name): _plain(str(text)) for name, text in connection.execute(RULES)},
            rights={str(name): str(text) for name, text in connection.execute(RIGHTS)},
            sequences={str(name): str(value) for name, value in connection.execute(SEQUENCES)},
        )


def _plain(rule: str) -> str:
    """A rule without what PostgreSQL writes in other words once the rule came from a dump."""
    return re.sub(r"::character varying|::text(\[\])?|[()\s]", "", rule)


def _one(connection: psycopg.Connection, query: sql.Composed | str) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _tool(name: str, arguments: Sequence[str | Path], url: str) -> None:
    """Run a client program on the database at `url`; its password is not among the arguments."""
    with psycopg.connect(url) as connection:
        major = connection.info.server_version // 10000
    parts = {LIBPQ[key]: str(value) for key, value in conninfo.conninfo_to_dict(url).items()}
    done = subprocess.run(
        [find_postgres_tools(major) / name, *arguments],
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **parts},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DrillFailedError(f"{name} failed:\n{done.stderr.strip()}")


def dump(owner_url: str, backup: Path) -> None:
    """Write a backup of the database, as the owner of its tables."""
    _tool("pg_dump", ["--format=custom", f"--file={backup}"], owner_url)


def recreate(owner_url: str) -> None:
    """Drop the database at `owner_url` with all that is in it, and make an empty one."""
    name = str(conninfo.conninfo_to_dict(owner_url)["dbname"])
    elsewhere = conninfo.make_conninfo(owner_url, dbname="postgres")
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def restore(backup: Path, owner_url: str) -> None:
    """Bring a backup into an empty database, all or nothing.

    Ownership and rights of the dump are left out, so that the roles may have other names than where
    it was made: the restoring role owns everything, and `manage.py migrate` gives the application
    its rights.
    """
    name = str(conninfo.conninfo_to_dict(owner_url)["dbname"])
    options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _tool("pg_restore", [*options, f"--dbname={name}", backup], owner_url)


def _manage(arguments: Sequence[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env={**os.environ, "LOG_LEVEL": "WARNING", **variables},
        cwd=services.PROJECT,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise DrillFailedError(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def head_of(owner_url: str) -> str:
    """The end of the audit chain, as `audit_verify --expect` takes it."""
    with psycopg.connect(owner_url) as connection:
        return str(_one(connection, "SELECT sequence || ':' || hash FROM audit_audithead"))


def bring_back(backup: Path, variables: Mapping[str, str], *, expect: str = "") -> str:
    """Restore a backup in place of what the database holds; returns what audit_verify said.

    `expect` is an end of the chain, noted earlier, that must be part of the restored log.
    """
    owner_url = variables["DATABASE_OWNER_URL"]
    recreate(owner_url)
    restore(backup, owner_url)
    _manage(["migrate", "--verbosity", "0"], variables)
    return _manage(["audit_verify", *(["--expect", expect] if expect else [])], variables)


def rehearse(variables: Mapping[str, str], backup: Path) -> str:
    """Dump the database, lose it, restore it, and compare. Raises DrillFailedError."""
    owner_url = variables["DATABASE_OWNER_URL"]
    before, head = fingerprint(owner_url), head_of(owner_url)
    digest = _manage(["state_digest"], variables).rpartition(" ")[2]
    dump(owner_url, backup)
    said = bring_back(backup, variables, expect=head)
    _manage(["state_digest", "--expect", digest], variables)
    differences = before.differences(fingerprint(owner_url))
    if differences:
        raise DrillFailedError("What was restored differs:\n" + "\n".join(differences))
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hpcbilling.embedded.drill")
    parser.add_argument("backup", nargs="?", type=Path, help="a dump to restore and verify")
    parser.add_argument("--expect", default="", metavar="NUMBER:HASH", help="as audit_verify's")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        with services.stopped_by_signals(), services.throw_away(variables={}) as found:
            variables = {"ENVIRONMENT": DEVELOPMENT, **found}
            if options.backup:
                said = bring_back(options.backup.resolve(), variables, expect=options.expect)
            else:
                said = _with_demo_data(variables)
    except (DrillFailedError, ServerFailedError, ServerNotFoundError) as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    _say(f"{said}\nThe drill passed in {time.monotonic() - start:.0f} s.")
    return 0


def _with_demo_data(variables: Mapping[str, str]) -> str:
    _say("Making a database with the demo's data…")
    _manage(["migrate", "--verbosity", "0"], variables)
    _manage(["seed_demo"], variables)
    _say("Dumping, dropping and restoring it…")
    with tempfile.TemporaryDirectory() as folder:
        return rehearse(variables, Path(folder) / "hpcbilling.dump")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command line speaks to a person


if __name__ == "__main__":
    sys.exit(main())
