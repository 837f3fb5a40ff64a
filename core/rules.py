"""SQL of the rules that stand in the database, for use in migrations.

A rule made here holds for every door: the ORM, the admin, psql and the application's own role.
"""

from django.db.migrations import RunSQL


def refuse(table: str, events: str, reason: str, *, when: str = "", name: str = "") -> RunSQL:
    """Refuse row changes of a table, optionally only where ``when`` (SQL over OLD/NEW) is true.

    ``events`` is like ``UPDATE OR DELETE``. The error is an integrity violation with the reason.
    """
    trigger = name or f"{table}_refuse"
    condition = f"WHEN ({when}) " if when else ""
    return RunSQL(
        f"CREATE TRIGGER {trigger} BEFORE {events} ON {table} FOR EACH ROW {condition}"
        f"EXECUTE FUNCTION core_refuse('{reason}')",
        f"DROP TRIGGER {trigger} ON {table}",
    )


def no_truncate(table: str) -> RunSQL:
    """Refuse TRUNCATE, which row triggers do not see."""
    return RunSQL(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION core_refuse('rows of this table are kept for ever')",
        f"DROP TRIGGER {table}_no_truncate ON {table}",
    )


def append_only(table: str) -> list[RunSQL]:
    """Let rows be added only: no UPDATE, DELETE or TRUNCATE."""
    return [
        refuse(table, "UPDATE OR DELETE", "rows of this table are never changed"),
        no_truncate(table),
    ]


def changed(columns: str) -> str:
    """Return the condition that one of some columns, named with commas between, is another now."""
    names = [name.strip() for name in columns.split(",")]
    old, new = (", ".join(f"{row}.{name}" for name in names) for row in ("OLD", "NEW"))
    return f"({old}) IS DISTINCT FROM ({new})"


def trigger(
    table: str,
    *,
    name: str,
    timing: str,
    body: str,
    declare: str = "",
    when: str = "",
    definer: bool = False,
    many: bool = False,
) -> RunSQL:
    """Make a trigger function and its row trigger; ``body`` is PL/pgSQL without BEGIN and END.

    The search path is fixed, temporary tables last, so that no caller can slip in a table of its
    own under a known name. One that looks up ``many`` rows does so by index, as in ``set_trigger``.
    """
    constraint = "CONSTRAINT " if "DEFERR" in timing else ""
    event, _, deferral = timing.partition(" DEFERRABLE")
    deferral = f"DEFERRABLE{deferral}" if deferral else ""
    security = "SECURITY DEFINER " if definer else ""
    condition = f"WHEN ({when}) " if when else ""
    planner = _PLANNER if many else ""
    return RunSQL(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {security}"
        f"SET search_path = public, pg_temp {planner} "
        f"AS $rule$ {f'DECLARE {declare}' if declare else ''} BEGIN {body} END $rule$;"
        f"CREATE {constraint}TRIGGER {name} {event} ON {table} {deferral} FOR EACH ROW {condition}"
        f"EXECUTE FUNCTION {name}();",
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


def set_trigger(
    table: str, *, name: str, event: str, body: str, declare: str = "", definer: bool = False
) -> RunSQL:
    """Make a trigger that looks once at all rows that a statement wrote, as ``new_rows``.

    ``event`` is INSERT or UPDATE (PostgreSQL allows one). For tables that take rows by the thousand
    this costs a tenth of a row trigger, and leaves COPY free to write many rows at a time. It runs
    after the rows are written, so ``body`` sees them in the table too.

    Rows are looked up by index whatever the planner knows: a session keeps the plan that it made
    when the tables were empty.
    """
    security = "SECURITY DEFINER " if definer else ""
    return RunSQL(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql {security}"
        f"SET search_path = public, pg_temp {_PLANNER} "
        f"AS $rule$ {f'DECLARE {declare}' if declare else ''} BEGIN {body} RETURN NULL; END $rule$;"
        f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING NEW TABLE AS new_rows "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}();",
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


_BY_INDEX = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
_PLANNER = " ".join(f"SET {option} = off" for option in _BY_INDEX)


def function(
    signature: str,
    *,
    returns: str,
    body: str,
    declare: str = "",
    pure: bool = False,
    inner: bool = False,
) -> RunSQL:
    """Make a function that only reads; the only one of its name.

    ``signature`` is the name with its arguments. ``body`` is SQL or, with ``declare``, PL/pgSQL
    without BEGIN and END. A ``pure`` one reads no tables. An ``inner`` one is there for others to
    call: it has their search path, as setting one at each call costs more than most of them do.
    """
    language, text = (
        ("plpgsql", f"DECLARE {declare} BEGIN {body} END") if declare else ("sql", body)
    )
    path = "" if pure or inner else "SET search_path = public, pg_temp "
    return RunSQL(
        f"CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE {language} PARALLEL SAFE "
        f"{'IMMUTABLE' if pure else 'STABLE'} {path}AS $rule$ {text} $rule$",
        f"DROP FUNCTION {signature.partition('(')[0]}",
    )
