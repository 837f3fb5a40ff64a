"""The rules of money: what came in, what it settles, and what was given back."""

from django.db import migrations

from core.rules import append_only, changed, function, no_truncate, refuse, trigger

_PAYMENT = "public_id, receipt_id, provider, amount, currency, created_by_id, created_at"


RULES = [
    trigger(
        "payments_payment",
        name="payments_payment_frozen",
        timing="BEFORE UPDATE OR DELETE",
        when="OLD.status <> 'pending'",
        body="""
            IF TG_OP = 'DELETE' OR to_jsonb(NEW) <> to_jsonb(OLD) THEN
                RAISE EXCEPTION '% on % is refused: an ended payment never changes',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    no_truncate("payments_payment"),
    trigger(
        "payments_inboundevent",
        name="payments_inboundevent_frozen",
        timing="BEFORE UPDATE OR DELETE",
        body="""
            IF TG_OP = 'DELETE'
               OR to_jsonb(NEW) - ARRAY['payment_id', 'outcome', 'reason', 'resolved_at',
                                        'resolved_by_id', 'resolution']
                  <> to_jsonb(OLD) - ARRAY['payment_id', 'outcome', 'reason', 'resolved_at',
                                           'resolved_by_id', 'resolution']
               OR OLD.outcome NOT IN ('received', NEW.outcome)
               OR OLD.resolved_at IS NOT NULL AND to_jsonb(NEW) <> to_jsonb(OLD) THEN
                RAISE EXCEPTION '% on % is refused: what a provider said is kept as it came',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    no_truncate("payments_inboundevent"),
    *append_only("payments_allocation"),
    refuse(
        "payments_payment",
        "UPDATE",
        "a payment keeps what it was started for",
        name="payments_payment_keeps_purpose",
        when=f"""
            {changed(_PAYMENT)} OR OLD.external_id <> ''
                AND {changed("external_id, checkout_url")}
        """,
    ),
    refuse(
        "payments_payment",
        "DELETE",
        "payments are never deleted",
        name="payments_payment_refuse_delete",
    ),
    function(
        "payments_share(amount numeric, part numeric, total numeric, decimals integer)",
        returns="numeric",
        pure=True,
        body="SELECT round((amount * part)::numeric(60, 30) / nullif(total, 0), decimals);",
    ),
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
    # Whether this is an issued credit note of that receipt.
    function(
        "payments_credits(note bigint, receipt bigint)",
        returns="boolean",
        body="""
            SELECT EXISTS (SELECT 1 FROM receipts_receipt n
                            WHERE n.id = $1 AND n.corrects_id = $2 AND n.status = 'issued');
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
    # A payment waits for an event that applies to it; or it is made of what arrived for a receipt,
    # did not match, and was kept by a person.
    trigger(
        "payments_payment",
        name="payments_payment_settles",
        timing="BEFORE INSERT OR UPDATE",
        when="NEW.status = 'succeeded'",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM payments_inboundevent e JOIN receipts_receipt d
                    ON d.id = NEW.receipt_id
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
                RAISE EXCEPTION
                    'a payment succeeds only by an event with its amount and currency'
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
                     WHERE payment_id = NEW.payment_id
                         AND receipt_id = NEW.receipt_id), 0) < 0 THEN
                RAISE EXCEPTION 'an allocation exceeds its payment or its receipt'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_allocation",
        name="payments_allocation_agrees",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="",
        body="""
            IF NOT payments_agrees(NEW.receipt_id) THEN
                RAISE EXCEPTION 'what settles receipt % does not agree with what it asks for'
                    ' and with its status', NEW.receipt_id USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    trigger(
        "receipts_receipt",
        name="payments_status_agrees",
        timing="AFTER UPDATE DEFERRABLE INITIALLY DEFERRED",
        when="NEW.status NOT IN ('draft', 'pending')",
        body="""
            IF NOT payments_agrees(coalesce(NEW.corrects_id, NEW.id)) THEN
                RAISE EXCEPTION 'what settles receipt % does not agree with what it asks for'
                    ' and with its status', coalesce(NEW.corrects_id, NEW.id)
                        USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
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
                       AND w.day = NEW.day)
               OR NEW.credit_note_id IS NOT NULL
                  AND NOT payments_credits(NEW.credit_note_id, NEW.receipt_id) THEN
                RAISE EXCEPTION 'tax is withheld of an open receipt, and taken back in whole'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "payments_withholding",
        name="payments_withholding_agrees",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="",
        body="""
            IF NOT payments_agrees(NEW.receipt_id) THEN
                RAISE EXCEPTION 'what settles receipt % does not agree with what it asks for'
                    ' and with its status', NEW.receipt_id USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    *append_only("payments_withholding"),
    no_truncate("payments_refund"),
    *append_only("payments_officialfile"),
    # What of a payment settles nothing, and is not given back, about to be, or taken back.
    function(
        "payments_unallocated(payment bigint)",
        returns="numeric",
        body="""
            SELECT p.amount
                 - coalesce((SELECT sum(a.amount) FROM payments_allocation a
                              WHERE a.payment_id = p.id), 0)
                 - coalesce((SELECT sum(r.amount) FROM payments_refund r
                              WHERE r.payment_id = p.id AND r.status <> 'rejected'
                                AND NOT (r.bounced AND r.status = 'requested')), 0)
              FROM payments_payment p WHERE p.id = $1 AND p.status = 'succeeded';
        """,
    ),
    # One that bounced is the whole of a payment of which nothing was given back, or is about to be.
    trigger(
        "payments_refund",
        name="payments_refund_fits",
        timing="BEFORE INSERT",
        declare="paid payments_payment;",
        body="""
            SELECT * INTO paid FROM payments_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
            IF (CASE WHEN NEW.bounced
                    THEN paid.status = 'succeeded' AND NEW.amount = paid.amount
                         AND NEW.status = 'requested' AND NOT EXISTS (
                            SELECT 1 FROM payments_refund r
                             WHERE r.payment_id = NEW.payment_id AND r.status <> 'rejected')
                    ELSE NEW.amount <= payments_unallocated(NEW.payment_id) AND NOT EXISTS (
                            SELECT 1 FROM payments_refund r
                             WHERE r.payment_id = NEW.payment_id AND r.bounced
                               AND r.status <> 'rejected')
               END) IS NOT TRUE THEN
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
        body=f"""
            IF TG_OP = 'DELETE' OR to_jsonb(NEW) <> to_jsonb(OLD) AND (
                (OLD.status::text, NEW.status::text) NOT IN (
                    ('requested', 'approved'), ('requested', 'rejected'),
                    ('approved', 'rejected'), ('approved', 'paid_out'))
                AND NOT (OLD.bounced AND OLD.status = 'requested' AND NEW.status = 'paid_out')
                OR {changed("payment_id, amount, bounced, reason, requested_by_id, requested_at")}
                OR OLD.status = 'approved' AND {changed("approved_by_id, approved_at")}) THEN
                RAISE EXCEPTION
                    '% on % is refused: a refund keeps what was asked for and decided',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # A payment that was taken back settles nothing, now and later: nothing of it is unallocated.
    trigger(
        "payments_refund",
        name="payments_bounced_settles_nothing",
        timing="BEFORE UPDATE",
        when="NEW.bounced AND NEW.status = 'paid_out' AND OLD.status <> 'paid_out'",
        body="""
            PERFORM 1 FROM payments_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
            IF payments_unallocated(NEW.payment_id) IS DISTINCT FROM NEW.amount THEN
                RAISE EXCEPTION 'a payment that was taken back settles nothing'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0001_tables"),
        ("receipts", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
