"""Receipts are settled in parts, and credit notes lower what they ask for."""

from importlib import import_module

from django.db import migrations

from core.rules import function, trigger

_FIRST = import_module("payments.migrations.0001_payments").RULES


def _first(name: str) -> migrations.RunSQL:
    (rule,) = (rule for rule in _FIRST if f"CREATE FUNCTION {name}()" in str(rule.sql))
    return rule


def _dropped(rule: migrations.RunSQL) -> migrations.RunSQL:
    return migrations.RunSQL(rule.reverse_sql, rule.sql)


RULES = [
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
    trigger(
        "payments_payment",
        name="payments_payment_settles",
        timing="BEFORE INSERT OR UPDATE",
        when="NEW.status = 'succeeded'",
        body="""
            IF TG_OP = 'INSERT' OR NOT EXISTS (
                SELECT 1 FROM payments_inboundevent e JOIN receipts_receipt d ON d.id = NEW.receipt_id
                 WHERE e.id = NEW.settled_by_id AND e.payment_id = NEW.id AND e.outcome = 'applied'
                   AND e.provider = NEW.provider AND e.kind = 'payment.succeeded'
                   AND e.amount = NEW.amount AND e.currency = NEW.currency
                   AND d.currency = NEW.currency AND d.status IN ('issued', 'part_paid')
                   AND NEW.amount <= receipts_payable(d.id) - coalesce((
                        SELECT sum(a.amount) FROM payments_allocation a
                         WHERE a.receipt_id = d.id), 0)
            ) THEN
                RAISE EXCEPTION 'a payment succeeds only by an event with its amount and currency'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_receipt",
        name="payments_paid_is_allocated",
        timing="BEFORE UPDATE",
        when="NEW.status = 'paid' AND OLD.status <> 'paid'",
        body="""
            IF receipts_payable(NEW.id) > coalesce(
                (SELECT sum(amount) FROM payments_allocation WHERE receipt_id = NEW.id), 0) THEN
                RAISE EXCEPTION 'a receipt is paid only when payments add up to its total'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_payments_keep_their_receipt"),
        ("receipts", "0007_document_rules"),
    ]

    operations = [
        _dropped(_first("payments_payment_settles")),
        _dropped(_first("payments_paid_is_allocated")),
        *RULES,
    ]
