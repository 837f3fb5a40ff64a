"""Receipts are settled in parts: money and withheld tax never exceed what they settle."""

from importlib import import_module

from django.db import migrations

from core.rules import append_only, function, no_truncate, trigger

_FIRST = import_module("payments.migrations.0001_payments").RULES


def _first(name: str) -> migrations.RunSQL:
    (rule,) = (rule for rule in _FIRST if f"CREATE FUNCTION {name}()" in str(rule.sql))
    return rule


def _dropped(rule: migrations.RunSQL) -> migrations.RunSQL:
    return migrations.RunSQL(rule.reverse_sql, rule.sql)


def _agrees(
    table: str, name: str, *, event: str, receipt: str, when: str = ""
) -> migrations.RunSQL:
    """Look at commit whether the status of a receipt is what its settlement says."""
    return trigger(
        table,
        name=name,
        timing=f"AFTER {event} DEFERRABLE INITIALLY DEFERRED",
        when=when,
        body=f"""
            IF NOT payments_agrees({receipt}) THEN
                RAISE EXCEPTION 'what settles receipt % does not agree with what it asks for'
                    ' and with its status', {receipt} USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    )


READING = [
    # What a receipt asks for after its credit notes.
    function(
        "receipts_payable(receipt bigint)",
        returns="numeric",
        body="""
            SELECT d.total + coalesce((
                SELECT sum(n.total) FROM receipts_receipt n
                 WHERE n.corrects_id = d.id AND n.status = 'issued'), 0)
              FROM receipts_receipt d WHERE d.id = $1;
        """,
    ),
    # What of it was paid, or withheld as tax.
    function(
        "payments_settled(receipt bigint)",
        returns="numeric",
        body="""
            SELECT coalesce((SELECT sum(a.amount) FROM payments_allocation a
                              WHERE a.receipt_id = $1), 0)
                 + coalesce((SELECT sum(w.amount) FROM payments_withholding w
                              WHERE w.receipt_id = $1), 0);
        """,
    ),
    # What of a payment settles nothing, and is not given back or about to be.
    function(
        "payments_unallocated(payment bigint)",
        returns="numeric",
        body="""
            SELECT p.amount
                 - coalesce((SELECT sum(a.amount) FROM payments_allocation a
                              WHERE a.payment_id = p.id), 0)
                 - coalesce((SELECT sum(r.amount) FROM payments_refund r
                              WHERE r.payment_id = p.id AND r.status <> 'rejected'), 0)
              FROM payments_payment p WHERE p.id = $1 AND p.status = 'succeeded';
        """,
    ),
    function(
        "payments_agrees(receipt bigint)",
        returns="boolean",
        body="""
            SELECT CASE d.status
                     WHEN 'issued' THEN s.settled = 0 AND s.payable > 0
                     WHEN 'part_paid' THEN s.settled > 0 AND s.settled < s.payable
                     WHEN 'paid' THEN s.settled = s.payable
                     WHEN 'written_off' THEN s.settled >= 0 AND s.payable - s.settled = (
                        SELECT w.amount FROM receipts_writeoff w
                         WHERE w.receipt_id = d.id AND w.status = 'approved')
                     ELSE s.settled = 0
                   END IS TRUE
              FROM receipts_receipt d
             CROSS JOIN LATERAL (SELECT receipts_payable(d.id) AS payable,
                                        payments_settled(d.id) AS settled) s
             WHERE d.id = $1;
        """,
    ),
]

PAYMENTS = [
    # A payment waits for an event that applies to it; or it is made of what arrived for a receipt,
    # did not match, and was kept by a person.
    trigger(
        "payments_payment",
        name="payments_payment_settles",
        timing="BEFORE INSERT OR UPDATE",
        when="NEW.status = 'succeeded'",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM payments_inboundevent e JOIN receipts_receipt d ON d.id = NEW.receipt_id
                 WHERE e.id = NEW.settled_by_id AND e.kind = 'payment.succeeded'
                   AND e.provider = NEW.provider
                   AND e.amount = NEW.amount AND e.currency = NEW.currency
                   AND CASE TG_OP WHEN 'INSERT'
                       THEN e.outcome = 'mismatch' AND e.resolved_at IS NOT NULL AND EXISTS (
                                SELECT 1 FROM payments_payment p
                                 WHERE p.id = e.payment_id AND p.receipt_id = NEW.receipt_id)
                       ELSE e.outcome = 'applied' AND e.payment_id = NEW.id
                            AND d.currency = NEW.currency AND d.status IN ('issued', 'part_paid')
                       END
            ) THEN
                RAISE EXCEPTION 'a payment succeeds only by an event with its amount and currency'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_allocation",
        name="payments_allocation_fits",
        timing="BEFORE INSERT",
        declare="doc receipts_receipt; paid payments_payment;",
        body="""
            SELECT * INTO doc FROM receipts_receipt WHERE id = NEW.receipt_id FOR NO KEY UPDATE;
            SELECT * INTO paid FROM payments_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
            IF paid.status IS DISTINCT FROM 'succeeded' OR paid.currency <> doc.currency
               OR doc.project_id <> (
                    SELECT project_id FROM receipts_receipt WHERE id = paid.receipt_id)
               OR NEW.amount > 0 AND doc.status NOT IN ('issued', 'part_paid')
               OR NEW.amount > payments_unallocated(NEW.payment_id)
               OR NEW.amount + coalesce((
                    SELECT sum(amount) FROM payments_allocation
                     WHERE payment_id = NEW.payment_id AND receipt_id = NEW.receipt_id), 0) < 0 THEN
                RAISE EXCEPTION 'an allocation exceeds its payment or its receipt'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    _agrees(
        "payments_allocation",
        "payments_allocation_agrees",
        event="INSERT",
        receipt="NEW.receipt_id",
    ),
    _agrees(
        "receipts_receipt",
        "payments_status_agrees",
        event="UPDATE",
        receipt="coalesce(NEW.corrects_id, NEW.id)",
        when="NEW.status NOT IN ('draft', 'pending')",
    ),
    trigger(
        "receipts_writeoff",
        name="payments_write_off_agrees",
        timing="AFTER INSERT OR UPDATE DEFERRABLE INITIALLY DEFERRED",
        when="NEW.status = 'approved'",
        body="""
            IF NOT payments_agrees(NEW.receipt_id) OR NOT EXISTS (
                SELECT 1 FROM receipts_receipt d
                 WHERE d.id = NEW.receipt_id AND d.status = 'written_off') THEN
                RAISE EXCEPTION 'a write-off is of what is left of a receipt'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]

WITHHOLDINGS = [
    trigger(
        "payments_withholding",
        name="payments_withholding_fits",
        timing="BEFORE INSERT",
        declare="doc receipts_receipt;",
        body="""
            SELECT * INTO doc FROM receipts_receipt WHERE id = NEW.receipt_id FOR NO KEY UPDATE;
            IF NEW.amount <> round(NEW.amount, doc.decimals)
               OR NEW.reverses_id IS NULL AND doc.status NOT IN ('issued', 'part_paid')
               OR NEW.reverses_id IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM payments_withholding w
                     WHERE w.id = NEW.reverses_id AND w.reverses_id IS NULL
                       AND w.receipt_id = NEW.receipt_id AND w.amount = -NEW.amount
                       AND w.certificate = NEW.certificate AND w.percent = NEW.percent
                       AND w.day = NEW.day) THEN
                RAISE EXCEPTION 'tax is withheld of an open receipt, and taken back in whole'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    _agrees(
        "payments_withholding",
        "payments_withholding_agrees",
        event="INSERT",
        receipt="NEW.receipt_id",
    ),
    *append_only("payments_withholding"),
]

