"""The rules of payers, tokens and periods that stand in the database."""

from django.db import migrations

from core.locks import Space, key_of
from core.rules import changed, function, no_truncate, refuse, trigger

_PERIODS = f"({Space.PERIODS.value}, {key_of('open')})"


RULES = [
    refuse(
        "accounts_apitoken",
        "UPDATE",
        "a token can only be used and revoked",
        when=f"""
            {changed("user_id, name, digest, scopes, created_at, expires_at")}
                OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT
                FROM OLD.revoked_at)
        """,
    ),
    no_truncate("accounts_apitoken"),
    refuse(
        "accounts_idempotentrequest",
        "UPDATE",
        "an answer that was given never changes",
    ),
    trigger(
        "accounts_split",
        name="accounts_split_whole",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        body="""
            IF EXISTS (SELECT 1 FROM accounts_split WHERE id = NEW.id)
               AND (SELECT sum(percent) FROM accounts_splitshare WHERE split_id = NEW.id)
                   IS DISTINCT FROM 100 THEN
                RAISE EXCEPTION 'the shares of a split add up to 100 percent'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    trigger(
        "accounts_splitshare",
        name="accounts_splitshare_whole",
        timing="AFTER INSERT OR DELETE DEFERRABLE INITIALLY DEFERRED",
        body="""
            IF EXISTS (SELECT 1 FROM accounts_split
                WHERE id = coalesce(NEW.split_id, OLD.split_id))
               AND (SELECT sum(percent) FROM accounts_splitshare
                   WHERE split_id = coalesce(NEW.split_id, OLD.split_id))
                   IS DISTINCT FROM 100 THEN
                RAISE EXCEPTION 'the shares of a split add up to 100 percent'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    refuse(
        "accounts_splitshare",
        "UPDATE",
        "a share never changes",
    ),
    refuse(
        "accounts_split",
        "UPDATE",
        "of a split only the end and who pays afterwards change",
        when=changed("id, project_id, starts_at, reason"),
    ),
    no_truncate("accounts_split"),
    no_truncate("accounts_splitshare"),
    function(
        "accounts_bearers(payer bigint, moment timestamptz)",
        returns="TABLE (project_id bigint, share_id bigint, percent numeric)",
        body="""
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
        """,
    ),
    function(
        "accounts_part(share bigint, quantity bigint)",
        returns="bigint",
        body="""
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
        """,
    ),
    # Whoever books charges holds this lock together with others, whoever closes or opens a period alone.
    trigger(
        "accounts_period",
        name="accounts_period_begins",
        timing="BEFORE INSERT",
        body=f"""
            PERFORM pg_advisory_xact_lock_shared{_PERIODS};
            IF NEW.status <> 'open' OR EXISTS (
                SELECT 1 FROM accounts_period WHERE status = 'closed' AND month >= NEW.month
            ) OR abs(extract(epoch FROM
                     NEW.starts_at - NEW.month::timestamp AT TIME ZONE 'UTC')) > 86400 THEN
                RAISE EXCEPTION 'a period begins open, with its month, after all closed ones'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "accounts_period",
        "UPDATE",
        "a period closes or opens again, and nothing else of it changes",
        when=f"OLD.status = NEW.status OR {changed('month, starts_at, ends_at')}",
    ),
    trigger(
        "accounts_period",
        name="accounts_period_closes",
        timing="BEFORE UPDATE",
        when="NEW.status = 'closed' AND OLD.status = 'open'",
        body=f"""
            PERFORM pg_advisory_xact_lock{_PERIODS};
            IF NEW.ends_at > now() OR EXISTS (
                SELECT 1 FROM accounts_period WHERE status = 'open' AND month < NEW.month) THEN
                RAISE EXCEPTION
                    'a period closes after its end, and after all that come before it'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "accounts_period",
        name="accounts_period_reopens",
        timing="BEFORE UPDATE",
        when="NEW.status = 'open' AND OLD.status = 'closed'",
        body=f"""
            PERFORM pg_advisory_xact_lock{_PERIODS};
            IF EXISTS (
                SELECT 1 FROM accounts_period WHERE status = 'closed' AND month > OLD.month
            ) OR NOT EXISTS (
                SELECT 1 FROM accounts_periodreopening r
                 WHERE r.period_id = OLD.month AND r.closed_at = OLD.closed_at
                   AND r.approved_at IS NOT NULL
            ) THEN
                RAISE EXCEPTION 'only the last closed period opens again, and by two people'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "accounts_period",
        "DELETE",
        "periods are kept",
        name="accounts_period_stays",
    ),
    no_truncate("accounts_period"),
    trigger(
        "accounts_periodreopening",
        name="accounts_periodreopening_asks",
        timing="BEFORE INSERT",
        body="""
            IF NEW.approved_at IS NOT NULL OR NEW.declined_at IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM accounts_period
                 WHERE month = NEW.period_id AND status = 'closed' AND closed_at = NEW.closed_at
            ) THEN
                RAISE EXCEPTION 'a reopening begins as a wish, about a closed period'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "accounts_periodreopening",
        "UPDATE",
        "a wish is answered once, and nothing else of it changes",
        when=f"""
            OLD.approved_at IS NOT NULL OR OLD.declined_at IS NOT NULL
                OR {changed("id, period_id, closed_at, reason, requested_by_id, requested_at")}
        """,
    ),
    refuse(
        "accounts_periodreopening",
        "DELETE",
        "wishes and answers are kept",
        name="accounts_periodreopening_stays",
    ),
    no_truncate("accounts_periodreopening"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
