"""Two database roles: one owns the tables, the other runs the application.

The invariants of this product live in constraints and triggers. A role that owns a table can drop
or disable them, so the application connects (`default`, DATABASE_URL) as a role that owns nothing,
and only migrations connect (`owner`, DATABASE_OWNER_URL) as the one that does.

What the application may do is granted after each migration: read and write rows, but not TRUNCATE,
and neither UPDATE nor DELETE on the tables of models that declare `append_only = True`.
"""

from collections.abc import Iterable

from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from psycopg import sql

DEFAULT = "default"
OWNER = "owner"
ROWS = "SELECT, INSERT, UPDATE, DELETE"

# The application reads which migrations ran (for /readyz) and must not rewrite that history.
READ_ONLY_TABLES = ("django_migrations",)


def migration_alias(asked: str) -> str:
    """The connection that migrations asked for on `asked` run on."""
    return OWNER if asked == DEFAULT and OWNER in connections.settings else asked


def application_role() -> str:
    """The role that the application logs in as."""
    return str(settings.DATABASES[DEFAULT]["USER"])


def append_only_models() -> list[type[Model]]:
    """Models that declare `append_only = True`: their rows are never changed or deleted."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if getattr(model, "append_only", False) and model._meta.managed
    ]


def grant_ahead(alias: str = OWNER) -> None:
    """Let the application use tables that the coming migrations will make.

    Handlers of `post_migrate` may write through the application's connection, before `grant` runs.
    """
    _execute(
        alias,
        [
            "GRANT USAGE ON SCHEMA public TO {app}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {ROWS} ON TABLES TO {{app}}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {app}",
        ],
    )


def grant(alias: str = OWNER) -> None:
    """Set the application's rights on all tables to exactly what the module's rule says."""
    _execute(
        alias,
        [
            "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {app}",
            f"GRANT {ROWS} ON ALL TABLES IN SCHEMA public TO {{app}}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app}",
        ],
    )
    with connections[alias].cursor() as cursor:
        present = set(connections[alias].introspection.table_names(cursor))
        frozen = {model._meta.db_table for model in append_only_models()}
        _revoke(cursor, "UPDATE, DELETE", sorted(frozen & present))
        _revoke(cursor, "INSERT, UPDATE, DELETE", sorted(present.intersection(READ_ONLY_TABLES)))


def _revoke(cursor: CursorWrapper, rights: str, tables: Iterable[str]) -> None:
    for table in tables:
        cursor.execute(
            sql.SQL("REVOKE {} ON {} FROM {}").format(
                sql.SQL(rights), sql.Identifier(table), sql.Identifier(application_role())
            )
        )


def _execute(alias: str, statements: Iterable[str]) -> None:
    role = sql.Identifier(application_role())
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(sql.SQL(statement).format(app=role))


def excess_of_power(alias: str = DEFAULT) -> list[str]:
    """Why the connected role could get around the invariants; empty when it can't."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles "
            "WHERE rolname = current_user"
        )
        row = cursor.fetchone() or (False, False, False)
        names = ("a superuser", "exempt from row security", "allowed to make roles")
        reasons = [f"it is {name}" for name, found in zip(names, row, strict=True) if found]
        cursor.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') "
            "AND pg_has_role(current_user, c.relowner, 'MEMBER')"
        )
        owned = cursor.fetchone()
    if owned and owned[0]:
        reasons.append(f"it owns {owned[0]} tables, or is a member of the role that does")
    return reasons
