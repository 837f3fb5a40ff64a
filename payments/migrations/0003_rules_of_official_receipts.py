"""The rules of official receipts: those in force are what settles their receipt, and closed months stay."""

from django.db import migrations

from core.rules import append_only, function, trigger


def _documented(
    table: str,
    *,
    name: str = "",
    event: str = "INSERT",
    when: str = "",
    receipt: str = "NEW.receipt_id",
) -> migrations.RunSQL:
    """Ask at commit whether official receipts say what settles the receipt that a row is about."""
    return trigger(
        table,
        name=name or f"{table}_documented",
        timing=f"AFTER {event} DEFERRABLE INITIALLY DEFERRED",
        when=when,
        body=f"""
            IF NOT payments_documented({receipt}) THEN
                RAISE EXCEPTION 'official receipts do not say what settles receipt %', {receipt}
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    )


RULES = [
    *append_only("payments_officialreceipt"),
    *append_only("payments_officialcancellation"),
    # What of a receipt is tax after its credit notes.
    function(
        "receipts_tax_left(receipt bigint)",
        returns="numeric",
        body="""
            SELECT d.tax_amount + coalesce((
                SELECT sum(n.tax_amount) FROM receipts_receipt n
                 WHERE n.corrects_id = d.id AND n.status = 'issued'), 0)
              FROM receipts_receipt d WHERE d.id = $1;
        """,
    ),
    # Official receipts in force say of each payment and certificate what it settles of a receipt;
    # once nothing is left to pay, their tax is what is left of the receipt's. Where the receipt
    # promised none, there are none.
    function(
        "payments_documented(receipt bigint)",
        returns="boolean",
        body="""
            WITH given AS (
                SELECT o.* FROM payments_officialreceipt o
                 WHERE o.receipt_id = $1 AND NOT EXISTS (
                    SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id)
            )
            SELECT CASE WHEN coalesce(d.particulars ->> 'at_payment', 'none') = 'none'
                     THEN NOT EXISTS (SELECT 1 FROM given)
                     ELSE NOT EXISTS (
                        SELECT 1 FROM (
                            SELECT a.payment_id AS payment, NULL::bigint AS certificate, a.amount
                              FROM payments_allocation a WHERE a.receipt_id = $1
                            UNION ALL
                            SELECT NULL, coalesce(w.reverses_id, w.id), w.amount
                              FROM payments_withholding w WHERE w.receipt_id = $1
                            UNION ALL
                            SELECT a.payment_id, NULL, g.withheld - g.amount
                              FROM given g JOIN payments_allocation a ON a.id = g.allocation_id
                            UNION ALL
                            SELECT NULL, g.withholding_id, -g.withheld
                              FROM given g WHERE g.withholding_id IS NOT NULL
                        ) s GROUP BY s.payment, s.certificate HAVING sum(s.amount) <> 0)
                      AND (payments_settled(d.id) <> receipts_payable(d.id)
                           OR receipts_tax_left(d.id) = (
                                SELECT coalesce(sum(g.tax_amount), 0) FROM given g))
                   END
              FROM receipts_receipt d WHERE d.id = $1;
        """,
    ),
    trigger(
        "payments_officialreceipt",
        name="payments_official_in_open_month",
        timing="BEFORE INSERT",
        declare="state text;",
        body="""
            SELECT p.status INTO state FROM accounts_period p
             WHERE NEW.issued_at >= p.starts_at AND NEW.issued_at < p.ends_at FOR SHARE;
            IF state = 'closed' THEN
                RAISE EXCEPTION 'the month of % is closed: its output tax stays', NEW.issued_at
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_officialcancellation",
        name="payments_cancellation_in_open_month",
        timing="BEFORE INSERT",
        declare="state text;",
        body="""
            SELECT p.status INTO state FROM accounts_period p
             WHERE NEW.cancelled_at >= p.starts_at AND NEW.cancelled_at < p.ends_at FOR SHARE;
            IF state = 'closed' THEN
                RAISE EXCEPTION 'the month of % is closed: its output tax stays',
                    NEW.cancelled_at
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_officialreceipt",
        name="payments_official_fits",
        timing="BEFORE INSERT",
        declare="doc receipts_receipt; before numeric; taxed numeric; money numeric; kept numeric;",
        body="""
            SELECT * INTO doc FROM receipts_receipt WHERE id = NEW.receipt_id FOR NO KEY UPDATE;
            SELECT coalesce(sum(o.amount), 0), coalesce(sum(o.tax_amount), 0)
              INTO before, taxed FROM payments_officialreceipt o
             WHERE o.receipt_id = NEW.receipt_id AND NOT EXISTS (
                SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id);
            SELECT coalesce(sum(a.amount), 0) INTO money FROM payments_allocation a
             WHERE a.id = NEW.allocation_id AND a.receipt_id = NEW.receipt_id AND a.amount > 0;
            SELECT coalesce(sum(w.amount), 0) INTO kept FROM payments_withholding w
             WHERE w.id = NEW.withholding_id AND w.receipt_id = NEW.receipt_id;
            IF NOT EXISTS (
                SELECT 1 FROM receipts_series s
                 WHERE s.id = NEW.series_id AND s.last_number = NEW.sequence
                   AND NEW.sequence = 1 + greatest(s.opened_after, (
                       SELECT max(o.sequence) FROM payments_officialreceipt o
                        WHERE o.series_id = s.id)))
               OR NEW.currency <> doc.currency
               OR NEW.kind IS DISTINCT FROM doc.particulars ->> 'at_payment'
               OR NEW.kind = 'receipt_tax_invoice'
                  AND doc.particulars ->> 'title' IN ('tax_invoice', 'receipt_tax_invoice')
               OR NEW.withheld <> kept OR NEW.amount - kept > money
               OR NEW.amount = kept AND NEW.allocation_id IS NOT NULL
               OR EXISTS (
                    SELECT 1 FROM payments_officialreceipt o
                     WHERE (o.allocation_id = NEW.allocation_id
                            OR o.withholding_id = NEW.withholding_id) AND NOT EXISTS (
                        SELECT 1 FROM payments_officialcancellation c
                            WHERE c.official_id = o.id))
               OR NEW.replaces_id IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM payments_officialcancellation c
                      JOIN payments_officialreceipt o ON o.id = c.official_id
                     WHERE o.id = NEW.replaces_id AND o.receipt_id = NEW.receipt_id)
               OR NEW.tax_amount IS DISTINCT FROM payments_share(
                    before + NEW.amount, receipts_tax_left(doc.id), receipts_payable(doc.id),
                    doc.decimals::integer) - taxed THEN
                RAISE EXCEPTION
                    'an official receipt says what one act settled, with the next number'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_officialcancellation",
        name="payments_cancellation_fits",
        timing="BEFORE INSERT",
        declare="given payments_officialreceipt;",
        body="""
            SELECT * INTO given FROM payments_officialreceipt WHERE id = NEW.official_id;
            PERFORM 1 FROM receipts_receipt WHERE id = given.receipt_id FOR NO KEY UPDATE;
            IF NEW.cancelled_at < given.issued_at THEN
                RAISE EXCEPTION 'an official receipt is cancelled after it was given'
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.credit_note_id IS NOT NULL
               AND NOT payments_credits(NEW.credit_note_id, given.receipt_id) THEN
                RAISE EXCEPTION 'an official receipt is cancelled for a credit note of its receipt'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # A document takes its number after the series went on to it (the rules of documents), so each
    # number that a series comes to has a document at commit; else the next one could not be issued.
    trigger(
        "receipts_series",
        name="payments_series_number_taken",
        timing="AFTER UPDATE DEFERRABLE INITIALLY DEFERRED",
        when="NEW.last_number <> OLD.last_number",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM receipts_receipt
                 WHERE series_id = NEW.id AND sequence = NEW.last_number
            ) AND NOT EXISTS (
                SELECT 1 FROM payments_officialreceipt
                 WHERE series_id = NEW.id AND sequence = NEW.last_number
            ) THEN
                RAISE EXCEPTION 'number % of a series is on no document', NEW.last_number
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    _documented("payments_allocation"),
    _documented("payments_withholding"),
    _documented("payments_officialreceipt", name="payments_official_documented"),
    _documented(
        "payments_officialcancellation",
        name="payments_cancellation_documented",
        receipt="(SELECT receipt_id FROM payments_officialreceipt WHERE id = NEW.official_id)",
    ),
    _documented(
        "receipts_receipt",
        name="payments_note_documented",
        event="UPDATE",
        when="NEW.kind = 'credit_note' AND NEW.status = 'issued'",
        receipt="NEW.corrects_id",
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_rules_of_payments"),
        ("accounts", "0001_tables"),
        ("receipts", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
