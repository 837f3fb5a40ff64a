"""The rules of the ledger and its exports."""

from datetime import date

from django.db import migrations

from core.locks import Space, key_of
from core.rules import append_only, no_truncate, trigger

_PERIODS = f"({Space.PERIODS.value}, {key_of('open')})"


_SEEDS = {
    "unbilled": "1130",
    "receivable": "1120",
    "revenue": "4100",
    "output_tax": "2150",
    "withheld": "1160",
    "bank": "1110",
    "balance": "2120",
    "refund": "1110",
    "write_off": "5400",
    "opening": "3900",
}


def seed(apps, schema_editor):
    account = apps.get_model("insights", "LedgerAccount")
    account.objects.using(schema_editor.connection.alias).bulk_create(
        account(role=role, account=number, starts_on=date(2000, 1, 1))
        for role, number in _SEEDS.items()
    )


RULES = [
    migrations.RunPython(seed, migrations.RunPython.noop),
    *append_only("insights_bookscheck"),
    # What is booked in closed periods stays where it was booked, whatever becomes of an account.
    # No period closes meanwhile: who closes one holds this lock alone.
    trigger(
        "insights_ledgeraccount",
        name="insights_ledger_account_stands",
        timing="BEFORE INSERT OR UPDATE OR DELETE",
        declare="opens date;",
        body=f"""
            PERFORM pg_advisory_xact_lock_shared{_PERIODS};
            SELECT max(month) + interval '1 month' INTO opens
              FROM accounts_period WHERE status = 'closed';
            IF opens IS NULL THEN
                RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
            END IF;
            IF TG_OP = 'INSERT' AND NEW.starts_on < opens
               OR TG_OP = 'DELETE' AND OLD.starts_on < opens
               OR TG_OP = 'UPDATE' AND (
                    to_jsonb(NEW) - 'ends_on' <> to_jsonb(OLD) - 'ends_on'
                    AND least(OLD.starts_on, NEW.starts_on) < opens
                    OR NEW.ends_on IS DISTINCT FROM OLD.ends_on
                    AND least(OLD.ends_on, NEW.ends_on) < opens) THEN
                RAISE EXCEPTION 'an account changes from the first open period on'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        """,
    ),
    no_truncate("insights_ledgeraccount"),
    *append_only("insights_journalexport"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("insights", "0001_tables"),
        ("accounts", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
