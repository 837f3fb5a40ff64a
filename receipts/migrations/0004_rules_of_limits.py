"""The rules of what one person alone decides: document by document, at its issue."""

from django.db import migrations

from core.rules import function, trigger

RULES = [
    # What one person alone decided of what stands on a receipt, and gave back of it since.
    function(
        "receipts_alone(receipt bigint)",
        returns="SETOF pricing_adjustment",
        body="""
            SELECT a.* FROM pricing_adjustment a
             WHERE a.status = 'approved' AND a.decided_by_id IS NULL AND a.id IN (
                SELECT substr(l.resource, 8)::bigint
                  FROM receipts_line l JOIN receipts_linecharge k ON k.line_id = l.id
                 WHERE l.receipt_id = $1 AND l.corrects_id IS NULL
                   AND l.resource ~ '^manual:[1-9][0-9]{0,17}$'
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = k.charge_id)
                UNION ALL
                SELECT g.id FROM pricing_adjustment g
                  JOIN pricing_charge c ON c.project_id = g.project_id AND c.job_end = g.at
                      AND c.kind = 'manual' AND c.resource = 'manual:' || g.id
                 WHERE g.credits_receipt_id = $1 AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id));
        """,
    ),
    # One document carries no more of it than the limit that it states, or somebody issues it who
    # neither wrote any of it nor drafted the document. Of a part that is given back nobody else
    # sees the note, so there another has to have decided about the part.
    trigger(
        "receipts_receipt",
        name="receipts_receipt_alone",
        timing="BEFORE UPDATE",
        when="OLD.status IN ('draft', 'pending') AND NEW.status NOT IN ('draft', 'pending')",
        declare="alone numeric; authors bigint[];",
        body="""
            SELECT sum(abs(amount)), array_agg(author_id) INTO alone, authors
              FROM receipts_alone(coalesce(NEW.corrects_id, NEW.id));
            IF coalesce(alone, 0) <= coalesce(NEW.alone_limit, 0) THEN
                RETURN NEW;
            END IF;
            IF NEW.kind = 'credit_note' AND EXISTS (
                    SELECT 1 FROM receipts_alone(NEW.corrects_id) a
                      JOIN receipts_line l ON l.corrects_id = a.credits_line_id
                      JOIN receipts_linecharge k ON k.line_id = l.id
                      JOIN pricing_charge c ON c.id = k.charge_id
                     WHERE l.receipt_id = NEW.id AND c.resource = 'manual:' || a.id)
               OR NEW.kind <> 'credit_note' AND NOT coalesce(
                    NEW.issued_by_id <> ALL (authors)
                    AND NEW.issued_by_id IS DISTINCT FROM NEW.created_by_id, false) THEN
                RAISE EXCEPTION 'one person alone decided more of it than the limit'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("receipts", "0003_rules_of_runs"),
        ("pricing", "0001_tables"),
    ]
    operations = RULES
