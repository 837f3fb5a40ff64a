"""Receipts are written off by two people."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.rules import no_truncate, trigger

RULES = [
    trigger(
        "receipts_writeoff",
        name="receipts_writeoff_frozen",
        timing="BEFORE UPDATE OR DELETE",
        body="""
            IF TG_OP = 'DELETE' OR to_jsonb(NEW) <> to_jsonb(OLD) AND (
                OLD.status <> 'requested' OR NEW.status = 'requested'
                OR (OLD.receipt_id, OLD.amount, OLD.reason, OLD.requested_by_id, OLD.requested_at)
                   IS DISTINCT FROM
                   (NEW.receipt_id, NEW.amount, NEW.reason, NEW.requested_by_id, NEW.requested_at)
            ) THEN
                RAISE EXCEPTION '% on % is refused: a write-off keeps what was asked for and decided',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    no_truncate("receipts_writeoff"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("receipts", "0011_runs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WriteOff",
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
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "To be approved"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                        ],
                        default="requested",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("requested_at", models.DateTimeField(auto_now_add=True, verbose_name="requested")),
                ("approved_at", models.DateTimeField(null=True, verbose_name="approved")),
                ("rejected_at", models.DateTimeField(null=True, verbose_name="rejected")),
                (
                    "rejected_because",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="reason of the rejection"
                    ),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "receipt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="write_offs",
                        to="receipts.receipt",
                        verbose_name="receipt",
                    ),
                ),
                (
                    "rejected_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="rejected by",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
            ],
            options={
                "verbose_name": "write-off",
                "verbose_name_plural": "write-offs",
                "ordering": ("-id",),
                "permissions": (
                    ("request_writeoff", "Can ask for receipts to be written off"),
                    ("approve_writeoff", "Can approve write-offs that others ask for"),
                ),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "rejected"), _negated=True),
                        fields=("receipt",),
                        name="write_off_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__gt", 0),
                            ("amount__lt", 100000000000000),
                            models.Q(("reason", ""), _negated=True),
                        ),
                        name="write_off_amount_and_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by", None),
                            models.Q(("approved_by", models.F("requested_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="write_off_second_person",
                        violation_error_message="Whoever asks for a write-off does not approve it.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("approved_at", None),
                                ("approved_by", None),
                                ("rejected_at", None),
                                ("status", "requested"),
                            ),
                            models.Q(
                                ("approved_at__isnull", False),
                                ("approved_by__isnull", False),
                                ("rejected_at", None),
                                ("status", "approved"),
                            ),
                            models.Q(
                                ("approved_at", None),
                                ("approved_by", None),
                                ("rejected_at__isnull", False),
                                ("status", "rejected"),
                                models.Q(("rejected_because", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="write_off_steps",
                    ),
                ],
            },
        ),
        *RULES,
    ]
