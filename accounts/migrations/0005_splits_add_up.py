"""Shares of a split add up to the whole and stay; who bears costs is said in one place."""

from django.db import migrations

from core.rules import no_truncate, refuse, trigger

_WHOLE = """
    IF EXISTS (SELECT 1 FROM accounts_split WHERE id = {split})
       AND (SELECT sum(percent) FROM accounts_splitshare WHERE split_id = {split})
           IS DISTINCT FROM 100 THEN
        RAISE EXCEPTION 'the shares of a split add up to 100 percent'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""

RULES = [
    trigger(
        "accounts_split",
        name="accounts_split_whole",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        body=_WHOLE.format(split="NEW.id"),
    ),
    trigger(
        "accounts_splitshare",
        name="accounts_splitshare_whole",
        timing="AFTER INSERT OR DELETE DEFERRABLE INITIALLY DEFERRED",
        body=_WHOLE.format(split="coalesce(NEW.split_id, OLD.split_id)"),
    ),
    refuse("accounts_splitshare", "UPDATE", "a share never changes"),
    refuse(
        "accounts_split",
        "UPDATE",
        "of a split only the end and who pays afterwards change",
        when="(OLD.id, OLD.project_id, OLD.starts_at, OLD.reason)"
        " IS DISTINCT FROM (NEW.id, NEW.project_id, NEW.starts_at, NEW.reason)",
    ),
    no_truncate("accounts_split"),
    no_truncate("accounts_splitshare"),
    # Who pays for the jobs of a project that end at a moment. The same as SplitBook.
    migrations.RunSQL(
        """
        CREATE FUNCTION accounts_bearers(payer bigint, moment timestamptz)
        RETURNS TABLE (project_id bigint, share_id bigint, percent numeric)
        LANGUAGE sql STABLE SET search_path = public, pg_temp AS $rule$
            WITH split AS (
                SELECT id, fallback_id, coalesce(ends_at > moment, true) AS in_force
                  FROM accounts_split
                 WHERE accounts_split.project_id = payer AND starts_at <= moment
                   AND ends_at IS DISTINCT FROM starts_at
                 ORDER BY starts_at DESC LIMIT 1
            )
            SELECT s.project_id, s.id, s.percent
              FROM split JOIN accounts_splitshare s ON s.split_id = split.id WHERE split.in_force
            UNION ALL
            SELECT coalesce((SELECT fallback_id FROM split), payer), NULL, 100
             WHERE NOT EXISTS (SELECT 1 FROM split WHERE in_force)
        $rule$
        """,
        "DROP FUNCTION accounts_bearers(bigint, timestamptz)",
    ),
    # The part of a quantity that a share pays for: by largest remainder, of equal ones the first.
    migrations.RunSQL(
        """
        CREATE FUNCTION accounts_part(share bigint, quantity bigint) RETURNS bigint
        LANGUAGE sql STABLE SET search_path = public, pg_temp AS $rule$
            SELECT part FROM (
                SELECT id, floor_part + (
                    row_number() OVER (ORDER BY remainder DESC, id)
                    <= quantity - sum(floor_part) OVER ()
                )::int AS part
                FROM (
                    SELECT id, div(quantity * percent * 10000, 1000000)::bigint AS floor_part,
                           mod(quantity * percent * 10000, 1000000) AS remainder
                      FROM accounts_splitshare
                     WHERE split_id = (SELECT split_id FROM accounts_splitshare WHERE id = share)
                ) parts
            ) shares WHERE id = share
        $rule$
        """,
        "DROP FUNCTION accounts_part(bigint, bigint)",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_splits")]

    operations = RULES
