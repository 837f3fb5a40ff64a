"""Makes SQL that breaks a rule of the database.

``also`` names rules that would refuse the same attack and are put aside with it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

UUID = "00000000-0000-4000-8000-000000000000"
UNBILLED = (
    "reverses_id IS NULL AND id NOT IN (SELECT charge_id FROM receipts_linecharge)"
    " AND id NOT IN (SELECT reverses_id FROM pricing_charge WHERE reverses_id IS NOT NULL)"
)
BILLED = (
    "id IN (SELECT k.charge_id FROM receipts_linecharge k JOIN receipts_line l ON l.id = k.line_id"
    " JOIN receipts_receipt d ON d.id = l.receipt_id WHERE d.status = 'issued')"
)
SECOND = "SELECT id FROM accounts_user WHERE username = 'second'"
SUBMITTED = "SELECT id FROM pricing_pricelist WHERE status = 'submitted'"
SUBMIT = (
    "UPDATE pricing_pricelist SET status = 'submitted', submitted_at = now(),"
    " submitted_by_id = created_by_id WHERE status = 'draft'"
)
DRAFT = "SELECT id FROM pricing_pricelist WHERE status = 'draft'"


DRAFT_SLABS = f"rate_id IN (SELECT id FROM pricing_rate WHERE price_list_id IN ({DRAFT}))"


@dataclass(frozen=True)
class Attack:
    """Statements that only this rule (and those in ``also``) refuses."""

    sql: str
    also: tuple[str, ...] = field(default=())


def sql_value(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if not isinstance(value, int) else str(value)


def copy_of(table: str, where: str = "true", **changes: Any) -> str:
    """Insert a copy of a row with some columns changed."""
    new = json.dumps(changes).replace("'", "''")
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(x) ||"
        f" jsonb_build_object('id', nextval(pg_get_serial_sequence('{table}', 'id')))"
        f" || '{new}'::jsonb)).* FROM {table} x WHERE {where} ORDER BY id LIMIT 1"
    )


def change(table: str, where: str = "true", **values: Any) -> str:
    """Change one row."""
    sets = ", ".join(f'"{name}" = {sql_value(value)}' for name, value in values.items())
    return f"UPDATE {table} SET {sets} WHERE id = (SELECT min(id) FROM {table} WHERE {where})"


def delete(table: str, where: str = "true") -> str:
    return f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table} WHERE {where})"


def negation(where: str, **changes: Any) -> str:
    """Insert the reversal of a charge, or something like it."""
    new = json.dumps(changes)
    return (
        "INSERT INTO pricing_charge SELECT (jsonb_populate_record(NULL::pricing_charge, to_jsonb(x)"
        " || jsonb_build_object('id', nextval(pg_get_serial_sequence('pricing_charge', 'id')),"
        " 'reverses_id', x.id, 'quantity', -x.quantity, 'amount', -x.amount)"
        f" || '{new}'::jsonb)).* FROM pricing_charge x WHERE {where} ORDER BY id LIMIT 1"
    )


def truncate(table: str) -> Attack:
    return Attack(f"TRUNCATE {table} CASCADE", also=("*_no_truncate",))
