"""Payments: only a verified event with the right amount settles a receipt."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.rules import append_only, no_truncate, trigger

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
                   AND d.total = NEW.amount AND d.currency = NEW.currency AND d.status = 'issued'
            ) THEN
                RAISE EXCEPTION 'a payment succeeds only by an event with its amount and currency'
                    USING ERRCODE = 'check_violation';
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
    trigger(
        "payments_allocation",
        name="payments_allocation_fits",
        timing="BEFORE INSERT",
        body="""
            PERFORM 1 FROM receipts_receipt WHERE id = NEW.receipt_id FOR NO KEY UPDATE;
            IF NOT EXISTS (SELECT 1 FROM payments_payment p
                            WHERE p.id = NEW.payment_id AND p.status = 'succeeded')
               OR NEW.amount + coalesce((SELECT sum(amount) FROM payments_allocation
                                          WHERE payment_id = NEW.payment_id), 0)
                  > (SELECT amount FROM payments_payment WHERE id = NEW.payment_id)
               OR NEW.amount + coalesce((SELECT sum(amount) FROM payments_allocation
                                          WHERE receipt_id = NEW.receipt_id), 0)
                  > (SELECT total FROM receipts_receipt WHERE id = NEW.receipt_id) THEN
                RAISE EXCEPTION 'an allocation exceeds its payment or its receipt'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    *append_only("payments_allocation"),
    trigger(
        "receipts_receipt",
        name="payments_paid_is_allocated",
        timing="BEFORE UPDATE",
        when="NEW.status = 'paid' AND OLD.status <> 'paid'",
        body="""
            IF NEW.total <> coalesce(
                (SELECT sum(amount) FROM payments_allocation WHERE receipt_id = NEW.id), 0) THEN
                RAISE EXCEPTION 'a receipt is paid only when payments add up to its total'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_refusal"),
        ("receipts", "0001_receipts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="InboundEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider", models.CharField(max_length=32, verbose_name="provider")),
                (
                    "external_event_id",
                    models.CharField(max_length=255, verbose_name="provider's event id"),
                ),
                ("kind", models.CharField(max_length=32, verbose_name="kind")),
                (
                    "external_payment_id",
                    models.CharField(
                        blank=True, max_length=255, verbose_name="provider's payment id"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=4, max_digits=18, null=True, verbose_name="amount"
                    ),
                ),
                ("currency", models.CharField(blank=True, max_length=3, verbose_name="currency")),
                ("occurred_at", models.DateTimeField(verbose_name="happened")),
                ("body", models.TextField(verbose_name="message as it came")),
                ("body_sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                ("received_at", models.DateTimeField(auto_now_add=True, verbose_name="received")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("received", "Received"),
                            ("applied", "Applied"),
                            ("mismatch", "Mismatch"),
                            ("noted", "Noted"),
                        ],
                        default="received",
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "–"),
                            ("unknown_payment", "No payment has this key"),
                            ("amount", "The amount differs from the receipt's"),
                            ("currency", "The currency differs from the receipt's"),
                            ("already_settled", "The receipt is paid already"),
                            ("not_payable", "The receipt is not open for payment"),
                        ],
                        max_length=32,
                        verbose_name="reason",
                    ),
                ),
                ("resolved_at", models.DateTimeField(null=True, verbose_name="resolved")),
                (
                    "resolution",
                    models.CharField(blank=True, max_length=500, verbose_name="resolution"),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="resolved by",
                    ),
                ),
            ],
            options={
                "verbose_name": "provider event",
                "verbose_name_plural": "provider events",
                "ordering": ("-id",),
                "permissions": (("resolve_inboundevent", "Can resolve mismatched payments"),),
            },
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("provider", models.CharField(max_length=32, verbose_name="provider")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="amount"),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "external_id",
                    models.CharField(blank=True, max_length=255, verbose_name="provider's key"),
                ),
                (
                    "checkout_url",
                    models.URLField(blank=True, max_length=1000, verbose_name="checkout page"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("settled_at", models.DateTimeField(null=True, verbose_name="settled")),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "receipt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="receipts.receipt",
                        verbose_name="receipt",
                    ),
                ),
                (
                    "settled_by",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settles",
                        to="payments.inboundevent",
                        verbose_name="settled by event",
                    ),
                ),
            ],
            options={
                "verbose_name": "payment",
                "verbose_name_plural": "payments",
                "ordering": ("-id",),
                "permissions": (("record_transfer", "Can record bank transfers"),),
            },
        ),
        migrations.AddField(
            model_name="inboundevent",
            name="payment",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="events",
                to="payments.payment",
                verbose_name="payment",
            ),
        ),
        migrations.CreateModel(
            name="Allocation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=4, max_digits=18, verbose_name="amount"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "receipt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allocations",
                        to="receipts.receipt",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allocations",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "verbose_name": "allocation",
                "verbose_name_plural": "allocations",
            },
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=("provider", "external_id"),
                name="payment_external_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "pending")),
                fields=("receipt", "provider"),
                name="payment_one_pending",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("settled_at__isnull", False),
                        ("settled_by__isnull", False),
                        ("status", "succeeded"),
                    ),
                    models.Q(
                        models.Q(("status", "succeeded"), _negated=True),
                        ("settled_at", None),
                        ("settled_by", None),
                    ),
                    _connector="OR",
                ),
                name="payment_settled_by_event",
            ),
        ),
        migrations.AddIndex(
            model_name="inboundevent",
            index=models.Index(
                condition=models.Q(("outcome", "mismatch"), ("resolved_at", None)),
                fields=["received_at"],
                name="inbound_event_queue",
            ),
        ),
        migrations.AddConstraint(
            model_name="inboundevent",
            constraint=models.UniqueConstraint(
                fields=("provider", "external_event_id"), name="inbound_event_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="inboundevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", "mismatch"), models.Q(("reason", ""), _negated=True)),
                    models.Q(models.Q(("outcome", "mismatch"), _negated=True), ("reason", "")),
                    _connector="OR",
                ),
                name="inbound_event_mismatch_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="inboundevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("resolution", ""), ("resolved_at", None)),
                    models.Q(
                        ("outcome", "mismatch"),
                        ("resolved_at__isnull", False),
                        models.Q(("resolution", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="inbound_event_resolution",
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.UniqueConstraint(
                fields=("payment", "receipt"), name="allocation_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="allocation_amount_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="inboundevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount", None),
                    models.Q(("amount__gte", 0), ("amount__lt", 100000000000000)),
                    _connector="OR",
                ),
                name="inbound_event_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="payment_amount_in_range",
            ),
        ),
        *RULES,
    ]
