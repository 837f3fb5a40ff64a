"""The rules of documents: what may become of them, and what lines, notes and tax add up to."""

from django.db import migrations

from core.rules import changed, function, no_truncate, refuse, set_trigger, trigger

RULES = [
    trigger(
        "receipts_receipt",
        name="receipts_receipt_starts_as_draft",
        timing="BEFORE INSERT",
        when="NEW.status <> 'draft'",
        body="""
            RAISE EXCEPTION 'a receipt begins as a draft' USING ERRCODE = 'check_violation';
        """,
    ),
    no_truncate("receipts_receipt"),
    no_truncate("receipts_line"),
    no_truncate("receipts_linecharge"),
    refuse(
        "receipts_series",
        "DELETE",
        "a series is never deleted",
        name="receipts_series_refuse_delete",
    ),
    no_truncate("receipts_series"),
    function(
        "receipts_tax(amount numeric, rate numeric, inclusive boolean, decimals integer)",
        returns="numeric",
        pure=True,
        body="""
            SELECT round((amount * rate)::numeric(60, 30)
                         / (100 + CASE WHEN inclusive THEN rate ELSE 0 END), decimals);
        """,
    ),
    # On whose receipts a project's charges go: one step, the payer's own profile does not count.
    function(
        "receipts_addressee(project bigint)",
        returns="bigint",
        body="""
            SELECT coalesce((
                SELECT CASE b.grouping WHEN 'payer' THEN b.payer_id
                                       WHEN 'department' THEN d.project_id END
                  FROM receipts_billingprofile b
                  JOIN accounts_project p ON p.id = b.project_id
                  LEFT JOIN receipts_departmentbilling d ON d.department_id = p.department_id
                 WHERE b.project_id = $1), $1);
        """,
    ),
    # The order is locked, so that two receipts at once don't both fit. The site's day is not known here:
    # it is at most one away from the day in UTC. Credit notes are under the order of what they correct.
    trigger(
        "receipts_receipt",
        name="receipts_receipt_order",
        timing="BEFORE UPDATE",
        when="OLD.status IN ('draft', 'pending') AND NEW.status NOT IN ('draft', 'pending')",
        declare="""
            promise receipts_purchaseorder; day date := (NEW.issued_at AT TIME ZONE 'UTC')::date;
        """,
        body="""
            IF NEW.kind = 'credit_note' THEN
                IF NEW.purchase_order_id IS DISTINCT FROM (
                    SELECT purchase_order_id FROM receipts_receipt
                        WHERE id = NEW.corrects_id) THEN
                    RAISE EXCEPTION
                        'a credit note is under the purchase order of what it corrects'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END IF;
            IF NEW.purchase_order_id IS NULL THEN
                IF NEW.kind = 'receipt' AND NEW.total > 0 AND EXISTS (
                    SELECT 1 FROM receipts_purchaseorder WHERE project_id = NEW.project_id
                ) THEN
                    RAISE EXCEPTION 'receipts of this project are issued under a purchase order'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END IF;
            SELECT * INTO promise FROM receipts_purchaseorder
             WHERE id = NEW.purchase_order_id FOR NO KEY UPDATE;
            IF promise.project_id <> NEW.project_id OR promise.currency <> NEW.currency
               OR day < promise.starts_on - 1 OR day > promise.expires_on + 1 THEN
                RAISE EXCEPTION 'the purchase order is of another project, currency or time'
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.total > 0 AND NEW.total > promise.ceiling - coalesce((
                SELECT sum(total) FROM receipts_receipt
                 WHERE purchase_order_id = promise.id AND status NOT IN ('draft', 'pending')
            ), 0) THEN
                RAISE EXCEPTION 'the receipt goes beyond the ceiling of its purchase order'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_receipt",
        name="receipts_receipt_frozen",
        timing="BEFORE UPDATE OR DELETE",
        when="OLD.status NOT IN ('draft', 'pending')",
        body="""
            IF TG_OP = 'DELETE'
                OR to_jsonb(NEW) - ARRAY['status', 'paid_at', 'voided_at', 'voided_by_id',
                'void_reason', 'written_off_at'] <> to_jsonb(OLD) - ARRAY['status', 'paid_at',
                'voided_at', 'voided_by_id', 'void_reason', 'written_off_at']
               OR to_jsonb(NEW) <> to_jsonb(OLD)
                  AND (OLD.status::text, NEW.status::text) NOT IN (('issued', 'part_paid'),
                      ('issued', 'paid'), ('issued', 'void'), ('issued', 'written_off'),
                      ('part_paid', 'issued'), ('part_paid', 'paid'), ('part_paid', 'void'),
                      ('part_paid', 'written_off'), ('paid', 'issued'), ('paid', 'part_paid'),
                      ('paid', 'void')) THEN
                RAISE EXCEPTION '% on % is refused: an issued receipt never changes',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # At commit a void receipt is credited in whole and no charge of it is in force, or its usage
    # would be lost ...
    trigger(
        "receipts_receipt",
        name="receipts_void_reverses",
        timing="AFTER UPDATE DEFERRABLE INITIALLY DEFERRED",
        when="NEW.status = 'void'",
        body="""
            IF EXISTS (
                SELECT 1 FROM receipts_line l
                  JOIN receipts_linecharge k ON k.line_id = l.id
                 WHERE l.receipt_id = NEW.id AND NOT EXISTS (
                    SELECT 1 FROM pricing_charge r WHERE r.reverses_id = k.charge_id)
            ) OR NEW.total + coalesce((
                SELECT sum(total) FROM receipts_receipt
                 WHERE corrects_id = NEW.id AND status = 'issued'), 0) <> 0 THEN
                RAISE EXCEPTION 'a void receipt has charges in force'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    # ... and no charge that a draft reserves may be reversed, or it would bill what is not owed.
    # One on an issued document may: the reversal waits for a credit note.
    trigger(
        "pricing_charge",
        name="receipts_billed_charge_stands",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="NEW.reverses_id IS NOT NULL",
        body="""
            IF EXISTS (
                SELECT 1 FROM receipts_linecharge k
                  JOIN receipts_line l ON l.id = k.line_id
                  JOIN receipts_receipt d ON d.id = l.receipt_id
                 WHERE k.charge_id = NEW.reverses_id AND d.status IN ('draft', 'pending')
            ) THEN
                RAISE EXCEPTION 'a charge on a draft is not reversed'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    trigger(
        "receipts_line",
        name="receipts_line_frozen",
        timing="BEFORE INSERT OR UPDATE OR DELETE",
        declare="state text;",
        body="""
            SELECT status INTO state FROM receipts_receipt
             WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.receipt_id ELSE NEW.receipt_id END
               FOR SHARE;
            IF TG_OP = 'UPDATE' OR state <> 'draft' THEN
                RAISE EXCEPTION '% on % is refused: lines belong to drafts only', TG_OP,
                    TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END IF;
            IF TG_OP = 'DELETE' THEN
                IF EXISTS (SELECT 1 FROM receipts_linecharge WHERE line_id = OLD.id) THEN
                    RAISE EXCEPTION 'a line with charges is not deleted'
                        USING ERRCODE = 'restrict_violation';
                END IF;
                RETURN OLD;
            END IF;
            RETURN NEW;
        """,
    ),
    # Charges come by the thousand: their lines are looked at once a statement, and what they point
    # at is shown here instead of by foreign keys (ADR 7).
    set_trigger(
        "receipts_linecharge",
        name="receipts_linecharge_joins_draft",
        event="INSERT",
        declare="lines bigint[];",
        body="""
            lines := ARRAY(SELECT DISTINCT line_id FROM new_rows);
            PERFORM 1 FROM receipts_receipt WHERE id = ANY (ARRAY(
                SELECT DISTINCT receipt_id FROM receipts_line WHERE id = ANY (lines)))
              ORDER BY id FOR SHARE;
            IF EXISTS (
                SELECT 1 FROM (
                    SELECT n.line_id, count(c.id) AS found, count(*) AS wanted,
                           max(c.period_id) AS last
                      FROM new_rows n LEFT JOIN pricing_charge c ON c.id = n.charge_id
                     GROUP BY n.line_id) n
                  LEFT JOIN receipts_line l ON l.id = n.line_id
                  LEFT JOIN receipts_receipt d ON d.id = l.receipt_id
                 WHERE d.status IS DISTINCT FROM 'draft' OR n.found <> n.wanted
                    OR n.last > d.period
            ) THEN
                RAISE EXCEPTION
                    'INSERT on receipts_linecharge is refused: charges join drafts only'
                    USING ERRCODE = 'restrict_violation';
            END IF;
        """,
    ),
    trigger(
        "receipts_linecharge",
        name="receipts_linecharge_frozen",
        timing="BEFORE UPDATE OR DELETE",
        declare="state text;",
        body="""
            SELECT d.status INTO state FROM receipts_line l JOIN receipts_receipt d
                ON d.id = l.receipt_id
             WHERE l.id = OLD.line_id FOR SHARE OF d;
            IF TG_OP = 'UPDATE' OR state IS DISTINCT FROM 'draft' THEN
                RAISE EXCEPTION '% on % is refused: charges join drafts only', TG_OP,
                    TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN OLD;
        """,
    ),
    refuse(
        "receipts_series",
        "UPDATE",
        "numbers of a series only go up by one",
        name="receipts_series_refuse_update",
        when=f"""
            NEW.last_number <> OLD.last_number + 1
                OR {changed("code, fiscal_year, pattern, opened_after")}
        """,
    ),
    trigger(
        "receipts_series",
        name="receipts_series_begins",
        timing="BEFORE INSERT",
        when="NEW.last_number <> NEW.opened_after",
        body="""
            RAISE EXCEPTION 'a series begins after the last number used elsewhere'
                USING ERRCODE = 'check_violation';
        """,
    ),
    # What a receipt took off (a discount) counts in what it asks for, so its other lines can't be
    # given back in whole beside it.
    trigger(
        "receipts_receipt",
        name="receipts_receipt_within",
        timing="BEFORE UPDATE",
        when="""
            NEW.kind = 'credit_note' AND OLD.status IN ('draft', 'pending')
                AND NEW.status NOT IN ('draft', 'pending')
        """,
        body="""
            PERFORM 1 FROM receipts_receipt WHERE id = NEW.corrects_id FOR NO KEY UPDATE;
            IF NEW.total + (SELECT sum(total) FROM receipts_receipt
                             WHERE id = NEW.corrects_id
                                OR corrects_id = NEW.corrects_id AND id <> NEW.id
                                   AND status NOT IN ('draft', 'pending')) < 0 THEN
                RAISE EXCEPTION 'credit notes give back more than the receipt asked for'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # What an outage gave back goes on with the usage where that is billed again.
    trigger(
        "pricing_charge",
        name="receipts_credit_on_its_line",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="NEW.kind = 'manual' AND NEW.reverses_id IS NULL",
        body="""
            IF EXISTS (
                SELECT 1 FROM pricing_adjustment a
                 WHERE NEW.resource = 'manual:' || a.id AND a.credits_line_id IS NOT NULL
                   AND a.kind <> 'outage'
                   AND NOT EXISTS (
                        SELECT 1 FROM receipts_linecharge k
                          JOIN receipts_line l ON l.id = k.line_id
                         WHERE k.charge_id = NEW.id AND l.corrects_id = a.credits_line_id)
            ) THEN
                RAISE EXCEPTION 'what gives back a part of a line is on a credit note of it'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    refuse(
        "receipts_receipt",
        "UPDATE",
        "the month of a document stays",
        name="receipts_receipt_keeps_month",
        when="OLD.period IS DISTINCT FROM NEW.period",
    ),
    # What is booked into a period that opens again is looked for again.
    trigger(
        "accounts_period",
        name="receipts_billeduntil_goes_back",
        timing="AFTER UPDATE",
        when="OLD.status = 'closed' AND NEW.status = 'open'",
        body="""
            UPDATE receipts_billeduntil SET month = NEW.month - interval '1 month'
             WHERE month >= NEW.month;
            RETURN NULL;
        """,
    ),
    # Lines of a credit note take back charges of the line that they correct, or give a part of it back
    # as a manual charge; all notes together never take more than there was.
    # Lines of a receipt are the charges behind them, and each of those is in force.
    trigger(
        "receipts_receipt",
        name="receipts_receipt_issue",
        timing="BEFORE UPDATE",
        when="OLD.status IN ('draft', 'pending') AND NEW.status NOT IN ('draft', 'pending')",
        declare="lines numeric; before numeric := 0; original receipts_receipt;",
        body="""
            IF NEW.status <> 'issued' THEN
                RAISE EXCEPTION 'a draft can only be issued' USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.kind <> 'opening' AND NOT EXISTS (
                SELECT 1 FROM receipts_series s
                 WHERE s.id = NEW.series_id AND s.last_number = NEW.sequence
                   AND NEW.sequence = 1 + greatest(s.opened_after, (
                       SELECT max(d.sequence) FROM receipts_receipt d
                           WHERE d.series_id = s.id))) THEN
                RAISE EXCEPTION 'the number is not the next of its series'
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.kind = 'credit_note' THEN
                SELECT * INTO original FROM receipts_receipt
                 WHERE id = NEW.corrects_id FOR NO KEY UPDATE;
                IF original.kind = 'credit_note'
                    OR original.status NOT IN ('issued', 'part_paid', 'paid')
                   OR (original.project_id, original.currency, original.decimals,
                       original.tax_category, original.tax_rate, original.tax_inclusive)
                      <> (NEW.project_id, NEW.currency, NEW.decimals,
                          NEW.tax_category, NEW.tax_rate, NEW.tax_inclusive) THEN
                    RAISE EXCEPTION
                        'a credit note is taxed as the issued receipt that it corrects'
                        USING ERRCODE = 'check_violation';
                END IF;
                SELECT coalesce(sum(l.amount), 0) INTO before
                  FROM receipts_line l JOIN receipts_receipt n ON n.id = l.receipt_id
                 WHERE n.corrects_id = NEW.corrects_id AND n.id <> NEW.id
                   AND n.status NOT IN ('draft', 'pending');
            END IF;
            SELECT sum(amount) INTO lines FROM receipts_line WHERE receipt_id = NEW.id;
            IF lines IS DISTINCT FROM
                   (CASE WHEN NEW.tax_inclusive THEN NEW.total ELSE NEW.net_amount END)
               OR NEW.tax_amount <>
                   receipts_tax(before + lines, NEW.tax_rate, NEW.tax_inclusive, NEW.decimals)
                   - receipts_tax(before, NEW.tax_rate, NEW.tax_inclusive, NEW.decimals) THEN
                RAISE EXCEPTION 'the lines do not add up to the receipt'
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.kind = 'receipt' AND EXISTS (
                SELECT 1 FROM receipts_line l
                  LEFT JOIN LATERAL (
                    SELECT sum(c.amount) AS amount, sum(c.quantity) AS quantity,
                           bool_and(c.project_id = l.project_id AND c.currency = NEW.currency
                                    AND c.resource = l.resource AND c.unit_size = l.unit_size
                                    AND c.unit_price IS NOT DISTINCT FROM l.unit_price
                                    AND l.rate_id IS NOT DISTINCT FROM
                                        CASE WHEN c.unit_price IS NULL THEN c.rate_id END
                                    AND c.job_end >= NEW.window_start
                                        AND c.job_end < NEW.window_end
                                    AND c.reverses_id IS NULL AND NOT EXISTS (
                                        SELECT 1 FROM pricing_charge r
                                            WHERE r.reverses_id = c.id)
                           ) AS fits
                      FROM receipts_linecharge k JOIN pricing_charge c ON c.id = k.charge_id
                     WHERE k.line_id = l.id
                  ) s ON true
                 WHERE l.receipt_id = NEW.id
                   AND NOT coalesce(s.fits AND l.corrects_id IS NULL
                                    AND l.charged = s.amount AND l.quantity = s.quantity
                                    AND l.amount = round(s.amount, NEW.decimals)
                                    AND NEW.project_id IN (l.project_id,
                                        receipts_addressee(l.project_id)),
                                    false)
            )
               OR NEW.kind = 'credit_note' AND EXISTS (
                SELECT 1 FROM receipts_line l
                  LEFT JOIN receipts_line o ON o.id = l.corrects_id
                      AND o.receipt_id = NEW.corrects_id
                  LEFT JOIN LATERAL (
                    SELECT sum(c.amount) AS amount, sum(c.quantity) AS quantity,
                           bool_and(c.project_id = l.project_id AND c.currency = NEW.currency
                                    AND CASE WHEN c.reverses_id IS NULL
                                             THEN c.kind NOT IN ('usage', 'minimum', 'item',
                                                 'true_up',
                                                                 'adjustment') AND c.amount < 0
                                             ELSE EXISTS (
                                                SELECT 1 FROM receipts_linecharge b
                                                  JOIN receipts_line t ON t.id = b.line_id
                                                 WHERE b.charge_id = c.reverses_id
                                                   AND l.corrects_id IN (t.id,
                                                       t.corrects_id)) END
                           ) AS fits
                      FROM receipts_linecharge k JOIN pricing_charge c ON c.id = k.charge_id
                     WHERE k.line_id = l.id
                  ) s ON true
                  LEFT JOIN LATERAL (
                    SELECT coalesce(sum(e.charged), 0) AS charged
                      FROM receipts_line e JOIN receipts_receipt n ON n.id = e.receipt_id
                     WHERE e.corrects_id = l.corrects_id AND n.id <> NEW.id
                       AND n.status NOT IN ('draft', 'pending')
                  ) before ON true
                 WHERE l.receipt_id = NEW.id
                   AND NOT coalesce(s.fits AND l.charged = s.amount AND l.quantity = s.quantity
                                    AND l.project_id = o.project_id AND l.resource = o.resource
                                    AND l.amount = round(before.charged + s.amount, NEW.decimals)
                                                   - round(before.charged, NEW.decimals)
                                    AND sign(o.charged + before.charged + s.amount) IN (0,
                                        sign(o.charged)),
                                    false)
            )
               OR NEW.kind = 'opening' AND EXISTS (
                    SELECT 1 FROM receipts_linecharge k JOIN receipts_line l ON l.id = k.line_id
                     WHERE l.receipt_id = NEW.id) THEN
                RAISE EXCEPTION 'a line does not match the charges behind it'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("receipts", "0001_tables"),
        ("accounts", "0001_tables"),
        ("pricing", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
