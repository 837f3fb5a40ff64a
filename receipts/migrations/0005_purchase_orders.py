"""Receipts are issued under the purchase orders of projects that have any."""

import django.contrib.postgres.constraints
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models
import receipts.models
from core.rules import refuse, trigger

_KEPT = "id, project_id, number, currency, starts_on, created_by_id, created_at"


def _row(row: str) -> str:
    return "(" + ", ".join(f"{row}.{name.strip()}" for name in _KEPT.split(",")) + ")"


RULES = [
    refuse(
        "receipts_purchaseorder",
        "UPDATE",
        "of a purchase order only the ceiling and the last day change",
        when=f"{_row('OLD')} IS DISTINCT FROM {_row('NEW')}",
        name="receipts_purchaseorder_frozen",
    ),
    # The order is locked, so that two receipts at once don't both fit. The site's day is not known
    # here: it is at most one away from the day in UTC.
    trigger(
        "receipts_receipt",
        name="receipts_receipt_order",
        timing="BEFORE UPDATE",
        when="OLD.status = 'draft' AND NEW.status <> 'draft'",
        declare="promise receipts_purchaseorder; day date := (NEW.issued_at AT TIME ZONE 'UTC')::date;",
        body="""
            IF NEW.purchase_order_id IS NULL THEN
                IF NEW.total > 0 AND EXISTS (
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
                 WHERE purchase_order_id = promise.id AND status IN ('issued', 'paid')
            ), 0) THEN
                RAISE EXCEPTION 'the receipt goes beyond the ceiling of its purchase order'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_splits_add_up"),
        ("receipts", "0004_lines_by_rate"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PurchaseOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.CharField(max_length=64, verbose_name="number")),
                (
                    "ceiling",
                    models.DecimalField(
                        decimal_places=4,
                        help_text="Tax included.",
                        max_digits=18,
                        verbose_name="ceiling",
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("starts_on", models.DateField(verbose_name="from")),
                (
                    "expires_on",
                    models.DateField(
                        help_text="Receipts may still be issued on this day.",
                        verbose_name="last day",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="purchase_orders",
                        to="accounts.project",
                        verbose_name="project",
                    ),
                ),
            ],
            options={
                "verbose_name": "purchase order",
                "verbose_name_plural": "purchase orders",
                "ordering": ("project", "-starts_on"),
            },
        ),
        migrations.AddField(
            model_name="receipt",
            name="purchase_order",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="receipts",
                to="receipts.purchaseorder",
                verbose_name="purchase order",
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseorder",
            constraint=models.UniqueConstraint(
                fields=("project", "number"), name="purchase_order_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_on__gte", models.F("starts_on"))),
                name="purchase_order_ends_after_start",
                violation_error_message="It can't end before it begins.",
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ceiling__gt", 0),
                    ("ceiling__lt", 100000000000000),
                    ("currency__regex", "^[A-Z]{3}$"),
                ),
                name="purchase_order_ceiling",
                violation_error_message="The ceiling is an amount above zero, its currency"
                " three capital letters.",
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseorder",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    (accounts.models.Same("project"), "&&"),
                    (receipts.models.Days(), "&&"),
                ],
                name="purchase_order_no_overlap",
                violation_error_message="The project has another purchase order at that time:"
                " let that one end first.",
            ),
        ),
        *RULES,
    ]
