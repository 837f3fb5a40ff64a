"""The rules of charges by hand: asked for, approved by another person, and charged as approved."""

from django.db import migrations

from core.rules import append_only, changed, no_truncate, refuse, set_trigger, trigger

_ADJUSTMENT = (
    "project_id, kind, at, percent, amount, currency, outage_id, credits_receipt_id, "
    "credits_line_id, text, reason, author_id, created_at"
)
_OUTAGE = "cluster_id, starts_at, ends_at, percent, text, reason, author_id, created_at"


RULES = [
    refuse(
        "pricing_adjustment",
        "INSERT",
        "it begins as a draft",
        name="pricing_adjustment_begins",
        when="NEW.status <> 'draft'",
    ),
    refuse(
        "pricing_adjustment",
        "UPDATE",
        "what it says never changes: withdraw it and make another",
        name="pricing_adjustment_stands",
        when=f"""
            {changed(_ADJUSTMENT)} OR OLD.status <> 'draft' AND (OLD.submitted_at) IS DISTINCT
                FROM (NEW.submitted_at)
        """,
    ),
    refuse(
        "pricing_adjustment",
        "UPDATE",
        "there is no such step",
        name="pricing_adjustment_moves",
        when="""
            (OLD.status, NEW.status) NOT IN (('draft', 'submitted'), ('draft', 'withdrawn'),
                ('submitted', 'approved'), ('submitted', 'rejected'), ('submitted', 'withdrawn'))
        """,
    ),
    refuse(
        "pricing_adjustment",
        "DELETE",
        "it stays to be seen",
    ),
    no_truncate("pricing_adjustment"),
    refuse(
        "pricing_outagecredit",
        "INSERT",
        "it begins as a draft",
        name="pricing_outagecredit_begins",
        when="NEW.status <> 'draft'",
    ),
    refuse(
        "pricing_outagecredit",
        "UPDATE",
        "what it says never changes: withdraw it and make another",
        name="pricing_outagecredit_stands",
        when=f"""
            {changed(_OUTAGE)} OR OLD.status <> 'draft'
                AND {changed("submitted_at, figures")}
        """,
    ),
    refuse(
        "pricing_outagecredit",
        "UPDATE",
        "there is no such step",
        name="pricing_outagecredit_moves",
        when="""
            (OLD.status, NEW.status) NOT IN (('draft', 'submitted'), ('draft', 'withdrawn'),
                ('submitted', 'approved'), ('submitted', 'rejected'), ('submitted', 'withdrawn'))
        """,
    ),
    refuse(
        "pricing_outagecredit",
        "DELETE",
        "it stays to be seen",
    ),
    no_truncate("pricing_outagecredit"),
    # An approved adjustment has its charge; that of an outage comes to what its items do, rounded to the
    # currency.
    trigger(
        "pricing_adjustment",
        name="pricing_adjustment_charged",
        timing="AFTER UPDATE DEFERRABLE INITIALLY DEFERRED",
        when="NEW.status = 'approved'",
        body="""
            IF NOT EXISTS (SELECT 1 FROM pricing_charge c WHERE c.kind = 'manual'
                AND c.resource = 'manual:' || NEW.id AND c.project_id = NEW.project_id
                AND c.job_end = NEW.at) THEN
                RAISE EXCEPTION 'an approved adjustment has its charge'
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.kind = 'outage' AND NOT coalesce((
                SELECT abs(sum(i.amount) - NEW.amount) <= 0.5 FROM pricing_outageitem i
                 WHERE i.adjustment_id = NEW.id), false) THEN
                RAISE EXCEPTION 'an outage gives back what its items say'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    # What was charged by hand is in force once. The project's lock orders two writers.
    set_trigger(
        "pricing_charge",
        name="pricing_charge_adjusts",
        event="INSERT",
        body="""
            IF NOT EXISTS (SELECT 1 FROM new_rows WHERE kind = 'manual'
                AND reverses_id IS NULL) THEN
                RETURN NULL;
            END IF;
            PERFORM 1 FROM accounts_project WHERE id IN (
                SELECT project_id FROM new_rows WHERE kind = 'manual')
              ORDER BY id FOR NO KEY UPDATE;
            IF EXISTS (
                SELECT 1 FROM new_rows n LEFT JOIN pricing_adjustment a
                    ON a.id = CASE WHEN n.resource ~ '^manual:[1-9][0-9]{0,17}$'
                                   THEN substr(n.resource, 8)::bigint END
                 WHERE n.kind = 'manual' AND n.reverses_id IS NULL AND (NOT coalesce(
                    a.status = 'approved'
                    AND (a.project_id, a.amount, a.currency, a.at)
                        = (n.project_id, n.amount, n.currency, n.job_end), false)
                    OR EXISTS (
                        SELECT 1 FROM pricing_charge c
                         WHERE c.kind = 'manual' AND c.resource = 'manual:' || a.id
                             AND c.project_id = a.project_id AND c.job_end = a.at
                             AND c.id <> n.id AND c.reverses_id IS NULL
                           AND NOT EXISTS (
                                SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)))
            ) THEN
                RAISE EXCEPTION 'what is charged by hand is what was approved, once'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    # What a second person approved as a charge, one alone does not give up: he or she grants a
    # credit of it, which a second person sees. Where its receipt is void, it is charged anew.
    trigger(
        "pricing_charge",
        name="pricing_fee_stands",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="NEW.kind = 'manual' AND NEW.reverses_id IS NOT NULL AND NEW.amount < 0",
        body="""
            IF EXISTS (
                SELECT 1 FROM pricing_adjustment a
                 WHERE NEW.resource = 'manual:' || a.id AND a.decided_by_id IS NOT NULL
                   AND pricing_is_taken_back(a.id)
            ) THEN
                RAISE EXCEPTION 'a fee that two people decided is not taken back by one'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    *append_only("pricing_outageitem"),
    # Of what jobs cost that ran on the cluster within the outage, and never more than all of it.
    set_trigger(
        "pricing_outageitem",
        name="pricing_outageitem_fits",
        event="INSERT",
        body="""
            PERFORM 1 FROM accounts_project WHERE id IN (
                SELECT a.project_id FROM new_rows n
                  JOIN pricing_adjustment a ON a.id = n.adjustment_id)
              ORDER BY id FOR NO KEY UPDATE;
            IF EXISTS (
                SELECT 1 FROM new_rows n
                  LEFT JOIN pricing_outagecredit o ON o.id = n.outage_id
                  LEFT JOIN pricing_adjustment a ON a.id = n.adjustment_id
                  LEFT JOIN pricing_charge c ON c.id = n.charge_id
                  LEFT JOIN usage_job j ON j.id = n.job_id
                 WHERE NOT coalesce(
                    o.status = 'approved' AND a.outage_id = o.id AND c.job_id = n.job_id
                    AND (a.project_id, a.currency) = (c.project_id, c.currency)
                    AND c.kind IN ('usage', 'minimum') AND c.reverses_id IS NULL
                    AND j.cluster_id = o.cluster_id AND j.start < o.ends_at
                    AND j."end" > o.starts_at, false)
            ) OR EXISTS (
                SELECT 1 FROM new_rows n JOIN pricing_charge c ON c.id = n.charge_id
                 WHERE c.amount + (
                    SELECT coalesce(sum(i.amount), 0) FROM pricing_outageitem i
                     WHERE i.charge_id = c.id AND NOT pricing_is_taken_back(i.adjustment_id)) < 0
            ) THEN
                RAISE EXCEPTION 'an outage gives back a part of what its jobs cost'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0005_rules_of_charges"),
        ("accounts", "0001_tables"),
        ("usage", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