REFUNDS = [
    trigger(
        "payments_refund",
        name="payments_refund_fits",
        timing="BEFORE INSERT",
        body="""
            PERFORM 1 FROM payments_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
            IF (NEW.amount <= payments_unallocated(NEW.payment_id)) IS NOT TRUE THEN
                RAISE EXCEPTION 'a refund exceeds what is left of its payment'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_refund",
        name="payments_refund_frozen",
        timing="BEFORE UPDATE OR DELETE",
        body="""
            IF TG_OP = 'DELETE' OR to_jsonb(NEW) <> to_jsonb(OLD) AND (
                (OLD.status::text, NEW.status::text) NOT IN (
                    ('requested', 'approved'), ('requested', 'rejected'),
                    ('approved', 'rejected'), ('approved', 'paid_out'))
                OR (OLD.payment_id, OLD.amount, OLD.reason, OLD.requested_by_id, OLD.requested_at)
                   IS DISTINCT FROM
                   (NEW.payment_id, NEW.amount, NEW.reason, NEW.requested_by_id, NEW.requested_at)
                OR OLD.status = 'approved' AND (OLD.approved_by_id, OLD.approved_at)
                   IS DISTINCT FROM (NEW.approved_by_id, NEW.approved_at)) THEN
                RAISE EXCEPTION '% on % is refused: a refund keeps what was asked for and decided',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    no_truncate("payments_refund"),
]

OFFICIAL = [
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
            IF NEW.sequence <> 1 + (
                SELECT greatest(s.opened_after, (
                           SELECT max(o.sequence) FROM payments_officialreceipt o
                            WHERE o.series_id = s.id))
                  FROM receipts_series s WHERE s.id = NEW.series_id)
               OR NEW.currency <> doc.currency
               OR NEW.amount <> money + kept OR NEW.withheld <> kept
               OR EXISTS (
                    SELECT 1 FROM payments_officialreceipt o
                     WHERE (o.allocation_id = NEW.allocation_id
                            OR o.withholding_id = NEW.withholding_id) AND NOT EXISTS (
                        SELECT 1 FROM payments_officialcancellation c WHERE c.official_id = o.id))
               OR NEW.tax_amount <> payments_share(before + NEW.amount, doc.tax_amount, doc.total,
                                                   doc.decimals::integer) - taxed THEN
                RAISE EXCEPTION 'an official receipt says what one act settled, with the next number'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    *append_only("payments_officialreceipt"),
    *append_only("payments_officialcancellation"),
]

SHARE = function(
    "payments_share(amount numeric, part numeric, total numeric, decimals integer)",
    returns="numeric",
    pure=True,
    body="SELECT round((amount * part)::numeric(60, 30) / nullif(total, 0), decimals);",
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_settlement")]

    operations = [
        _dropped(_first("payments_payment_settles")),
        _dropped(_first("payments_paid_is_allocated")),
        _dropped(_first("payments_allocation_fits")),
        SHARE,
        *READING,
        *PAYMENTS,
        *WITHHOLDINGS,
        *REFUNDS,
        *OFFICIAL,
    ]
