"""Payments that the bank took back: refunds of the whole that a second person approves at once."""

from importlib import import_module

from django.db import migrations, models
from django.db.models import Q

from core.rules import function, trigger

_BEFORE = import_module("payments.migrations.0004_settlement_rules")


def _dropped(name):
    rules = [*_BEFORE.READING, *_BEFORE.REFUNDS]
    (rule,) = (rule for rule in rules if f"CREATE FUNCTION {name}(" in str(rule.sql))
    return migrations.RunSQL(rule.reverse_sql, rule.sql)


RULES = [
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
        body="""
            IF TG_OP = 'DELETE' OR to_jsonb(NEW) <> to_jsonb(OLD) AND (
                (OLD.status::text, NEW.status::text) NOT IN (
                    ('requested', 'approved'), ('requested', 'rejected'),
                    ('approved', 'rejected'), ('approved', 'paid_out'))
                AND NOT (OLD.bounced AND OLD.status = 'requested' AND NEW.status = 'paid_out')
                OR (OLD.payment_id, OLD.amount, OLD.bounced, OLD.reason, OLD.requested_by_id,
                    OLD.requested_at)
                   IS DISTINCT FROM
                   (NEW.payment_id, NEW.amount, NEW.bounced, NEW.reason, NEW.requested_by_id,
                    NEW.requested_at)
                OR OLD.status = 'approved' AND (OLD.approved_by_id, OLD.approved_at)
                   IS DISTINCT FROM (NEW.approved_by_id, NEW.approved_at)) THEN
                RAISE EXCEPTION '% on % is refused: a refund keeps what was asked for and decided',
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
    dependencies = [("payments", "0005_official_receipts_follow")]

    operations = [
        migrations.AddField(
            "refund",
            "bounced",
            models.BooleanField(default=False, verbose_name="taken back by the bank"),
        ),
        migrations.AddConstraint(
            "refund",
            models.UniqueConstraint(
                condition=Q(("bounced", True), ~Q(("status", "rejected"))),
                fields=("payment",),
                name="refund_bounces_once",
            ),
        ),
        migrations.AddConstraint(
            "refund",
            models.CheckConstraint(
                condition=Q(("bounced", False), ~Q(("status", "approved")), _connector="OR"),
                name="refund_bounced_at_once",
            ),
        ),
        _dropped("payments_unallocated"),
        _dropped("payments_refund_fits"),
        _dropped("payments_refund_frozen"),
        *RULES,
    ]
